"""Starting and stopping an experiment, with more patience than NNI's own launcher.

`nnictl create` asks its manager four times within as many seconds whether it is up, then kills it:
on a loaded machine that fails most of the time. Everything else is NNI's own: the config loader,
the index of experiments that `nnictl` reads, the manager.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hpo_nni.errors import NniError, Problem, SettingsError
from hpo_nni.nni_api.manager import running_manager
from hpo_nni.nni_api.quoting import breaks_nni, plain_directory
from hpo_nni.nni_api.rest import RestClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PORT_ATTEMPTS = 10

LAUNCHER_VARIABLE = "HPO_NNI_LAUNCHER"  # tells the assessor that paths have been taken care of
PUBLIC_VARIABLE = "HPO_NNI_PUBLIC"  # tells the hook to leave the address alone

_HOOK = Path(__file__).with_name("manager_hook.js")


@dataclass(frozen=True)
class LaunchOptions:
    """What the foreground form may change; None leaves the config's own value.

    Attributes:
        port: of the web page and REST; None for the first that is free from 8080 on.
        public: let the page listen on all interfaces, as NNI does by itself.
        working_directory: instead of the config's.
        patience: seconds that NNI's manager has to come up.
        resume: the id of an experiment to go on with: one that still runs is followed, one that
            has stopped begins again, and one that never began is started.
        announce: told the experiment's id and working directory before NNI hears of it.
    """

    port: int | None = None
    max_trials: int | None = None
    concurrency: int | None = None
    public: bool = False
    working_directory: Path | None = None
    patience: float = 120.0
    resume: str = ""
    announce: Callable[[str, Path], object] = lambda *_: None


@dataclass(frozen=True)
class RunningExperiment:
    """An experiment that was started here.

    Attributes:
        working_directory: where NNI really keeps it, which may differ from the config's.
        process: NNI's manager; of an experiment that somebody else started, no child of ours.
        name: the config's `experimentName`; empty where it has none.
    """

    id: str
    port: int
    working_directory: Path
    rest: RestClient
    process: subprocess.Popen[bytes] | ForeignProcess
    name: str = ""

    def stop(self) -> None:
        """Ask NNI to stop."""
        with contextlib.suppress(NniError):  # it may be gone already
            self.rest.stop()

    def await_end(self, *, timeout: float = 60.0) -> None:
        """Wait until NNI's manager has gone; kill it if it does not go."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class ForeignProcess:
    """A process that is no child of ours, as far as it is used like one."""

    def __init__(self, pid: int) -> None:
        psutil: Any = importlib.import_module("psutil")  # NNI needs it anyway
        self.pid = pid
        self._process = psutil.Process(pid)
        self._gone = psutil.NoSuchProcess

    def poll(self) -> int | None:
        """None while it runs; its exit code is not for us to know."""
        try:
            has_ended = not self._process.is_running() or self._process.status() == "zombie"
        except self._gone:
            return 0
        return 0 if has_ended else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises TimeoutExpired as a child would."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self._process.pid), timeout or 0.0)
            time.sleep(0.1)
        return 0

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(self._gone):
            self._process.kill()


@dataclass(frozen=True)
class KnownExperiment:
    """A row of NNI's index of experiments, which `nnictl` shares."""

    id: str
    port: int | None
    working_directory: Path


def nni_version() -> tuple[int, ...]:
    """The installed NNI's version, for example (2, 10, 1); raises NniError where there is none."""
    try:
        text = importlib.metadata.version("nni")
    except importlib.metadata.PackageNotFoundError as error:
        raise NniError("NNI is not installed", hint="pip install nni==2.10.1") from error
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def load_config(path: Path) -> Any:
    """Read an experiment's config as NNI does; raises SettingsError with NNI's own words."""
    config_module = importlib.import_module("nni.experiment.config")
    logging.getLogger("nni").setLevel(logging.WARNING)
    try:
        config = config_module.ExperimentConfig.load(str(path))
        return config.canonical_copy()
    except Exception as error:  # NNI raises what its dataclasses happen to raise
        # some of its checks are bare assertions: then the code has to speak for itself
        words = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
        raise SettingsError([Problem(path.name, f"NNI does not accept it: {words}")]) from error


