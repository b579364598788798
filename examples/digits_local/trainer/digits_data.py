"""The pictures: scikit-learn's handwritten digits, as a bad camera would deliver them.

The clean digits are too easy: every network with a sane learning rate gets nearly all of them. The
damage that `data_config` asks for is drawn once per `split_seed`, so that every run with the same
seed sees the same pictures, whatever else it is configured to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pipeline_pb2
    from numpy.typing import NDArray

CLASSES = 10
WHITE = 16.0
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class Split:
    """Pictures (n, 8, 8) with grey levels from 0 to 16, and their labels (n,)."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """What is learnt from, what is watched meanwhile, and what is looked at once, at the end."""

    train: Split
    validation: Split
    test: Split


def load_splits(data: pipeline_pb2.DataConfig) -> Splits:
    """Return the three splits of `data.split_seed`, damaged as `data` says."""
    rng = np.random.default_rng(data.split_seed)
    digits = load_digits()
    order = rng.permutation(len(digits.target))
    pixels = digits.images[order].astype(np.float32)
    labels = digits.target[order].astype(np.int64)
    ends = np.cumsum([data.train_size, data.validation_size])
    shots = (1, data.held_out_shots, data.held_out_shots)
    train, validation, test = (
        _photograph(*part, data, rng)
        for part in zip(np.split(pixels, ends), np.split(labels, ends), shots, strict=True)
    )
    return Splits(_mislabel(train, data.label_noise, rng), validation, test)


def shift_some(
    pixels: NDArray[np.float32], share: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a copy in which about `share` of the pictures are moved by one pixel."""
    moved = pixels.copy()
    chosen = rng.random(len(pixels)) < share
    direction = rng.integers(len(MOVES), size=len(pixels))
    for index, (down, right) in enumerate(MOVES):
        rows = chosen & (direction == index)
        frame = np.pad(pixels[rows], ((0, 0), (1, 1), (1, 1)))
        moved[rows] = frame[:, 1 - down : 9 - down, 1 - right : 9 - right]
    return moved


def prepare(
    pixels: NDArray[np.float32],
    features: Sequence[pipeline_pb2.FeatureConfig],
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Return the network's inputs (n, width); with `rng`, with each feature's training noise."""
    blocks = {f"row_{row}": pixels[:, row] for row in range(pixels.shape[1])}
    blocks["row_ink"] = pixels.mean(axis=2)
    blocks["column_ink"] = pixels.mean(axis=1)
    columns = []
    for feature in features:
        grey = np.hstack([blocks[name] for name in feature.input_names])
        if rng is not None and feature.train_noise:
            grey = grey + feature.train_noise * rng.standard_normal(grey.shape, dtype=np.float32)
        columns.append(np.float32(feature.scale) * _ENCODINGS[feature.feature_type](grey, feature))
    return np.hstack(columns)


def _photograph(
    pixels: NDArray[np.float32],
    labels: NDArray[np.int64],
    shots: int,
    data: pipeline_pb2.DataConfig,
    rng: np.random.Generator,
) -> Split:
    """Take each picture `shots` times with the bad camera."""
    taken = shift_some(np.repeat(pixels, shots, axis=0), data.shifted, rng)
    taken += data.pixel_noise * rng.standard_normal(taken.shape, dtype=np.float32)
    return Split(taken.clip(0, WHITE), np.repeat(labels, shots))


def _mislabel(split: Split, share: float, rng: np.random.Generator) -> Split:
    wrong = rng.random(len(split.labels)) < share
    offset = rng.integers(1, CLASSES, size=len(split.labels))
    return Split(split.pixels, np.where(wrong, (split.labels + offset) % CLASSES, split.labels))


def _grey(grey: NDArray[np.float32], _: pipeline_pb2.FeatureConfig) -> NDArray[np.float32]:
    return grey / np.float32(WHITE)


def _binary(grey: NDArray[np.float32], feature: pipeline_pb2.FeatureConfig) -> NDArray[np.float32]:
    return (grey > feature.threshold).astype(np.float32)


def _buckets(grey: NDArray[np.float32], feature: pipeline_pb2.FeatureConfig) -> NDArray[np.float32]:
    steps = np.linspace(0, WHITE, feature.num_buckets + 1)[1:-1]
    return np.hstack([grey > step for step in steps]).astype(np.float32)


_ENCODINGS = (_grey, _binary, _buckets)  # by the number of the enum FeatureType
