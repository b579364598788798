"""The safe mode, held to its promise by property."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History, Series
from hpo_nni.stopping.bounds import Limits, ParetoRule, SafeRule

LAST = 8
METRICS = ("auc", "loss")
LIMITS = {"auc": Limits(0, 1, change=0.1), "loss": Limits(0, math.inf, change=0.3)}


@st.composite
def metric_curves(draw):
    """Values at all steps, within the limits."""
    curves = {}
    for name in METRICS:
        limits = LIMITS[name]
        values = [draw(st.floats(0, 1))]
        for _ in range(LAST - 1):
            change = draw(st.floats(-limits.change, limits.change))
            values.append(min(limits.highest, max(limits.lowest, values[-1] + change)))
        curves[name] = values
    return curves


def history(curves, weights, seen=None, *, complete=False):
    """What is known when of each metric the first so many steps have been seen."""
    seen = seen or dict.fromkeys(METRICS, LAST)
    joint = min(seen.values())
    scores = tuple(
        sum(weight * curves[name][k] for name, weight in weights.items()) for k in range(joint)
    )
    metrics = {
        name: Series(tuple(range(1, seen[name] + 1)), tuple(curves[name][: seen[name]]))
        for name in METRICS
    }
    return History(tuple(range(1, joint + 1)), scores, is_complete=complete, metrics=metrics)


WEIGHTS = st.fixed_dictionaries(dict.fromkeys(METRICS, st.floats(-2, 2)))
SEEN = st.fixed_dictionaries(dict.fromkeys(METRICS, st.integers(0, LAST)))


@settings(max_examples=150)
@given(
    trial=metric_curves(),
    others=st.lists(metric_curves(), min_size=1, max_size=3),
    weights=WEIGHTS,
    seen=SEEN,
    direction=st.sampled_from(Direction),
    best=st.booleans(),
)
def test_a_trial_that_could_still_win_is_never_stopped(  # noqa: PLR0917 - hypothesis gives them by name
    trial, others, weights, seen, direction, best
):
    """Metrics at different steps, weights of either sign, either direction, best or last."""
    rule = SafeRule(direction, weights, LIMITS, best=best)
    peers = {str(n): history(one, weights, complete=True) for n, one in enumerate(others)}
    whole = history(trial, weights)

    def final(one):
        return direction.best(one.scores) if best else one.scores[-1]

    wins = not any(direction.is_better(final(peer), than=final(whole)) for peer in peers.values())
    verdict = rule.judge(history(trial, weights, seen), peers)

    assert verdict.keep or not wins


def test_a_trial_that_cannot_win_is_stopped():
    weights = {"auc": 1.0, "loss": -0.5}
    good = history({"auc": [0.9] * LAST, "loss": [0.1] * LAST}, weights, complete=True)
    bad = {"auc": [0.2] * LAST, "loss": [0.9] * LAST}
    rule = SafeRule(Direction.MAXIMIZE, weights, LIMITS)

    verdict = rule.judge(history(bad, weights, {"auc": 4, "loss": 3}), {"good": good})

    assert not verdict.keep
    assert verdict.figures["reachable"] < verdict.figures["incumbent"]


def test_without_limits_nothing_is_stopped():
    weights = {"auc": 1.0, "loss": -0.5}
    good = history({"auc": [0.9] * LAST, "loss": [0.1] * LAST}, weights, complete=True)
    bad = history({"auc": [0.0] * LAST, "loss": [9.0] * LAST}, weights, {"auc": 4, "loss": 3})

    assert SafeRule(Direction.MAXIMIZE, weights, {}).judge(bad, {"good": good}).keep


OBJECTIVES = {"auc": Direction.MAXIMIZE, "loss": Direction.MINIMIZE}


@settings(max_examples=100)
@given(trial=metric_curves(), other=metric_curves(), seen=SEEN)
def test_a_trial_that_could_still_be_on_the_front_is_never_stopped(trial, other, seen):
    weights = {"auc": 1.0}
    peer = history(other, weights, complete=True)
    rule = ParetoRule(OBJECTIVES, LIMITS)
    dominated = (
        other["auc"][-1] >= trial["auc"][-1]
        and other["loss"][-1] <= trial["loss"][-1]
        and (other["auc"][-1], other["loss"][-1]) != (trial["auc"][-1], trial["loss"][-1])
    )

    assert rule.judge(history(trial, weights, seen), {"a": peer}).keep or dominated


def test_what_is_dominated_beyond_doubt_is_stopped():
    peer = history({"auc": [0.9] * LAST, "loss": [0.1] * LAST}, {"auc": 1.0}, complete=True)
    bad = {"auc": [0.2] * LAST, "loss": [5.0] * LAST}
    rule = ParetoRule(OBJECTIVES, LIMITS)

    assert not rule.judge(history(bad, {"auc": 1.0}, {"auc": 4, "loss": 3}), {"a": peer}).keep
