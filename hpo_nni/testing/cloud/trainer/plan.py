"""What a config asks for, in the small world of this trainer.

The model is smaller than what is asked for, so that a job takes a moment and not hours: at most 24
features, embeddings of at most 16 numbers, 64 hidden units, and 20 real steps for each evaluation.
The learning rate is multiplied by ten for it. What a field means stays: more is more, and a rate
that is too high or too low costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.testing.cloud.trainer.clicks import vocabulary
from hpo_nni.testing.cloud.trainer.metrics import names_of
from hpo_nni.testing.cloud.trainer.model import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_FEATURES = 24
MAX_WIDTH = 16
MAX_HIDDEN = 64
REAL_STEPS = 20
RATE_SCALE = 10.0
_DEFAULT_STEPS = 8000
_DEFAULT_CHECKPOINT = 1000


class ConfigError(ValueError):
    """The config asks for something that cannot be."""


@dataclass(frozen=True)
class Task:
    """One label and the suffix of its metrics, which is empty for models of one task.

    Attributes:
        asked: what the config asks for: kind, written name and `topk` of each metric.
    """

    label: str
    suffix: str
    asked: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class Plan:
    """What will be trained."""

    features: tuple[str, ...]
    tasks: tuple[Task, ...]
    shape: Shape
    steps: tuple[int, ...]
    rate: Any

    def rate_at(self, step: int) -> float:
        """The learning rate of the config at a step of the config."""
        return _rate(self.rate, step)


def plan_of(config: Any, evaluations: int) -> Plan:
    """Read a config.

    Raises:
        ConfigError: it has no features, no labels or no optimizer.
    """
    features = [*config.feature_configs, *config.feature_config.features][:MAX_FEATURES]
    if not features:
        raise ConfigError("the config has no feature_configs")
    tasks = tuple(_tasks(config))
    if not tasks:
        raise ConfigError("data_config.label_fields is empty")
    names = tuple(_name(feature) for feature in features)
    shape = Shape(
        tuple(_buckets(feature, name) for feature, name in zip(features, names, strict=True)),
        tuple(min(feature.embedding_dim or 8, MAX_WIDTH) for feature in features),
        min(_hidden(config), MAX_HIDDEN),
        len(tasks),
        config.model_config.embedding_regularization,
    )
    return Plan(names, tasks, shape, _steps(config, evaluations), _schedule(config))


def _name(feature: Any) -> str:
    return "_x_".join(feature.input_names) or feature.feature_name or "feature"


def _buckets(feature: Any, name: str) -> int:
    asked = feature.num_buckets or feature.hash_bucket_size or len(feature.boundaries) + 1
    size = vocabulary(name)
    return int(min(asked, size)) if asked > 1 else size


def _model(config: Any) -> Any:
    kind = config.model_config.WhichOneof("model")
    return getattr(config.model_config, kind) if kind else None


def _tasks(config: Any) -> Iterator[Task]:
    model = _model(config)
    labels = list(config.data_config.label_fields)
    towers = [*getattr(model, "task_towers", []), *config.model_config.model_params.task_towers]
    conversions = None
    if not towers and hasattr(model, "cvr_tower"):
        conversions = model.cvr_tower
        towers = [model.ctr_tower, conversions]
    for place, tower in enumerate(towers):
        label = tower.label_name or (labels[place] if place < len(labels) else tower.tower_name)
        suffix = f"_{tower.tower_name}" if tower.tower_name else ""
        suffixes = ["_ctcvr", f"{suffix}_masked"] if tower is conversions else [suffix]
        asked = [one for own in suffixes for one in names_of(tower.metrics_set, own)]
        yield Task(label, suffix, tuple(asked))
    if not towers and labels:
        asked = list(names_of(config.eval_config.metrics_set, "", config.model_config.model_class))
        yield Task(labels[0], "", tuple(asked))


def _hidden(config: Any) -> int:
    """The mean size of the first layers, wherever in the model they are; 32 without any."""
    found = list(_first_layers(config.model_config))
    return max(1, round(sum(found) / len(found))) if found else 32


def _first_layers(message: Any) -> Iterator[int]:
    for field, value in message.ListFields():
        if field.name == "hidden_units":
            yield value[0]
        elif field.message_type is not None:
            for inner in value if hasattr(value, "extend") else [value]:
                yield from _first_layers(inner)


def _steps(config: Any, evaluations: int) -> tuple[int, ...]:
    """At which steps there is a checkpoint, and so an evaluation."""
    last = config.train_config.num_steps or _DEFAULT_STEPS
    every = config.train_config.save_checkpoints_steps or _DEFAULT_CHECKPOINT
    count = max(1, min(evaluations, -(-last // every)))
    return tuple(round(last * (number + 1) / count) for number in range(count))


def _schedule(config: Any) -> Any:
    """The learning rate's message of the first optimizer."""
    for optimizer in config.train_config.optimizer_config[:1]:
        kind = optimizer.WhichOneof("optimizer")
        rate = getattr(optimizer, kind).learning_rate if kind else None
        schedule = rate.WhichOneof("learning_rate") if rate is not None else None
        if schedule:
            return getattr(rate, schedule)
    raise ConfigError("train_config.optimizer_config has no learning rate")


def _rate(schedule: Any, step: int) -> float:
    kind = schedule.DESCRIPTOR.name
    if kind == "ConstantLearningRate":
        return float(schedule.learning_rate)
    if kind == "ManualStepLearningRate":
        return _manual(schedule.initial_learning_rate, schedule.schedule, step)
    if kind == "ExponentialDecayLearningRate":
        factor = schedule.decay_factor or 1.0
        rate = schedule.initial_learning_rate * factor ** (step / (schedule.decay_steps or 1000))
        return float(max(rate, schedule.min_learning_rate))
    part = min(1.0, step / (schedule.total_steps or _DEFAULT_STEPS))
    left = 0.5 + 0.5 * math.cos(math.pi * part) if kind.startswith("Cosine") else 1.0 - part
    return float(schedule.learning_rate_base * left)


def _manual(rate: float, schedule: Sequence[Any], step: int) -> float:
    for entry in schedule:
        if step >= entry.step:
            rate = entry.learning_rate
    return rate
