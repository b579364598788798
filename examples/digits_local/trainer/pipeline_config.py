"""Reads pipeline.config and says everything that is wrong with it at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pipeline_pb2
from google.protobuf import text_format

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICTURES = 1797
INPUTS = frozenset({*(f"row_{row}" for row in range(8)), "row_ink", "column_ink"})


class ConfigError(ValueError):
    """The config cannot be trained with; the message has one line for each fault."""


def read_config(path: Path) -> pipeline_pb2.PipelineConfig:
    """Return the config in `path`.

    Raises:
        ConfigError: it is not there, not protobuf text of our schema, or holds values that make no
            sense.
    """
    config = pipeline_pb2.PipelineConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except text_format.ParseError as error:
        place, _, message = str(error).partition(" : ")  # line:column
        raise ConfigError(f"{path}:{place}: {message}") from error
    faults = list(find_faults(config))
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return config


def find_faults(config: pipeline_pb2.PipelineConfig) -> Iterator[str]:
    """Yield what a network cannot be trained with, as `field: fault`."""
    yield from _data_faults(config.data_config)
    yield from _feature_faults(config)
    model, train = config.model_config, config.train_config
    if not model.hidden_units or 0 in model.hidden_units:
        yield f"model_config.hidden_units: {list(model.hidden_units)}, expected positive sizes"
    yield from _outside("model_config.dropout", model.dropout, 0, 0.95)
    yield from _outside("model_config.l2", model.l2, 0, math.inf)
    for name in ("num_epochs", "batch_size", "views_per_epoch"):
        yield from _outside(f"train_config.{name}", getattr(train, name), 1, math.inf)
    yield from _outside("train_config.train_shifted", train.train_shifted, 0, 1)
    yield from _outside("train_config.label_smoothing", train.label_smoothing, 0, 0.9)
    yield from _optimizer_faults(train.optimizer_config)


def _data_faults(data: pipeline_pb2.DataConfig) -> Iterator[str]:
    for name in ("train_size", "validation_size"):
        yield from _outside(f"data_config.{name}", getattr(data, name), 10, math.inf)
    if data.train_size + data.validation_size > PICTURES - 10:
        yield (
            f"data_config: {data.train_size} + {data.validation_size} pictures to train and "
            f"validate with leave no test split of the {PICTURES} that there are"
        )
    yield from _outside("data_config.held_out_shots", data.held_out_shots, 1, 100)
    yield from _outside("data_config.pixel_noise", data.pixel_noise, 0, 16)
    for name in ("shifted", "label_noise"):
        yield from _outside(f"data_config.{name}", getattr(data, name), 0, 1)


def _feature_faults(config: pipeline_pb2.PipelineConfig) -> Iterator[str]:
    if not config.feature_configs:
        yield "feature_configs: there is none, so the network would have no input"
    for index, feature in enumerate(config.feature_configs):
        where = f"feature_configs[{index}]"
        if not feature.input_names:
            yield f"{where}.input_names: missing; known are {', '.join(sorted(INPUTS))}"
        for name in feature.input_names:
            if name not in INPUTS:
                known = ", ".join(sorted(INPUTS))
                yield f"{where}.input_names: there is no {name!r}; known are {known}"
        yield from _outside(f"{where}.num_buckets", feature.num_buckets, 2, 17)
        yield from _outside(f"{where}.threshold", feature.threshold, 0, 16)
        yield from _outside(f"{where}.scale", feature.scale, 0, math.inf)
        yield from _outside(f"{where}.train_noise", feature.train_noise, 0, 16)


def _optimizer_faults(optimizer: pipeline_pb2.Optimizer) -> Iterator[str]:
    kind = optimizer.WhichOneof("optimizer")
    where = "train_config.optimizer_config"
    if kind is None:
        yield f"{where}: missing; known are adam_optimizer and momentum_optimizer"
        return
    learning_rate = getattr(optimizer, kind).learning_rate
    schedule = learning_rate.WhichOneof("learning_rate")
    where = f"{where}.{kind}.learning_rate"
    if schedule == "constant_learning_rate":
        rate = learning_rate.constant_learning_rate.learning_rate
        yield from _outside(f"{where}.{schedule}.learning_rate", rate, 0, 10)
    elif schedule == "exponential_decay_learning_rate":
        decay = learning_rate.exponential_decay_learning_rate
        where = f"{where}.{schedule}"
        yield from _outside(f"{where}.initial_learning_rate", decay.initial_learning_rate, 0, 10)
        yield from _outside(f"{where}.decay_steps", decay.decay_steps, 1, math.inf)
        yield from _outside(f"{where}.decay_factor", decay.decay_factor, 0, 1)
    else:
        known = "constant_learning_rate and exponential_decay_learning_rate"
        yield f"{where}: missing; known are {known}"


def _outside(where: str, value: float, low: float, high: float) -> Iterator[str]:
    if not low <= value <= high:  # a NaN is outside, too
        expected = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        yield f"{where}: {value:g}, expected {expected}"
