"""What the ledger holds, as values: one class per table."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.ledger.process_identity import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


BASELINE = "_baseline"  # the key that marks a point as the untuned config
RETRY = "_retry_of"  # the key that marks a point as that of a failed trial, whose id is its value
MARKS = frozenset({BASELINE, RETRY})  # keys of parameters that are not of the search space
JUDGED = ""  # the source, in evaluations, of the series that is reported and judged
EARLIER = "earlier:"  # before the source of evaluations of a run that was begun anew since


class TrialState(enum.Enum):
    """How a trial stands, by our own account; NNI's status may differ and is kept beside it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"  # early, by a stopping rule
    CANCELLED = "cancelled"  # by a person, by NNI's limits, or because the experiment ended
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self is not TrialState.RUNNING


@dataclass(frozen=True)
class ExperimentRecord:
    """One NNI experiment in this working directory.

    Attributes:
        id: NNI's.
        settings: what was decided from the files, as JSON values: direction, weights, policies.
        rest_url: where NNI's REST interface was last seen, for the trials of NNI 2.10.1.
        project: `experimentName` of NNI's config: experiments of one name are sweeps of one thing.
            Empty for no name.
        pause: why no trial of it may start a job for now; empty where they may.
        released: when it was last let go on after a pause; 0 for never.
        manager: NNI's, where it runs on a machine whose processes somebody here could see.
        halted: since when no job may run: seconds since the epoch; None while it may.
        halt_reason: who ordered it, in one sentence.
    """

    id: str
    started: float
    direction: str
    project: str = ""
    rest_url: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    pause: str = ""
    released: float = 0.0
    manager: ProcessIdentity | None = None
    halted: float | None = None
    halt_reason: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what it ran with and how it ended.

    Attributes:
        number: NNI's sequence number; -1 outside NNI.
        parameters: what was really used, by key of the search space.
        is_baseline: whether it ran the untuned config.
        state, reason: how it stands or ended, and why, in one sentence.
        configs: the trial's own copies of the base configs.
        score: the final score; None unless the trial succeeded or a score was reported.
        failure, evidence: the class of its failure, a FailureKind's value, and what decided it;
            empty unless it failed.
        retry_of: the failed trial that this one runs again, whose failure counts no more.
        continues: the trial whose names and settled steps it took over; empty for none.
        begun: when its present or last run began, where that was a resumed one; else None.
        runner: the process that runs it, or ran it last.
    """

    id: str
    experiment_id: str
    number: int
    started: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    is_baseline: bool = False
    state: TrialState = TrialState.RUNNING
    reason: str = ""
    ended: float | None = None
    score: float | None = None
    directory: str = ""
    configs: tuple[str, ...] = ()
    failure: str = ""
    evidence: str = ""
    retry_of: str = ""
    continues: str = ""
    begun: float | None = None
    runner: ProcessIdentity | None = None


@dataclass(frozen=True)
class JobRecord:
    """One job of one trial; written before the platform hears of it.

    Attributes:
        name: unique in the ledger; the platform can be asked for it.
        step: the key of the step in the ini: `cmd1`.
        platform: its name in the registry.
        plan: the plan's text.
        job_id: the platform's id; None until the platform has answered.
        host, boot_id, pid, pid_started: the runner that is responsible for the job.
        state: a JobState's value, `intended` before the platform has answered.
        log_tail: the last lines, kept when the job ended.
        settings_file: what opens the platform again, for it says whose account it is.
        failure, evidence: as of the trial, for this job.
        fingerprint: the same for two jobs that do the same; empty where it is not known.
        resources: what it takes while it runs: `cpu` (cores), `gpu` or `gpu:TYPE` (cards),
            `memory` (GB); empty where nobody said.
        rate: what an hour of running costs, in the currency of the experiment's settings; None
            where there is no price for it.
        ran: seconds for which it has run, without the time in the queue and without what has
            passed since `running_since`.
        running_since: since when it runs; None while it waits and when it has ended.
        missing_since: when somebody looked for it after its runner's end and found nothing.
    """

    name: str
    trial_id: str
    step: str
    platform: str
    plan: str
    intended: float
    host: str
    boot_id: str
    pid: int
    pid_started: int
    job_id: str | None = None
    state: str = "intended"
    message: str = ""
    log_tail: str = ""
    ended: float | None = None
    settings_file: str = ""
    failure: str = ""
    evidence: str = ""
    fingerprint: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)
    rate: float | None = None
    ran: float = 0.0
    running_since: float | None = None

    def seconds_run(self, now: float) -> float:
        """For how long it has run, up to `now`."""
        return self.ran + (
            0.0 if self.running_since is None else max(0.0, now - self.running_since)
        )

    missing_since: float | None = None

    @property
    def runner(self) -> ProcessIdentity:
        """The process that is responsible for it."""
        return ProcessIdentity(self.host, self.boot_id, self.pid, self.pid_started)


@dataclass(frozen=True)
class EvaluationRecord:
    """The metrics of one trial at one step of one source.

    Attributes:
        values: every raw metric at that step; non-finite ones too.
        score: the weighted score; None where it is not finite or a weighted metric is missing.
    """

    trial_id: str
    source: str
    step: int
    values: Mapping[str, float]
    score: float | None
    time: float


ORDERS = frozenset({"stop", "cancel"})  # the actions that tell a trial to end


@dataclass(frozen=True)
class DecisionRecord:
    """Why something was done to a trial.

    Attributes:
        actor: who decided: `assessor`, `runner`, `user`, `tuner`, `reaper`.
        action: what: `keep`, `stop`, `cancel`, `propose`, `reuse`.
        figures: the numbers it was decided by.
    """

    trial_id: str
    actor: str
    action: str
    reason: str
    time: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NoticeRecord:
    """A message to people, through the webhook of an experiment's settings.

    Attributes:
        key: what it is about; two with one key are one message.
        kind: a notice's kind, as in `hpo_nni.trial.notices`.
        state: `held` back because there were too many (`counted` once a later message has said
            so), `sending`, `sent` or `failed`.
        message: why it failed.
    """

    key: str
    experiment_id: str
    kind: str
    text: str
    time: float
    state: str = "sending"
    message: str = ""


class DayState(enum.Enum):
    """What is settled about a day of an experiment."""

    AWAITED = "awaited"  # its data is not there, and trials may wait for it
    COUNTS = "counts"  # a trial has got through it, so every trial has to
    LEFT_OUT = "left out"  # no trial has, and none will

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self is not DayState.AWAITED


@dataclass(frozen=True)
class DayRecord:
    """What holds of one day for all trials of an experiment, so that their scores compare.

    Attributes:
        step: the key of the day's step: `cmd1_20220617`.
        trial_id: the trial that settled it, or was the first to miss its data.
        time: when, in seconds since the epoch.
        reason: why it is awaited or left out, in one sentence; empty where it counts.
    """

    experiment_id: str
    step: str
    state: DayState
    trial_id: str
    time: float
    reason: str = ""


@dataclass(frozen=True)
class DailyRunRecord:
    """What `hpo-nni daily` did about one day of a project.

    Attributes:
        project: as in its file.
        day: the newest day, as `20261008`; an hour as `2026100813`.
        state: `waiting`, `sweeping`, `comparing`, then `shipped`, `kept` or `failed`.
        experiment_id: the day's sweep; empty before it began.
        champion, challenger: their points, by key of the search space; the champion's is that
            before this day. Empty for the untuned config, and before there is one.
        champion_scores, challenger_scores: scores of the held-out days that both have.
        verdict: the figures of the comparison: `difference` (challenger minus champion, better
            is larger), `lower`, `upper` (of its interval), `level`, `p_value`, `comparisons`.
        cost: of the sweep and the comparison, in the currency of the settings; None where nothing
            has a price.
        message: why it failed or waits, in one sentence.
    """

    project: str
    day: str
    state: str
    begun: float
    ended: float | None = None
    experiment_id: str = ""
    champion: Mapping[str, Any] = field(default_factory=dict)
    challenger: Mapping[str, Any] = field(default_factory=dict)
    champion_scores: Mapping[str, float] = field(default_factory=dict)
    challenger_scores: Mapping[str, float] = field(default_factory=dict)
    verdict: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    message: str = ""


class InputKind(enum.Enum):
    """What of an experiment a recorded text is."""

    CONFIG = "config"  # a base config, as it lay there; named by its path or URI
    SETTINGS = "settings"  # the ini as trials read it: {section: {key: text}}; named by its path
    COMMAND = "command"  # a trial's own command line
    SPACE = "space"  # the search space as NNI handed it to the tuner
    EXPERIMENT = "experiment"  # NNI's config without the search space
    CODE = "code"  # versions, and what is known of the code that the commands run


@dataclass(frozen=True)
class InputRecord:
    """A text that went into an experiment.

    Where it changed while the experiment ran, there is one for each version, the oldest first.

    Attributes:
        name: tells several of one kind apart; empty where there can be only one.
        digest: SHA-256 of the text, as hexadecimal digits.
        time: when it was first seen.
        size: of the text in bytes of UTF-8.
        text: without any secret; None where it was too long to keep.
    """

    experiment_id: str
    kind: InputKind
    name: str
    digest: str
    time: float
    size: int
    text: str | None


@dataclass(frozen=True)
class Training:
    """A day's training by one trial, and what went into it.

    Attributes:
        hash: of config, data, start, code and command; the same wherever these are.
        trial_id, step: who trains it, or has trained it.
        parent, parent_trainer: the hash of the day that it starts from, and whose training of it
            that was; empty where it starts from another model.
        model: the path or URI of what it leaves.
        ended: when it had been trained and measured; None while it is not, and then nobody may use
            it. One that fails leaves no row.
        version: of what lay at `model` when it had ended; empty once that is deleted.
        measured: of how its metrics were read; empty where nothing is measured of it.
        points: its metrics: step, values by name, seconds since the epoch or None.
        settings_file: what says whose account reaches `model`.
        pruned: when it was decided to delete the model; nobody may use it since.
    """

    hash: str
    trial_id: str
    step: str
    parent: str
    parent_trainer: str
    model: str
    begun: float
    ended: float | None = None
    version: str = ""
    measured: str = ""
    points: tuple[tuple[int, Mapping[str, float], float | None], ...] = ()
    settings_file: str = ""
    pruned: float | None = None


@dataclass(frozen=True)
class TrainingUse:
    """That a trial walks through a day.

    Attributes:
        trainer: the trial whose training it is; the same one, if the day had not been trained.
    """

    trial_id: str
    step: str
    hash: str
    trainer: str
    time: float = 0.0

    @property
    def is_reused(self) -> bool:
        """Whether the day had been trained by another trial."""
        return self.trainer != self.trial_id


@dataclass(frozen=True)
class Known:
    """How much of an experiment's history somebody has read.

    Attributes:
        evaluation: the number of the last evaluation.
        turn: the number of the last beginning or end of a trial.
    """

    evaluation: int = 0
    turn: int = 0


@dataclass(frozen=True)
class Assessment:
    """A moment at which a trial was judged, apart from what was said.

    Attributes:
        known: what the verdict was made from.
    """

    trial_id: str
    known: Known


@dataclass(frozen=True)
class TurnRecord:
    """A beginning or an end of a trial: when, in which state, and with which final score.

    Attributes:
        number: larger than that of every earlier one in this ledger.
    """

    number: int
    trial_id: str
    state: TrialState
    score: float | None
    time: float


@dataclass(frozen=True)
class News:
    """What was noted about an experiment's trials between two moments.

    Attributes:
        known: the later moment.
        turns: beginnings and ends in their order.
        evaluations: in their order; a later one of the same trial, source and step replaces the
            earlier.
        numbers: of the evaluations; larger than those of all earlier ones in this ledger.
    """

    known: Known
    turns: tuple[TurnRecord, ...]
    evaluations: tuple[EvaluationRecord, ...]
    numbers: tuple[int, ...] = ()


def counted_trials(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that count: not the failed ones that another one has run again since.

    Args:
        trials: all of one experiment.
    """
    again = {trial.retry_of for trial in trials if trial.retry_of}
    return [
        trial for trial in trials if not (trial.id in again and trial.state is TrialState.FAILED)
    ]


def visible_point(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without our own marks.

    >>> visible_point({"lr": 0.1, "_baseline": True})
    {'lr': 0.1}
    """
    return {key: value for key, value in parameters.items() if key not in MARKS}


def last_order(decisions: Sequence[DecisionRecord]) -> DecisionRecord | None:
    """The last order to end a trial; those from before it was resumed do not count.

    Args:
        decisions: all of one trial, in the order in which they were noted.
    """
    for decision in reversed(decisions):
        if decision.action == "resume":
            return None
        if decision.action in ORDERS:
            return decision
    return None
