"""The metrics that a config asks for, under EasyRec's names, beyond those that are always written.

There are no users in the made-up clicks, so metrics by group take runs of samples for users, and
those of matching models rank each run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hpo_nni.testing.cloud.trainer.model import auc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Asked: TypeAlias = "tuple[str, str, int]"
_RUN = 50  # samples that stand for one user
_MATCH_MODELS = ("dssm", "dssm_senet", "mind", "dat", "pdn", "matchmodel", "cometriclearningi2i")


def names_of(metrics_set: Any, suffix: str, model_class: str = "") -> Iterator[Asked]:
    """Kind, written name and `topk` of each metric of a `metrics_set`."""
    for metric in metrics_set:
        kind = metric.WhichOneof("metric")
        if kind is None:
            continue
        topk = getattr(getattr(metric, kind), "topk", 0) or 5
        is_match = kind == "recall_at_topk" and model_class.lower() in _MATCH_MODELS
        yield kind, f"recall@{topk}{suffix}" if is_match else f"{kind}{suffix}", topk


def value(kind: str, topk: int, chances: Any, labels: Any) -> float | None:
    """One metric of one task; None for a kind that is not known here."""
    if kind == "recall_at_topk":
        return _mean_of_runs(lambda c, y: _recall(c, y, topk), chances, labels)
    measure = _MEASURES.get(kind)
    return None if measure is None else float(measure(chances, labels))


def _runs_auc(chances: Any, labels: Any) -> float:
    return _mean_of_runs(auc, chances, labels)


def _mean_of_runs(measure: Callable[[Any, Any], float], chances: Any, labels: Any) -> float:
    """The mean over the runs that have clicks and others; 0.5 where there is none."""
    starts = range(0, len(labels), _RUN)
    runs = [(chances[at : at + _RUN], labels[at : at + _RUN]) for at in starts]
    found = [measure(c, y) for c, y in runs if 0 < y.sum() < len(y)]
    return float(np.mean(found)) if found else 0.5


def _recall(chances: Any, labels: Any, topk: int) -> float:
    best = np.argsort(-chances, kind="stable")[:topk]
    return float(labels[best].sum() / labels.sum())


def _max_f1(chances: Any, labels: Any) -> float:
    hits = np.cumsum(labels[np.argsort(-chances, kind="stable")])
    taken = np.arange(1, len(labels) + 1)
    return float(np.max(2 * hits / (taken + labels.sum()))) if labels.sum() else 0.0


def _mse(chances: Any, labels: Any) -> float:
    return float(np.mean((chances - labels) ** 2))


_MEASURES: dict[str, Callable[[Any, Any], float]] = {
    "auc": auc,
    "gauc": _runs_auc,
    "session_auc": _runs_auc,
    "max_f1": _max_f1,
    "accuracy": lambda c, y: float(np.mean((c > 0.5) == (y > 0.5))),
    "mean_absolute_error": lambda c, y: float(np.mean(np.abs(c - y))),
    "mean_squared_error": _mse,
    "root_mean_squared_error": lambda c, y: math.sqrt(_mse(c, y)),
}
