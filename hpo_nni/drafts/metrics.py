"""Which metrics a config asks for, and a weight for each.

EasyRec's `eval_config.metrics_set` names them; a model of several tasks writes each under the name
of its tower, as `auc_click`. Other configs have no such place: names under keys such as `metrics`
or `monitor` are taken. The score is to be maximized, so what is better when smaller gets a negative
weight.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EASYREC_DEFAULT = "auc"
_AT_TOP_K = {"recall_at_topk": "recall", "precision_at_topk": "precision"}
_NAMING_KEYS = (
    "metric",
    "metrics",
    "eval_metric",
    "eval_metrics",
    "monitor",
    "metric_for_best_model",
)
_COST = re.compile(r"loss|error|mae|mse|rmse|perplexity|ppl|wer|cer|nll", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][\w.@/-]*")


def easyrec_weights(config: Mapping[str, Any]) -> dict[str, float]:
    """Weights for a pipeline config of EasyRec's, read as plain data.

    The first metric counts, on all tasks alike; the others have the weight 0, with which they are
    recorded and shown.

    >>> easyrec_weights({"eval_config": {"metrics_set": [{"auc": {}}, {"max_f1": {}}]}})
    {'auc': 1.0, 'max_f1': 0.0}
    """
    general = _names(config.get("eval_config")) or [EASYREC_DEFAULT]
    towers = list(_towers(config.get("model_config")))
    weights: dict[str, float] = {}
    for tower in towers:
        for place, name in enumerate(_names(tower) or general):
            share = round(1 / len(towers), 4) if place == 0 else 0.0
            weights[f"{name}_{tower['tower_name']}"] = _signed(name, share)
    if not towers:
        weights = {
            name: _signed(name, 1.0 if place == 0 else 0.0) for place, name in enumerate(general)
        }
    return weights


def named_weights(config: Any) -> dict[str, float]:
    """Weights for the metrics that any other config names; empty where it names none.

    >>> named_weights({"train": {"monitor": "val_loss"}})
    {'val_loss': -1.0}
    """
    names = dict.fromkeys(name for name in _named(config) if _NAME.fullmatch(name))
    return {name: _signed(name, 1.0 if place == 0 else 0.0) for place, name in enumerate(names)}


def _signed(name: str, share: float) -> float:
    return -share if share and _COST.search(name) else share


def _names(group: Any) -> list[str]:
    """The metrics of `metrics_set`, which stands once, several times, or not at all."""
    found = group.get("metrics_set") if isinstance(group, dict) else None
    entries = found if isinstance(found, list) else [found]
    return [
        _spelt(name, options)
        for entry in entries
        if isinstance(entry, dict)
        for name, options in entry.items()
    ]


def _spelt(name: str, options: Any) -> str:
    if name in _AT_TOP_K:
        top = options.get("topk", 5) if isinstance(options, dict) else 5
        return f"{_AT_TOP_K[name]}@{top}"
    return name


def _towers(group: Any) -> Iterator[Mapping[str, Any]]:
    """The tasks of a model: groups with a `tower_name` in the `task_towers` of any model."""
    if not isinstance(group, dict):
        return
    for name, inner in group.items():
        entries = inner if isinstance(inner, list) else [inner]
        if name == "task_towers":
            yield from (one for one in entries if isinstance(one, dict) and "tower_name" in one)
        else:
            for entry in entries:
                yield from _towers(entry)


def _named(data: Any) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _named(item)
    elif isinstance(data, dict):
        for key, value in data.items():
            if str(key).lower() in _NAMING_KEYS:
                yield from (
                    one
                    for one in (value if isinstance(value, list) else [value])
                    if isinstance(one, str)
                )
            yield from _named(value)