def launch(path: Path, options: LaunchOptions) -> RunningExperiment:
    """Start the experiment of a config file.

    Raises:
        SettingsError: NNI does not accept the config.
        NniError: the port is taken, or NNI's manager does not come up within `options.patience`.
    """
    config = load_config(path)
    _apply(config, options)
    running = _find_running(config, options.resume)
    if running is not None and goes_on(running, options.patience):
        return running
    _prepare_environment(public=options.public)
    for _ in range(PORT_ATTEMPTS):
        port = options.port or free_port()
        try:
            return _start(config, port, options)
        except NniError:
            # another experiment may have taken a free port between our look and NNI's
            if options.port or port_is_free(port):
                raise
    raise NniError(f"{PORT_ATTEMPTS} free ports in a row were taken by others", hint="--port=PORT")


def kept_in(path: Path) -> Path:
    """Where `launch` keeps the experiments of a config, and so their ledger.

    Raises:
        SettingsError: NNI does not accept the config.
    """
    config = load_config(path)
    _apply(config, LaunchOptions())
    return Path(config.experiment_working_directory)


def _find_running(config: Any, experiment_id: str) -> RunningExperiment | None:
    """An experiment whose manager outlived the process that followed it."""
    manager = running_manager(experiment_id) if experiment_id else None
    if manager is None:
        return None
    return RunningExperiment(
        id=experiment_id,
        port=urlsplit(manager.rest_url).port or 0,
        working_directory=Path(config.experiment_working_directory),
        rest=RestClient(manager.rest_url),
        process=ForeignProcess(manager.pid),
        name=config.experiment_name or "",
    )


def goes_on(running: RunningExperiment, patience: float) -> bool:
    """Whether a manager goes on, and is not about to end: its REST closes seconds before it does.

    So it is where whoever followed it was killed just as he had stopped it.

    Raises:
        NniError: it neither answers nor ends.
    """
    deadline = time.monotonic() + patience
    while not _answers(running.rest):
        if running.process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            hint = f"end process {running.process.pid}, and try again"
            raise NniError(f"NNI's manager of {running.id} runs, but does not answer", hint=hint)
        time.sleep(0.2)
    return True


def _new_experiment(config: Any, options: LaunchOptions) -> Any:
    """NNI's own object; one that goes on if there is something to go on with."""
    experiment = importlib.import_module("nni.experiment").Experiment(config)
    working_directory = Path(config.experiment_working_directory)
    if options.resume and (working_directory / options.resume / "db" / "nni.sqlite").is_file():
        experiment.id, experiment._action = options.resume, "resume"  # noqa: SLF001  (as nnictl)
    options.announce(experiment.id, working_directory)
    return experiment


def _start(config: Any, port: int, options: LaunchOptions) -> RunningExperiment:
    experiment_module = importlib.import_module("nni.experiment")
    experiment = _new_experiment(config, options)
    with _patience(options.patience) as started, _silence():
        try:
            experiment.start(port, False, experiment_module.RunMode.Detach)
        except Exception as error:
            log = Path(config.experiment_working_directory) / str(experiment.id) / "log"
            raise NniError(f"NNI did not start: {error}", hint=f"its logs are in {log}") from error
    return RunningExperiment(
        id=experiment.id,
        port=port,
        working_directory=Path(config.experiment_working_directory),
        rest=RestClient(f"http://127.0.0.1:{port}"),
        process=started[0],
        name=config.experiment_name or "",
    )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep NNI's launcher from announcing an end of what may be tried at another port."""
    launcher = logging.getLogger("nni.experiment")
    launcher.disabled = True
    try:
        yield
    finally:
        launcher.disabled = False


def free_port(first: int = 8080) -> int:
    """The first port from `first` on that nothing listens on; raises NniError if 100 are taken."""
    for port in range(first, first + 100):
        if port_is_free(port):
            return port
    raise NniError(f"ports {first} to {first + 99} are all taken", hint="name one: --port=PORT")


