"""Which metrics a config asks for, and a weight for each.

EasyRec's `metrics_set` names them: that of `eval_config`, or in models of several tasks that of
each tower, whose metrics are written under its name, as `auc_click`. Other configs have no such
place: names under keys such as `metrics` or `monitor` are taken. The score is to be maximized, so
what is better when smaller gets a negative weight.

How EasyRec names what it writes was read in its models (rank_model, match_model, multi_task_model
and esmm in easy_rec/python/model).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EASYREC_DEFAULT = "auc"
_MATCH_MODELS = ("dssm", "dssm_senet", "mind", "dat", "pdn", "matchmodel", "cometriclearningi2i")
_NAMING_KEYS = (
    "metric",
    "metrics",
    "eval_metric",
    "eval_metrics",
    "monitor",
    "metric_for_best_model",
)
_COST = re.compile(r"loss|error|mae|mse|rmse|perplexity|ppl|wer|cer|nll", re.IGNORECASE)
_MASKED = "_masked"  # what ESMM says of the clicked ones only
_NAME = re.compile(r"[A-Za-z_][\w.@/-]*")


def easyrec_weights(config: Mapping[str, Any]) -> dict[str, float]:
    """Weights for a pipeline config of EasyRec's, read as plain data.

    The first metric counts, on all tasks alike; the others have the weight 0, with which they are
    recorded and shown.

    >>> easyrec_weights({"eval_config": {"metrics_set": [{"auc": {}}, {"max_f1": {}}]}})
    {'auc': 1.0, 'max_f1': 0.0}
    """
    model = config.get("model_config")
    kind = str(model.get("model_class", "")).lower() if isinstance(model, dict) else ""
    general = _names(config.get("eval_config"), kind)
    found = list(_towers(model))
    tasks = [(suffix, _names(tower, kind)) for suffix, tower in found]
    if tasks and not any(names for _, names in tasks):
        tasks = [(suffix, general or [EASYREC_DEFAULT]) for suffix, _ in tasks]
    tasks = [task for task in tasks if task[1]] or [("", general or [EASYREC_DEFAULT])]
    counting = sum(not suffix.endswith(_MASKED) for suffix, _ in tasks)
    weights: dict[str, float] = {}
    for suffix, names in tasks:
        for place, name in enumerate(names):
            counts = place == 0 and not suffix.endswith(_MASKED)
            weights[f"{name}{suffix}"] = _signed(name, round(1 / counting, 4) if counts else 0.0)
    return weights


def towers_without_metrics(config: Mapping[str, Any]) -> bool:
    """Whether a model has several tasks and none names a metric: then EasyRec writes none."""
    found = [tower for _, tower in _towers(config.get("model_config"))]
    return bool(found) and not any(_names(tower, "") for tower in found)


def named_weights(config: Any) -> dict[str, float]:
    """Weights for the metrics that any other config names; empty where it names none.

    >>> named_weights({"train": {"monitor": "val_loss"}})
    {'val_loss': -1.0}
    """
    names = dict.fromkeys(name for name in _named(config) if _NAME.fullmatch(name))
    return {name: _signed(name, 1.0 if place == 0 else 0.0) for place, name in enumerate(names)}


def _signed(name: str, share: float) -> float:
    return -share if share and _COST.search(name) else share


def _names(group: Any, model: str) -> list[str]:
    """The metrics of `metrics_set`, which stands once, several times, or not at all."""
    found = group.get("metrics_set") if isinstance(group, dict) else None
    entries = found if isinstance(found, list) else [found]
    return [
        _spelt(name, options, model)
        for entry in entries
        if isinstance(entry, dict)
        for name, options in entry.items()
    ]


def _spelt(name: str, options: Any, model: str) -> str:
    if name == "recall_at_topk" and model in _MATCH_MODELS:
        return f"recall@{options.get('topk', 5) if isinstance(options, dict) else 5}"
    return name


def _towers(group: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tasks of a model, wherever in it they are: the suffix of their metrics, and the group."""
    if not isinstance(group, dict):
        return
    for name, inner in group.items():
        entries = inner if isinstance(inner, list) else [inner]
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            own = f"_{entry.get('tower_name', '')}"
            if name == "cvr_tower":  # ESMM's: over everything shown, and over the clicked ones
                yield "_ctcvr", entry
                yield f"{own}{_MASKED}", entry
            elif name in {"task_towers", "ctr_tower"} and "tower_name" in entry:
                yield own, entry
            elif name not in {"task_towers", "ctr_tower"}:
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
