"""Nothing that is pointed at is ever deleted."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo_nni.cli.main import main
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import (
    DailyRunRecord,
    ExperimentRecord,
    Training,
    TrialRecord,
    TrialState,
)
from hpo_nni.trial.pruning import Pruning, find_prunable

STATES = [TrialState.SUCCEEDED, TrialState.FAILED, TrialState.STOPPED, TrialState.RUNNING]


def trial_plans():
    """Trials, each with a state, a score, an experiment, a point and days: new ones, or others'."""
    plan = st.fixed_dictionaries(
        {
            "experiment": st.sampled_from(["e1", "e2"]),
            "state": st.sampled_from(STATES),
            "score": st.integers(0, 5),
            "point": st.fixed_dictionaries({"lr": st.integers(1, 3)}),
            # how many of the days of an earlier trial it uses, and how many it trains
            "after": st.integers(-1, 5),
            "reused": st.integers(0, 3),
            "trained": st.integers(0, 3),
            "nested": st.booleans(),
        }
    )
    plans = st.lists(plan, min_size=1, max_size=7)
    return plans.map(lambda found: [one | {"id": f"t{n}"} for n, one in enumerate(found)])


class Story:
    """A ledger in which trials have walked as a plan says, and the models that lie there."""

    def __init__(self, folder, plans):
        self.folder = folder
        self.ledger = Ledger.open(folder / "ledger")
        self.days = {}
        for name in ("e1", "e2"):
            self.ledger.begin_experiment(ExperimentRecord(name, 1.0, "maximize", project="p"))
        for number, plan in enumerate(plans):
            self._walk(number, plan)

    def _walk(self, number, plan):
        trial = TrialRecord(
            plan["id"], plan["experiment"], number, float(number), parameters=plan["point"]
        )
        self.ledger.begin_trial(trial)
        walked = []
        for day in self.days.get(f"t{plan['after']}", [])[: plan["reused"]]:
            assert self.ledger.use_training(day, plan["id"], day.step)
            walked.append(day)
        for step in range(len(walked), len(walked) + plan["trained"]):
            parent = walked[-1] if walked else None
            top = Path(parent.model) if parent and plan["nested"] else self.folder
            walked.append(self._train(plan["id"], step, parent, top / f"{plan['id']}_{step}"))
        self.days[plan["id"]] = walked
        if plan["state"].is_final:
            self.ledger.end_trial(plan["id"], plan["state"], "so it was", float(plan["score"]))

    def _train(self, trial, step, parent, place):
        place.mkdir(parents=True)
        (place / "model").write_text("weights")
        claim = Training(
            hash=f"{trial}-{step}",
            trial_id=trial,
            step=f"cmd_{step}",
            parent=parent.hash if parent else "",
            parent_trainer=parent.trial_id if parent else "",
            model=str(place),
            begun=1.0,
        )
        assert self.ledger.claim_training(claim, [])
        assert self.ledger.end_training(claim, "v", [])
        (made,) = self.ledger.trainings_of(claim.hash)
        return made

    def pointed_at(self, trial_ids):
        """Every model on the ways of these trials, and all that those start from."""
        every = {(one.hash, one.trial_id): one for one in self.ledger.trainings()}
        found = set()
        open_days = [day for name in trial_ids for day in self.days[name]]
        while open_days:
            day = open_days.pop()
            found.add(day.model)
            open_days += [every[day.parent, day.parent_trainer]] if day.parent else []
        return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plans=trial_plans(),
    best=st.integers(0, 2),
    chosen=st.sets(st.sampled_from(["e1", "e2"]), min_size=1),
    champion=st.integers(1, 4),
)
def test_nothing_that_is_pointed_at_is_ever_deleted(plans, best, chosen, champion):
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder), plans)
        ledger = story.ledger
        run = DailyRunRecord("p", "20261001", "kept", 1.0, champion={"lr": champion})
        ledger.put_daily_run(run)
        experiments = [one for one in ledger.experiments() if one.id in chosen]
        pointing = [
            plan["id"]
            for plan in plans
            if plan["experiment"] not in chosen
            or plan["state"] is TrialState.RUNNING
            or plan["point"] == {"lr": champion}
        ]
        for name in chosen:
            done = [
                plan
                for plan in plans
                if plan["experiment"] == name and plan["state"] is TrialState.SUCCEEDED
            ]
            done.sort(key=lambda plan: -plan["score"])
            pointing += [plan["id"] for plan in done[:best]]
        needed = story.pointed_at(pointing)
        before = {one.model for one in ledger.trainings()}
        would = {one.training.model for one in Pruning(ledger, experiments, best).look()}
        assert all(Path(place, "model").exists() for place in before)

        done = list(Pruning(ledger, experiments, best).prune())

        assert {one.training.model for one in done} == would
        assert all(Path(place, "model").exists() for place in needed)
        assert not any(Path(place).exists() for place in would)
        assert not any(one.fault for one in done)
        left = {(one.hash, one.trial_id): one for one in ledger.trainings() if not one.pruned}
        assert all((one.parent, one.parent_trainer) in left for one in left.values() if one.parent)
        assert not list(Pruning(ledger, experiments, best).prune())  # nothing is left for a second
        ledger.close()


