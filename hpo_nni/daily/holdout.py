"""Champion and challengers on the held-out days: trials outside NNI, side by side.

Each is the experiment's own trial command with all days of the window, its point, and a place in
the ledger of the sweep. A trial that has succeeded is not run again; one that was cut off runs
under its own name again. The processes are children of this one and end when it does; their jobs
are cancelled then, by themselves or by the reaper.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import HpoNniError, JobError
from hpo_nni.failures import FailureKind
from hpo_nni.ledger.records import JUDGED, TrialState
from hpo_nni.stores.local import LocalStore
from hpo_nni.trial.calendar import with_calendar
from hpo_nni.trial.reaping import Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.daily.window import Window
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord
    from hpo_nni.trial.shutdown import Shutdown

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.3
ENDING_SECONDS = 60.0  # in which a trial cancels its job

Scores = dict[str, float]  # day -> score


@dataclass(frozen=True)
class Contender:
    """A configuration that walks through the days.

    Attributes:
        name: `champion` or `challenger`, with a number where there are several.
        point: by key of the search space; empty for the untuned config.
    """

    name: str
    point: Mapping[str, Any]


@dataclass(frozen=True)
class Holdout:
    """The walks of one day of a project.

    Attributes:
        command: the experiment's trial command.
        directory: where trial commands run.
        sources: the metric source of each day of the window, in their order.
        working_directory: of the ledger.
        folder: where points and logs go.
        abreast: how many may run at the same time.
    """

    ledger: Ledger
    window: Window
    command: str
    directory: Path
    sources: Sequence[str]
    working_directory: Path
    folder: Path
    abreast: int
    shutdown: Shutdown

    def walk(self, experiment_id: str, contenders: Sequence[Contender]) -> Mapping[str, Scores]:
        """Let all walk; their scores of the held-out days, by name.

        One whose point cannot work (it diverges, it exhausts the memory) has none.

        Args:
            experiment_id: of the sweep; the walks' is this with `-holdout` behind it.
            contenders: with names that differ.

        Raises:
            JobError: a walk failed for a reason that says nothing about its point.
            Interrupted: this process was told to end; the walks have ended.
        """
        walks = holdout_id(experiment_id)
        pending = [one for one in contenders if not self._has_succeeded(walks, one)]
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            while pending or running:
                while pending and len(running) < self.abreast:
                    one = pending.pop(0)
                    self._end_earlier(walks, one)
                    running[one.name] = self._start(walks, one)
                running = {name: run for name, run in running.items() if run.poll() is None}
                self.shutdown.pause(POLL_SECONDS)
        finally:
            self._end(walks, running)
        return {one.name: self._scores(walks, one) for one in contenders}

    def _has_succeeded(self, walks: str, contender: Contender) -> bool:
        trial = self._trial(walks, contender)
        return trial is not None and trial.state is TrialState.SUCCEEDED

    def _start(self, walks: str, contender: Contender) -> subprocess.Popen[bytes]:
        place = self.working_directory / walks / _trial_id(walks, contender)
        words = [f"--place={place}"]
        if contender.point:
            file = self.folder / f"{contender.name}.json"
            LocalStore().write_text(str(file), json.dumps(contender.point, indent=2) + "\n")
            words.append(f"--params={file}")
        command = f"{with_calendar(self.command, self.window.whole)} {shlex.join(words)}"
        log = self.folder / f"{contender.name}.log"
        logger.info("%s walks through %s: %s", contender.name, self.window.name, log)
        with log.open("ab") as output:
            return subprocess.Popen(
                ["/bin/bash", "-c", f"exec {command}" if _is_simple(command) else command],
                cwd=self.directory,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _end_earlier(self, walks: str, contender: Contender) -> None:
        """Let the process of an earlier call end first: no trial has two."""
        trial = self._trial(walks, contender)
        runner = trial.runner if trial is not None and not trial.state.is_final else None
        if runner is None or not runner.is_here:
            return
        runner.signal(signal.SIGTERM)
        deadline = time.monotonic() + ENDING_SECONDS
        while runner.is_alive():
            if time.monotonic() > deadline:
                raise HpoNniError(
                    f"the {contender.name}'s trial of an earlier call still runs, as process "
                    f"{runner.pid}",
                    hint="it was told to end; look at why it does not",
                )
            self.shutdown.pause(POLL_SECONDS)

    def _end(self, walks: str, running: Mapping[str, subprocess.Popen[bytes]]) -> None:
        """See to it that no process and no job is left."""
        for process in running.values():
            process.terminate()
        for process in running.values():
            try:
                process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        Sweep(self.ledger, experiment_id=walks, is_ending=True).run(ENDING_SECONDS)

    def _scores(self, walks: str, contender: Contender) -> Scores:
        trial = self._trial(walks, contender)
        if trial is not None and trial.state is TrialState.SUCCEEDED:
            return self._held_out(trial)
        if trial is not None and trial.failure == FailureKind.INFEASIBLE.value:
            logger.warning("the %s's point cannot work: %s", contender.name, trial.reason)
            return {}
        log = self.folder / f"{contender.name}.log"
        reason = trial.reason if trial is not None else "it never began"
        raise JobError(
            f"the {contender.name} did not come through the held-out days: {reason}",
            job_id=_trial_id(walks, contender),
            hint=f"see {log}; once that is mended, --again goes on",
        )

    def _held_out(self, trial: TrialRecord) -> Scores:
        judged = {
            one.step: one.score for one in self.ledger.evaluations(trial.id) if one.source == JUDGED
        }
        days = self.window.whole
        numbers = {days.name(day): number for number, day in enumerate(days.days(), start=1)}
        # sources stand in the order of the ini, which need not be that of the days
        places = {
            name: self.sources.index(source) + 1
            for name in numbers
            for source in self.sources
            if source.endswith(f"_{name}")
        }
        found = {name: judged.get(places[name]) for name in self.window.held_out}
        return {name: score for name, score in found.items() if score is not None}

    def _trial(self, walks: str, contender: Contender) -> TrialRecord | None:
        return self.ledger.trial(_trial_id(walks, contender))


def holdout_id(experiment_id: str) -> str:
    """The id under which the walks of a sweep are in the ledger."""
    return f"{experiment_id}-holdout"


def _trial_id(walks: str, contender: Contender) -> str:
    return f"{walks.removesuffix('-holdout')}-{contender.name}"


def _is_simple(command: str) -> bool:
    """Whether a shell command is one program, so that the shell need not outlive its start."""
    words = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    return not any(set(word) <= set("();<>|&") for word in words) and "=" not in words[0]


def _environment() -> dict[str, str]:
    """Ours, without what would make the trial believe that it is NNI's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NNI_")}
    own = str(Path(sys.executable).parent)  # `python3` is then the one that has this package
    return {**kept, "PATH": os.pathsep.join([own, os.environ["PATH"]])}
