"""The letter about a trial that never got a score: what is missing, and what was there instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.errors import MetricError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hpo_nni.metrics.base import MetricSource


def explain_silence(
    name: str,
    weighted: Collection[str],
    steps_of: Mapping[str, int],
    source: MetricSource,
) -> MetricError:
    """Say why no step of a source has a score.

    Args:
        name: what the ini calls the source.
        weighted: the metrics that make the score.
        steps_of: metric -> at how many steps it came.
        source: which knows what else came, and from where.
    """
    where = f"{name}: {source.account()}"
    damaged = f"; {source.damaged} record(s) of it could not be read" if source.damaged else ""
    absent = [metric for metric in weighted if not steps_of.get(metric)]
    if absent:
        others = [seen for seen in source.seen if seen not in absent]
        hints = [f"{metric!r}: {did_you_mean(metric, others)}" for metric in absent]
        return MetricError(
            f"{_listed(absent)} never appeared\n  {where}{damaged}",
            hint="; ".join(hints) if others else _NOTHING_CAME,
        )
    came = ", ".join(f"{metric!r} at {steps_of[metric]}" for metric in weighted)
    if len(weighted) == 1:
        return MetricError(
            f"{_listed(weighted)} was never finite ({came} step(s))\n  {where}{damaged}",
            hint="the training diverged; the log shows from which step on",
        )
    return MetricError(
        f"no step has finite values of all of {_listed(weighted)}: {came} step(s)"
        f"\n  {where}{damaged}",
        hint="a score needs all of its metrics at the same step; give a metric weight 0 to only"
        " record it",
    )


_NOTHING_CAME = (
    "no metric came at all: see whether the job wrote any, and whether metric_source leads there"
)


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names))
