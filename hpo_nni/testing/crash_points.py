"""Killing a trial's process at every ledger write and every platform call of its life.

The points are not listed anywhere: a run that nobody kills leaves a trace of what it did, and each
entry of the trace is a point at which a further run is killed. So a later change of the trial adds
its own points (docs/adr/0012-crash-points.md).

A nursery is a process that has imported what a trial needs and forks one trial after the other,
which saves each of them a second. What it forks are processes like any other; they die by SIGKILL.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

POLLS = 2  # looks of one kind that count as points: a third is like the second
_POLLING = re.compile(r"(before|after) (status|log_tail|GET|HEAD)\b")
_IDS = re.compile(r"\d{17}g[0-9a-f]+|(?<=/)events\.[^/]*|[^/]*\d{8}-\d{6}-\d+[^/]*")
MEASURED = "after the commit of add_evaluations"
SEEN = "crash.seen"  # appears in the trial's folder then, for jobs that wait to have been measured
LOOKS = (0.05, 0.1)  # in place of a minute's patience with a lost answer


class Point(NamedTuple):
    """A moment in a trial's life: the n-th time, from 1, that something of this name was done."""

    name: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.name} #{self.occurrence}"


@dataclass(frozen=True)
class Ended:
    """How a forked trial ended.

    Attributes:
        status: its exit code; negative for a signal.
        trace: the points that it came to.
        printed: what it wrote.
    """

    status: int
    trace: tuple[Point, ...]
    printed: str

    @property
    def was_killed(self) -> bool:
        """Whether it came to its point."""
        return self.status == -signal.SIGKILL


class Nursery:
    """Forks trials outside NNI, one after the other, for the length of a `with` block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hpo_nni.testing.crash_points"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def run(
        self,
        folder: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        kill_at: Point | None = None,
    ) -> Ended:
        """Run `python -m hpo_nni.trial ARGUMENTS` in a folder, to its end or to its point."""
        trace, printed = folder / "crash.trace", folder / "crash.log"
        (folder / SEEN).unlink(missing_ok=True)
        for file in (trace, printed):
            file.write_bytes(b"")
        order = {
            "folder": str(folder),
            "arguments": list(arguments),
            "environment": dict(environment),
            "kill_at": kill_at,
            "trace": str(trace),
            "printed": str(printed),
        }
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        points = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
        return Ended(
            status,
            tuple(Point(*point) for point in points),
            printed.read_text(encoding="utf-8", errors="replace"),
        )


class _Trace:
    """Writes down the points of this process, and kills it at one of them."""

    def __init__(self, file: Path, kill_at: Point | None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND)
        self._kill_at = kill_at
        self._counts: Counter[str] = Counter()

    def pass_by(self, name: str) -> None:
        """This process is here."""
        self._counts[name] += 1
        if _POLLING.match(name) and self._counts[name] > POLLS:
            return
        if name == MEASURED:
            Path(SEEN).touch()
        point = Point(name, self._counts[name])
        os.write(self._file, json.dumps(point).encode() + b"\n")
        if point == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, method: str, name: Callable[..., str] | None = None) -> None:
        """Make the beginning and the end of each call of a method a point."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def traced(*arguments: Any, **named: Any) -> Any:
            label = name(*arguments) if name else method
            self.pass_by(f"before {label}")
            result = original(*arguments, **named)
            self.pass_by(f"after {label}")
            return result

        setattr(owner, method, traced)


def _install(trace: _Trace) -> None:
    """Trace this process's ledger, platforms and requests."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415  (the SDKs bring it)

    from hpo_nni.ledger.database import Database  # noqa: PLC0415  (before the fork, as the rest)
    from hpo_nni.platforms.local import LocalPlatform  # noqa: PLC0415
    from hpo_nni.platforms.local_job import LocalJob, LocalRecord  # noqa: PLC0415
    from hpo_nni.platforms.maxcompute import MaxComputePlatform  # noqa: PLC0415
    from hpo_nni.platforms.maxcompute_job import MaxComputeJob  # noqa: PLC0415
    from hpo_nni.trial.entry import TerminalChannel  # noqa: PLC0415

    original = Database.transaction

    @contextlib.contextmanager
    def transaction(self: Database) -> Iterator[Any]:
        writer = sys._getframe(2).f_code.co_name  # noqa: SLF001  (who entered the context)
        with original(self) as connection:
            yield connection
            trace.pass_by(f"before the commit of {writer}")
        trace.pass_by(f"after the commit of {writer}")

    Database.transaction = transaction  # type: ignore[method-assign]
    for platform in (LocalPlatform, MaxComputePlatform):
        for method in ("submit", "find", "attach"):
            trace.around(platform, method)
    trace.around(LocalPlatform, "_start_supervisor")
    trace.around(LocalRecord, "claim")
    for job in (LocalJob, MaxComputeJob):
        for method in ("status", "cancel", "log_tail"):
            trace.around(job, method)
    trace.around(HTTPAdapter, "send", _request)
    trace.around(TerminalChannel, "report", lambda _, kind, *__: f"report {kind}")


def _request(_: object, request: Any, *__: object) -> str:
    path, _, query = request.path_url.partition("?")
    keys = "&".join(sorted(part.partition("=")[0] for part in query.split("&") if part))
    return f"{request.method} {_IDS.sub('...', path)}{'?' if keys else ''}{keys}"


def _run(order: Mapping[str, Any]) -> int:
    from hpo_nni.trial import submission  # noqa: PLC0415  (in the nursery only)
    from hpo_nni.trial.entry import main  # noqa: PLC0415

    output = os.open(order["printed"], os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    vars(submission)["LOOKS"] = LOOKS
    kill_at = order["kill_at"] and Point(*order["kill_at"])
    _install(_Trace(Path(order["trace"]), kill_at))
    return main(order["arguments"])


def _import_all() -> None:
    for name in (
        "requests.adapters",
        "odps",
        "oss2",
        "hpo_nni.stores.oss",
        "hpo_nni.platforms.local",
        "hpo_nni.platforms.maxcompute_job",
        "hpo_nni.trial.entry",
        "hpo_nni.trial.lifetime",
        "hpo_nni.trial.sandbox",
        "hpo_nni.metrics.events",
        "hpo_nni.metrics.json_source",
    ):
        __import__(name)


def _serve() -> None:
    """Fork a trial for each line of standard input; answer with its status."""
    _import_all()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 99
            try:
                status = _run(json.loads(line))
            except SystemExit as error:
                status = int(error.code or 0)
            except Exception:  # noqa: BLE001  (a status is all that it can answer with)
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  (the answer)


if __name__ == "__main__":
    _serve()
