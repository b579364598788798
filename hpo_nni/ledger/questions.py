"""What the ledger can be asked; nothing here writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.errors import RegistryError
from hpo_nni.ledger.records import (
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    last_order,
)
from hpo_nni.ledger.rows import Record, from_row, select

if TYPE_CHECKING:
    from hpo_nni.ledger.database import Database


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
        """The last order to stop or cancel a trial, unless it was resumed since."""
        return last_order(self.decisions(trial_id))

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

    def scores_since(
        self, experiment_id: str, after: int = 0
    ) -> tuple[int, list[tuple[str, str, int, float | None]]]:
        """What `add_evaluations` noted since the last call, for one who follows an experiment.

        Args:
            experiment_id: whose trials.
            after: what the last call returned; 0 for everything.

        Returns:
            The next `after`, and (trial id, source, step, score) in the order of noting. A later
            row for the same trial, source and step replaces the earlier; its score may be None.
        """
        rows = self._database.read(
            "SELECT evaluations.number, trial_id, source, step, evaluations.score "
            "FROM evaluations CROSS JOIN trials ON trials.id = trial_id "
            "WHERE evaluations.number > ? AND experiment_id = ? ORDER BY evaluations.number",
            [after, experiment_id],
        )
        return (rows[-1][0] if rows else after), [row[1:] for row in rows]

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

    def _all(self, kind: type[Record], rest: str, *parameters: object) -> list[Record]:
        return [from_row(kind, row) for row in self._database.read(select(kind, rest), parameters)]