def port_is_free(port: int) -> bool:
    """Whether nothing on this machine listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def known_experiments() -> list[KnownExperiment]:
    """The experiments in NNI's index (`~/nni-experiments/.experiment`), oldest first."""
    index = Path.home() / "nni-experiments" / ".experiment"
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    rows = sorted(entries.values(), key=lambda entry: entry.get("startTime") or 0)
    return [
        KnownExperiment(str(entry["id"]), entry.get("port"), Path(entry.get("logDir") or "."))
        for entry in rows
    ]


def forget_experiment(experiment_id: str) -> None:
    """Take an experiment out of NNI's index, whose files are gone."""
    nnictl: Any = importlib.import_module("nni.tools.nnictl.config_utils")
    nnictl.Experiments().remove_experiment(experiment_id)


def _apply(config: Any, options: LaunchOptions) -> None:
    if options.max_trials is not None:
        config.max_trial_number = options.max_trials
    if options.concurrency is not None:
        config.trial_concurrency = options.concurrency
    if options.working_directory is not None:
        config.experiment_working_directory = str(options.working_directory)
    if nni_version() < (3,):
        _avoid_unquoted_paths(config)


def _avoid_unquoted_paths(config: Any) -> None:
    """Give NNI 2 directories that it can leave unquoted; the command changes directory itself."""
    working, code = (
        Path(config.experiment_working_directory),
        Path(config.trial_code_directory),
    )
    if not (breaks_nni(working) or breaks_nni(code)):
        return
    plain = plain_directory(working) if breaks_nni(working) else working
    config.experiment_working_directory = str(plain)
    command = f"cd {shlex.quote(str(code))} && {config.trial_command}"
    for part in (config, config.training_service):  # NNI has copied the one into the other
        part.trial_code_directory, part.trial_command = str(plain), command


def _prepare_environment(*, public: bool) -> None:
    """What the manager, the dispatcher and every trial inherit from this process."""
    os.environ[LAUNCHER_VARIABLE] = "1"
    # `python3` in a trial command is then the interpreter that has this package
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if public:
        os.environ[PUBLIC_VARIABLE] = "1"
    escaped = str(_HOOK).replace("\\", "\\\\").replace('"', '\\"')
    options = [os.environ.get("NODE_OPTIONS", ""), f'--require "{escaped}"']
    os.environ["NODE_OPTIONS"] = " ".join(filter(None, options))


def _listens(pid: int, port: int) -> bool:
    """Whether it is this process that listens there, and not another experiment's manager."""
    psutil: Any = importlib.import_module("psutil")  # NNI needs it anyway
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def _answers(client: RestClient) -> bool:
    try:
        client.status()
    except NniError:
        return False
    return True


@contextlib.contextmanager
def _patience(patience: float) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Make NNI's launcher wait; yields the list that will hold its manager's process."""
    launcher: Any = importlib.import_module("nni.experiment.launcher")
    rest: Any = importlib.import_module("nni.experiment.rest")
    started: list[subprocess.Popen[bytes]] = []
    start: Callable[..., subprocess.Popen[bytes]] = launcher._start_rest_server  # noqa: SLF001
    check, timeout = launcher._check_rest_server, rest.timeout  # noqa: SLF001

    def remember(arguments: Any, *rest: Any) -> subprocess.Popen[bytes]:
        # the manager starts it through a shell, without quotes; PATH begins with its folder
        arguments.python_interpreter = Path(sys.executable).name
        started.append(start(arguments, *rest))
        return started[0]

    def wait(port: int, *_: object, **__: object) -> None:
        client = RestClient(f"http://127.0.0.1:{port}", timeout=5)
        deadline = time.monotonic() + patience
        while not (_listens(started[0].pid, port) and _answers(client)):
            code = started[0].poll()
            if code is not None:
                raise NniError(f"its manager ended at once, with exit code {code}")
            if time.monotonic() > deadline:
                raise NniError(f"its manager does not answer at port {port}")
            time.sleep(0.2)

    launcher._start_rest_server, launcher._check_rest_server = remember, wait  # noqa: SLF001
    rest.timeout = patience
    try:
        yield started
    finally:
        launcher._start_rest_server, launcher._check_rest_server = start, check  # noqa: SLF001
        rest.timeout = timeout