PLAN = {"experiment": "e1", "state": TrialState.SUCCEEDED, "after": -1, "reused": 0, "trained": 2}
LOSER = PLAN | {"id": "t0", "score": 1, "point": {"lr": 1}, "nested": False}
WINNER = PLAN | {"id": "t1", "score": 2, "point": {"lr": 2}, "nested": False}
HEIR = WINNER | {"id": "t2", "score": 3, "after": 0, "reused": 1, "trained": 1}


def test_the_command_says_what_would_go_and_deletes_when_told(tmp_path, capsys):
    story = Story(tmp_path, [LOSER, WINNER, HEIR])
    story.ledger.close()
    command = ["prune", "--dir", str(tmp_path / "ledger"), "--best=2"]

    assert main(command) == 0
    said = capsys.readouterr().out
    assert "kept, with all that they start from: the days of 2 among the best\n" in said
    assert f"would go: cmd_1 of trial t0: {tmp_path}/t0_1  (1 files, 7 bytes)" in said
    assert "to delete: 1 models, 7 bytes\nnothing has been deleted; --yes does it" in said
    assert (tmp_path / "t0_1/model").exists()

    assert main([*command, "--yes"]) == 0
    assert "deleted: 1 models, 7 bytes" in capsys.readouterr().out
    assert not (tmp_path / "t0_1").exists()
    assert (tmp_path / "t0_0/model").exists()  # the heir walks through it
    assert main([*command, "--yes"]) == 0
    assert "deleted: 0 models" in capsys.readouterr().out


def test_what_a_model_starts_from_stays_where_the_model_cannot_be_deleted(tmp_path, capsys):
    story = Story(tmp_path, [LOSER])
    story.ledger.close()
    (tmp_path / "t0_1").rename(tmp_path / "moved")
    (tmp_path / "t0_1").symlink_to(tmp_path / "moved")
    command = ["prune", "--dir", str(tmp_path / "ledger"), "--best=0", "--yes"]

    assert main(command) == 1
    said = capsys.readouterr()
    assert "is a link, and may lead to what others need" in said.err
    assert "a later day could not be deleted" in said.err
    assert (tmp_path / "t0_0/model").exists()
    assert (tmp_path / "moved/model").exists()

    (tmp_path / "t0_1").unlink()
    assert main(command) == 0
    assert not (tmp_path / "t0_0").exists()


def test_a_trial_cannot_begin_to_use_what_is_being_pruned(tmp_path):
    story = Story(tmp_path, [LOSER, HEIR | {"reused": 0, "state": TrialState.RUNNING}])
    (first, second) = story.days["t0"]
    marked = story.ledger.mark_pruned(
        Pruning(story.ledger, story.ledger.experiments(), 0).candidates
    )

    assert {one.hash for one in marked} == {first.hash, second.hash}
    assert not story.ledger.use_training(first, "t2", "cmd_0")
    (again,) = story.ledger.trainings_of(first.hash)
    assert not story.ledger.use_training(again, "t2", "cmd_0")
    story.ledger.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--best=-1"], "--best is a number of trials"),
        (["--project=q"], "no experiment is of the project 'q'"),
    ],
)
def test_faults_are_said(tmp_path, capsys, words, said):
    Story(tmp_path, [LOSER]).ledger.close()

    assert main(["prune", "--dir", str(tmp_path / "ledger"), *words]) == 2
    assert said in capsys.readouterr().err


def test_of_trainings_that_share_a_place_the_kept_one_keeps_it():
    old = Training("a", "t1", "cmd", "", "", "/m/x", 1.0, ended=2.0, version="v")
    new = Training("b", "t2", "cmd", "", "", "/m/x", 3.0)  # it is trained at the moment

    assert find_prunable([old], [], []) == [old]
    assert find_prunable([old, new], [], []) == []
