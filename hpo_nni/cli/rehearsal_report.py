"""What a rehearsal came to: what would have been submitted, read, written, scored and stopped."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.progress import describe
from hpo_nni.cli.summary import summarise
from hpo_nni.ledger.records import JUDGED, TrialState
from hpo_nni.metrics.events import EventSource
from hpo_nni.platforms.maxcompute_edits import PARAMETER
from hpo_nni.platforms.pai_command import XFlow
from hpo_nni.trial.handed_edits import apply_to_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpo_nni.cli.rehearsal_script import Script
    from hpo_nni.documents.session import Touched
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord
    from hpo_nni.testing.cloud.instances import Instance
    from hpo_nni.testing.cloud.stage import Stage

_MOST_VALUES = 4


@dataclass(frozen=True)
class Account:
    """A rehearsal that has ended, from the ledger and from the servers' own record."""

    script: Script
    stage: Stage
    ledger: Ledger
    experiment_id: str

    @property
    def went_well(self) -> bool:
        """Whether every trial succeeded or was stopped early, and left nothing running."""
        states = {trial.state for trial in self._trials}
        ended_well = states <= {TrialState.SUCCEEDED, TrialState.STOPPED}
        return TrialState.SUCCEEDED in states and ended_well and not self._left

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        trials = self._trials
        if trials:
            tuned = (trial for trial in trials if not trial.is_baseline)
            yield from self._submitted(next(tuned, trials[0]))
        yield from self._configs()
        yield from self._keys()
        yield from self._tables()
        yield from self._early_end()
        if self.script.settings.window is not None:
            yield f"jobs start   {self.script.settings.window}; a rehearsal waits for nothing"
        if self.script.settings.monitor is not None:
            yield "notices      would be sent; a rehearsal sends none"
        for trial in trials:
            yield from self._scored(trial)
        yield from self._verdict()

    @property
    def _trials(self) -> list[TrialRecord]:
        return self.ledger.trials(self.experiment_id)

    @property
    def _instances(self) -> list[Instance]:
        return self.stage.jobs.instances.submitted()

    @property
    def _left(self) -> list[Instance]:
        """What still runs by the server's record, though every trial has ended."""
        return self.stage.jobs.instances.running()

    def _instances_of(self, trial: TrialRecord) -> list[Instance]:
        return [one for one in self._instances if f"-{trial.id}-" in one.source]

    def _submitted(self, trial: TrialRecord) -> Iterator[str]:
        jobs = self.ledger.jobs(trial.id)
        yield f"would submit {len(jobs)} job(s) for each trial, in project {self.script.project}:"
        for job in jobs:
            yield from (f"  {line}" for line in job.plan.splitlines())

    def _configs(self) -> Iterator[str]:
        for uri in self.script.configs:
            copy = self.script.copies.get(uri)
            if copy is not None:
                yield f"config       {uri}: as in {copy}"
            else:
                yield f"config       {uri}: no copy of it is here, and a made-up one stood in;"
                yield "             --pipeline-config FILE, or a copy beside the ini, is used"

    def _keys(self) -> Iterator[str]:
        """What the keys of the first job that has any selected in its config."""
        edited = [one for one in self._instances if PARAMETER in one.parameters]
        for one in edited[:1]:
            xflow = XFlow(one.task, "", one.parameters)
            touched, problems = apply_to_config(xflow, self.script.configs)
            for key in dict.fromkeys(place.key for place in touched):
                yield f"selects      {key}"
                yield f"             {_changes([place for place in touched if place.key == key])}"
            for problem in problems:
                yield f"selects      {problem.where}"
                yield "             nothing in the config that stood in"

    def _tables(self) -> Iterator[str]:
        for table, partitions in sorted(self.script.demands.tables.items()):
            shown = ", ".join(sorted(partitions)) or "whole"
            project = table.project or self.script.project
            yield f"reads        odps://{project}/tables/{table.name}: {shown}"

    def _early_end(self) -> Iterator[str]:
        for one in self._instances[:1]:
            names = ", ".join(one.sub_instances) or "nothing yet"
            yield f"early end    stops the instance of {one.task} and what it has started: {names}"

    def _scored(self, trial: TrialRecord) -> Iterator[str]:
        yield f"{describe(trial)}"
        judged = [one for one in self.ledger.evaluations(trial.id) if one.source == JUDGED]
        weights = self.script.settings.metrics.weights
        for one in judged[-1:]:
            values = ", ".join(f"{name} {value:.5g}" for name, value in one.values.items())
            formula = " + ".join(f"{weight:g} x {name}" for name, weight in weights.items())
            yield f"  {len(judged)} evaluation(s); the last, at step {one.step}: {values}"
            yield f"  score = {formula}, {self.script.settings.metrics.final_mode.value}"
        ended = [part.task for one in self._instances_of(trial) for part in self._stopped(one)]
        if trial.state is not TrialState.SUCCEEDED and ended:
            yield f"  stopped by us, as the server says: {', '.join(ended)}"
        others = sorted(self._seen(trial) - set(weights))
        if others:
            yield f"  also written: {', '.join(others)}"

    def _stopped(self, instance: Instance) -> list[Instance]:
        """What of an instance and its parts was stopped."""
        parts = [self.stage.jobs.instances[one] for one in instance.sub_instances.values()]
        return [one for one in (instance, *parts) if one.stopped_by]

    def _seen(self, trial: TrialRecord) -> set[str]:
        """The metrics that the trainer wrote, whether they are asked for or not."""
        seen: set[str] = set()
        for one in self._instances_of(trial):
            directory = one.parameters.get("model_dir", "").removeprefix("oss://")
            host, _, prefix = directory.partition("/")
            bucket = host.partition(".")[0]
            with tempfile.TemporaryDirectory() as folder:
                for entry in self.stage.oss.objects(bucket, f"{prefix}/"):
                    if ".tfevents." in entry.key:
                        name = entry.key.rpartition("/")[2]
                        Path(folder, name).write_bytes(self.stage.oss.read(bucket, entry.key))
                source = EventSource(Path(folder), list(self.script.settings.metrics.weights))
                source.finish()
                seen |= set(source.seen)
        return seen

    def _verdict(self) -> Iterator[str]:
        yield ""
        for failure in summarise(self.ledger, self.experiment_id)["failures"]:
            yield str(failure)
        for one in self._left:
            yield f"still runs   {one.task} {one.id}, though every trial has ended"
        for problem in self.script.unfilled:
            yield f"still to do  {problem.where}: {problem.message}"
        words = "it went well" if self.went_well else "it did not go well"
        yield f"{words}; nothing has left this machine"


def _changes(places: list[Touched]) -> str:
    old = [place.old or "(unset)" for place in places]
    new = list(dict.fromkeys(place.new for place in places))
    return f"{len(places)} place{'s' * (len(places) != 1)}: {_shorten(old)} -> {_shorten(new)}"


def _shorten(values: list[str]) -> str:
    return ", ".join(values[:_MOST_VALUES]) + ", ..." * (len(values) > _MOST_VALUES)
