"""`hpo-nni rehearse`: an experiment on MaxCompute, run on this machine before it costs money.

The files stay as they are. Two servers on 127.0.0.1 stand for OSS and MaxCompute, with the buckets,
tables and configs that the files name, and really run what is submitted; one environment variable
leads the processes of this one experiment there (`trial/rehearsal.py`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.check import HANDED_OVER, Check
from hpo_nni.cli.rehearsal_report import Account
from hpo_nni.cli.rehearsal_script import Script, read_script
from hpo_nni.cli.run import conduct, positive
from hpo_nni.errors import NniError, Problem, SettingsError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.nni_api.launch import LaunchOptions, forget_experiment, nni_version
from hpo_nni.nni_api.quoting import breaks_nni, plain_directory
from hpo_nni.testing.cloud.stage import Stage, open_stage
from hpo_nni.trial.rehearsal import LOOPBACK, VARIABLE, Rehearsal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HELP = "run an experiment on MaxCompute against servers on this machine, before it costs money"

_PROXY_VARIABLES = ("NO_PROXY", "no_proxy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the file for `nnictl create`")
    parser.add_argument(
        "--trials",
        type=positive,
        default=1,
        metavar="N",
        help="how many to run (1), baselines aside",
    )
    parser.add_argument(
        "--pipeline-config",
        type=Path,
        metavar="FILE",
        help="a copy of what -Dconfig names; one of that name beside the ini is found without it",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep logs, ledger and objects there"
    )


def run(arguments: argparse.Namespace) -> int:
    """Rehearse the experiment; 0 if every trial succeeded or was stopped early."""
    script = read_script(arguments.config, arguments.pipeline_config)
    with (
        _directory(arguments.keep) as directory,
        open_stage(script.demands, script.project, script.configs, directory / "oss") as stage,
        _led_here(directory / "expdir", stage) as rehearsal,
    ):
        _check(script)
        trials = arguments.trials + script.baselines
        options = LaunchOptions(
            max_trials=trials,
            concurrency=min(trials, script.concurrency),
            working_directory=Path(rehearsal.directory),
        )
        done = conduct(script.config, options)
        account = Account(script, stage, done.ledger, done.experiment.id)
        for line in account.lines():
            print(line)
        went_well = account.went_well
        done.ledger.close()
        if arguments.keep is None:
            forget_experiment(done.experiment.id)
        if done.fault:
            raise NniError(done.fault)
        return 0 if went_well else 1


def _check(script: Script) -> None:
    """Everything that can be found without running; raises SettingsError with all of it."""
    check = Check(script.config)
    check.run()
    for line in check.report:
        if not line.endswith(HANDED_OVER):  # what becomes of those, the rehearsal itself shows
            print(line)
    check.problems += script.mistakes()
    check.conclude()


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        made = Path(tempfile.mkdtemp(prefix="hpo-nni-rehearsal-"))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SettingsError([Problem(f"--keep {keep}", "is not an empty folder", "name a new one")])
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()


@contextlib.contextmanager
def _led_here(directory: Path, stage: Stage) -> Iterator[Rehearsal]:
    """Let what this process starts find the servers; NNI hands the environment down."""
    if nni_version() < (3,) and breaks_nni(directory):
        directory = plain_directory(directory)
    rehearsal = Rehearsal(
        directory=str(directory),
        oss_port=stage.oss.port,
        odps_port=stage.jobs.port,
        key_id=stage.key_id,
        key_secret=stage.key_secret,
        owner=ProcessIdentity.current(),
    )
    before = {name: os.environ.get(name) for name in (VARIABLE, *_PROXY_VARIABLES)}
    os.environ[VARIABLE] = rehearsal.to_text()
    for name in _PROXY_VARIABLES:
        os.environ[name] = ",".join(filter(None, [before[name], LOOPBACK, "localhost"]))
    try:
        yield rehearsal
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
