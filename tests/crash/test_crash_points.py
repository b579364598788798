"""A trial killed at every point of its life: nothing is left, runs twice, or is lost."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from hpo_nni.ledger.leftovers import find_leftovers
from hpo_nni.ledger.records import TrialState
from hpo_nni.testing.cloud.faults import Action, RequestFault

SCORE = 0.5
TRIES = 4  # to come to a point again: in which order a job and its metrics appear may vary

POST = {"method": "POST", "path": "/instances$"}
SCENARIOS = {
    "local": ("local", []),
    "maxcompute": ("maxcompute", []),
    "lost reply": ("maxcompute", [RequestFault(Action.DROP_AFTER, **POST)]),
    "lost request": ("maxcompute", [RequestFault(Action.DROP_BEFORE, **POST)]),
    "doubled": ("maxcompute", [RequestFault(Action.DUPLICATE, **POST)]),
    "busy": ("maxcompute", [RequestFault(Action.REFUSE, times=3, status=503)]),
}
IN_EACH_RUN = {"local", "lost reply"}


@dataclass
class Tally:
    """What was seen over all points."""

    points: int = 0
    visited: int = 0
    alive: int = 0  # points at which a job had outlived its runner, until it was cleaned up
    found: Counter = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)

    def note(self, kind, point, detail):
        self.found[kind] += 1
        self.places.append(f"{kind} at {point}: {detail}")


def prepare(here, faults):
    if here.jobs is not None:
        here.jobs.faults.add(*faults)


def crash(world, nursery, scenario, point, tally):
    """Kill a trial at a point, clean up, and run it again; whether it came to the point."""
    kind, faults = SCENARIOS[scenario]
    with world(kind) as here:
        prepare(here, faults)
        ended = here.trial(nursery, point)
        if not ended.was_killed:
            return False
        tally.alive += bool(here.running())
        before = facts(here)
        here.clean_up()
        check_clean(here, point, tally)
        check_kept(before, facts(here), point, tally)
        succeeded = [one for one in facts(here)["trials"] if one.state is TrialState.SUCCEEDED]
        if not succeeded:
            again = here.trial(nursery)
            last = facts(here)["trials"][-1]
            if (again.status, last.state, last.score) != (0, TrialState.SUCCEEDED, SCORE):
                tally.note("lost", point, f"{again.status} {last} {again.printed}")
        elif [one.score for one in succeeded] != [SCORE]:
            tally.note("lost", point, succeeded)
        check_clean(here, point, tally)
        check_single(here, scenario, point, tally)
    return True


def facts(here):
    """What the ledger knows, by trial."""
    with here.ledger() as ledger:
        trials = [trial for one in ledger.experiments() for trial in ledger.trials(one.id)]
        trials.sort(key=lambda one: one.started)
        return {
            "trials": trials,
            "jobs": [job for trial in trials for job in ledger.jobs(trial.id)],
            "evaluations": [e for trial in trials for e in ledger.evaluations(trial.id)],
        }


def check_clean(here, point, tally):
    """Nothing runs, and nothing in the ledger is open."""
    running = here.running()
    if running:
        tally.note("orphan", point, running)
    with here.ledger() as ledger:
        found = find_leftovers(ledger, time.time())
        if found or found.watched or ledger.live_jobs():
            tally.note("open", point, found)
        if ledger.faults():
            tally.note("lost", point, ledger.faults())


def check_kept(before, after, point, tally):
    """What was written down is still there."""
    ended = {one.id: one for one in before["trials"] if one.state.is_final}
    kept = {one.id: one for one in after["trials"]}
    for name, trial in ended.items():
        if kept.get(name) != trial:
            tally.note("lost", point, trial)
    if before["evaluations"] != after["evaluations"]:
        tally.note("lost", point, before["evaluations"])


def check_single(here, scenario, point, tally):
    """The platform took up each job once, and no more jobs than the ledger has."""
    taken = here.submissions()
    jobs = facts(here)["jobs"]
    by_itself = scenario == "doubled"  # then the service is to blame, and the twin was cancelled
    if any(count > 1 + by_itself for count in taken.values() if here.jobs is not None):
        tally.note("double", point, taken)
    if sum(taken.values()) > len(jobs) + by_itself:
        tally.note("double", point, f"{taken} {jobs}")
    done = [job for job in jobs if job.state == "succeeded"]
    if len(done) > 1:
        tally.note("double", point, done)


def visit(world, nursery, scenario):
    """Take the trace, and kill a trial at each of its points."""
    kind, faults = SCENARIOS[scenario]
    tally = Tally()
    with world(kind) as here:
        prepare(here, faults)
        whole = here.trial(nursery)
        assert whole.status == 0, whole.printed
        check_clean(here, "the end", tally)
    tally.points = len(whole.trace)
    missed = []
    for point in whole.trace:
        if any(crash(world, nursery, scenario, point, tally) for _ in range(TRIES)):
            tally.visited += 1
        else:
            missed.append(str(point))
    sys.stdout.write(
        f"\n{scenario}: killed at {tally.visited} of {tally.points} points, "
        f"jobs outlived their runner at {tally.alive}; after the clean-up: "
        f"{tally.found['orphan'] + tally.found['open']} orphans, "
        f"{tally.found['double']} double submissions, {tally.found['lost']} lost results\n"
    )
    assert missed == []
    return tally


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(name, marks=[] if name in IN_EACH_RUN else pytest.mark.prove)
        for name in SCENARIOS
    ],
)
def test_wherever_a_trial_dies_nothing_is_left_doubled_or_lost(world, nursery, scenario):
    tally = visit(world, nursery, scenario)

    assert not tally.places, "\n".join(tally.places)
    assert tally.alive > 0, "so there was something to clean up"
