"""What the ledger can be asked; nothing here writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hpo_nni.errors import RegistryError
from hpo_nni.ledger.records import (
    Assessment,
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    Known,
    News,
    TrialRecord,
    TrialState,
    TurnRecord,
    last_order,
)
from hpo_nni.ledger.rows import Record, damaged, from_row, select

if TYPE_CHECKING:
    from hpo_nni.ledger.database import Database


_FAR = 2**62  # more rows than there can be
_NOTHING = Known()


class RunningTime(NamedTuple):
    """One job, as far as its cost goes.

    Attributes:
        rate: what an hour costs; None for no price.
        seconds: for which it has run.
    """

    trial_id: str
    rate: float | None
    seconds: float


class Questions:
    """The reading half of a Ledger."""

    _database: Database

    def faults(self) -> list[str]:
        """What contradicts itself, a sentence each; empty for a ledger that is sound."""
        from hpo_nni.ledger.consistency import find_faults  # noqa: PLC0415  # only people need it

        return list(find_faults(self._database))

    def experiment(self, experiment_id: str) -> ExperimentRecord | None:
        """The experiment with this id."""
        return next(iter(self._all(ExperimentRecord, "WHERE id = ?", experiment_id)), None)

    def experiments(self) -> list[ExperimentRecord]:
        """All experiments, the newest last."""
        return self._all(ExperimentRecord, "ORDER BY started, rowid")

    def trial(self, trial_id: str) -> TrialRecord | None:
        """The trial with this id."""
        return next(iter(self._all(TrialRecord, "WHERE id = ?", trial_id)), None)

    def trials(self, experiment_id: str) -> list[TrialRecord]:
        """The trials of an experiment, by number and beginning."""
        return self._all(
            TrialRecord, "WHERE experiment_id = ? ORDER BY number, started, rowid", experiment_id
        )

    def trials_since(self, experiment_id: str, turn: int) -> tuple[list[TrialRecord], int]:
        """The trials of an experiment that began or ended after a turn, and the last turn now.

        Args:
            experiment_id: whose trials.
            turn: what the last call said; 0 for all trials.
        """
        # The turn first: what comes in between is read twice rather than never.
        rows = self._database.read("SELECT coalesce(max(number), 0) FROM turns", [])
        where = (
            "WHERE experiment_id = ? AND id IN (SELECT trial_id FROM turns WHERE number > ?) "
            "ORDER BY number, started, rowid"
        )
        return self._all(TrialRecord, where, experiment_id, turn), rows[0][0]

    def jobs(self, trial_id: str) -> list[JobRecord]:
        """The jobs of a trial in the order in which they were intended."""
        return self._all(JobRecord, "WHERE trial_id = ? ORDER BY rowid", trial_id)

    def live_jobs(
        self, experiment_id: str | None = None, trial_id: str | None = None
    ) -> list[JobRecord]:
        """The jobs, intended ones too, of which nobody has said that they ended."""
        return self._all(
            JobRecord,
            "WHERE ended IS NULL AND trial_id = coalesce(?, trial_id) AND trial_id IN "
            "(SELECT id FROM trials WHERE experiment_id = coalesce(?, experiment_id)) "
            "ORDER BY rowid",
            trial_id,
            experiment_id,
        )

    def running_times(self, experiment_id: str, now: float) -> list[RunningTime]:
        """For how long each job of an experiment has run, and at which rate; by trial."""
        rows = self._database.read(
            "SELECT trial_id, rate, ran, running_since FROM jobs WHERE trial_id IN "
            "(SELECT id FROM trials WHERE experiment_id = ?) ORDER BY trial_id, rowid",
            [experiment_id],
        )
        return [
            RunningTime(trial_id, rate, ran + (max(0.0, now - since) if since is not None else 0.0))
            for trial_id, rate, ran, since in rows
        ]

    def evaluations(self, trial_id: str) -> list[EvaluationRecord]:
        """The evaluations of a trial in the order in which they were noted."""
        return self._all(EvaluationRecord, "WHERE trial_id = ? ORDER BY number", trial_id)

    def decisions(self, trial_id: str) -> list[DecisionRecord]:
        """What was done to a trial, in the order in which it was noted."""
        return self._all(DecisionRecord, "WHERE trial_id = ? ORDER BY number", trial_id)

    def standing_order(self, trial_id: str) -> DecisionRecord | None:
        """The last order to stop or cancel a trial, unless it was resumed since.

        That its whole experiment was halted is one, too.
        """
        order = last_order(self.decisions(trial_id))
        return order if order is not None else self._halt(trial_id)

    def open_trials(self) -> list[TrialRecord]:
        """The trials, of all experiments, of which nobody has said that they ended."""
        return self._all(TrialRecord, "WHERE ended IS NULL ORDER BY started, rowid")

    def scores(self, experiment_id: str) -> dict[str, list[tuple[int, float]]]:
        """Steps and finite scores by trial id, in the order in which the trials began.

        Trials without a score are left out. A step that several sources measured is there once for
        each of them, in the order of their noting.
        """
        # In the order of an index, so that SQLite need not sort what may be 100,000 rows.
        rows = self._database.read(
            "SELECT trial_id, step, score FROM evaluations WHERE score IS NOT NULL AND trial_id IN "
            "(SELECT id FROM trials WHERE experiment_id = ?) ORDER BY trial_id, step, number",
            [experiment_id],
        )
        scores: dict[str, list[tuple[int, float]]] = {}
        for trial_id, step, score in rows:
            scores.setdefault(trial_id, []).append((step, score))
        begun = self._database.read(
            "SELECT id FROM trials WHERE experiment_id = ? ORDER BY started, rowid", [experiment_id]
        )
        return {trial_id: scores[trial_id] for (trial_id,) in begun if trial_id in scores}

    def news(self, experiment_id: str, after: Known = _NOTHING, until: Known | None = None) -> News:
        """What was noted about an experiment's trials since the last call.

        Args:
            experiment_id: whose trials.
            after: the `known` of the last call; without it, everything is new.
            until: a moment in the past; without it, all there is. What was replaced since then
                is missing.
        """
        far = until or Known(_FAR, _FAR)
        # The turns first: of a trial that has ended, all evaluations are there.
        turns = self._database.read(
            "SELECT turns.number, trial_id, turns.state, turns.score, turns.time "
            "FROM turns CROSS JOIN trials ON trials.id = trial_id "
            "WHERE turns.number > ? AND turns.number <= ? AND experiment_id = ? "
            "ORDER BY turns.number",
            [after.turn, far.turn, experiment_id],
        )
        found = self._database.read(
            'SELECT evaluations.number, trial_id, source, step, "values", evaluations.score, time '
            "FROM evaluations CROSS JOIN trials ON trials.id = trial_id "
            "WHERE evaluations.number > ? AND evaluations.number <= ? AND experiment_id = ? "
            "ORDER BY evaluations.number",
            [after.evaluation, far.evaluation, experiment_id],
        )
        return News(
            Known(
                found[-1][0] if found else after.evaluation, turns[-1][0] if turns else after.turn
            ),
            tuple(map(_turn, turns)),
            tuple(from_row(EvaluationRecord, row[1:]) for row in found),
            tuple(row[0] for row in found),
        )

    def assessments(self, experiment_id: str) -> list[Assessment]:
        """The moments at which trials of an experiment were judged, in their order."""
        rows = self._database.read(
            "SELECT trial_id, evaluation, turn FROM assessments "
            "JOIN trials ON trials.id = trial_id WHERE experiment_id = ? "
            "ORDER BY assessments.number",
            [experiment_id],
        )
        return [Assessment(trial_id, Known(*numbers)) for trial_id, *numbers in rows]

    def find_trial(self, words: str, experiment_id: str | None = None) -> TrialRecord:
        """The trial that a person means: its id, its number, or the beginning of its id.

        Args:
            words: upper and lower case are one, unless that leaves several.
            experiment_id: where to look; without it, a number is one of the newest experiment,
                and an id may be anywhere.

        Raises:
            RegistryError: no trial is meant, or several are.
        """
        from hpo_nni.ledger.search import choose_trial  # noqa: PLC0415  # only people need it

        known = [experiment.id for experiment in self.experiments()]
        trials = [self.trials(name) for name in known if experiment_id in {None, name}]
        if not any(trials):
            where = "the ledger" if experiment_id is None else f"experiment {experiment_id}"
            raise RegistryError(f"{where} has no trials", hint=f"experiments: {', '.join(known)}")
        return choose_trial(words, trials)

    def _halt(self, trial_id: str) -> DecisionRecord | None:
        rows = self._database.read(
            "SELECT halted, halt_reason FROM experiments WHERE halted IS NOT NULL AND id = "
            "(SELECT experiment_id FROM trials WHERE id = ?)",
            [trial_id],
        )
        return next(
            (DecisionRecord(trial_id, "user", "cancel", why, time) for time, why in rows), None
        )

    def _all(self, kind: type[Record], rest: str, *parameters: object) -> list[Record]:
        return [from_row(kind, row) for row in self._database.read(select(kind, rest), parameters)]


def _turn(row: tuple[Any, ...]) -> TurnRecord:
    number, trial_id, state, score, time = row
    try:
        return TurnRecord(number, trial_id, TrialState(state), score, time)
    except ValueError as error:
        raise damaged("turns", error) from error
