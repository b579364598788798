"""Embeddings, one hidden layer and Adam: small, but with a real gradient of a real loss."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hpo_nni.testing.cloud.trainer.clicks import Clicks

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """What the config says about the model.

    Attributes:
        buckets: for each feature, into how many its values are hashed; fewer than values collide.
        widths: for each feature, the length of its embedding.
        hidden: units of the hidden layer.
        heads: how many labels.
        decay: weight of the embeddings' squares in the loss.
    """

    buckets: tuple[int, ...]
    widths: tuple[int, ...]
    hidden: int
    heads: int
    decay: float


class Model:
    """One logit for each label."""

    def __init__(self, shape: Shape, seed: int) -> None:
        source = np.random.default_rng(seed)
        self._shape = shape
        width = sum(shape.widths)
        self.weights: dict[str, Array] = {
            f"embedding_{place}": source.normal(0.0, 0.05, size)
            for place, size in enumerate(zip(shape.buckets, shape.widths, strict=True))
        }
        self.weights |= {
            "hidden": source.normal(0.0, np.sqrt(2.0 / width), (width, shape.hidden)),
            "hidden_bias": np.zeros(shape.hidden),
            "wide": np.zeros((width, shape.heads)),
            "head": source.normal(0.0, np.sqrt(1.0 / shape.hidden), (shape.hidden, shape.heads)),
            "head_bias": np.full(shape.heads, -1.0),
        }
        self._first = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self._second = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self._steps = 0

    def predict(self, values: NDArray[np.int64]) -> Array:
        """The probability of each label."""
        logits, *_ = self._forward(self._buckets(values))
        chances: Array = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
        return chances

    def step(self, batch: Clicks, rate: float) -> float:
        """One step of Adam; returns the loss before it, in 32 bits as TensorFlow has it."""
        ids = self._buckets(batch.values)
        logits, inputs, hidden = self._forward(ids)
        chances = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
        gradients = self._backward(ids, inputs, hidden, (chances - batch.labels) / len(ids))
        self._steps += 1
        for name, gradient in gradients.items():
            self._first[name] += 0.1 * (gradient - self._first[name])
            self._second[name] += 0.001 * (gradient**2 - self._second[name])
            first = self._first[name] / (1.0 - 0.9**self._steps)
            second = self._second[name] / (1.0 - 0.999**self._steps)
            self.weights[name] -= rate * first / (np.sqrt(second) + 1e-8)
        return float(np.float32((np.logaddexp(0.0, logits) - batch.labels * logits).mean()))

    def dump(self) -> bytes:
        """The weights as a file."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **self.weights)
        return stream.getvalue()

    def load(self, data: bytes) -> list[str]:
        """Take weights over; returns the names of those whose shape does not fit."""
        odd = []
        with np.load(io.BytesIO(data)) as found:
            for name, value in self.weights.items():
                if name in found and found[name].shape == value.shape:
                    self.weights[name] = found[name]
                else:
                    odd.append(name)
        return odd

    def _buckets(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        ids: NDArray[np.int64] = values % np.array(self._shape.buckets)
        return ids

    def _forward(self, ids: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        weights = self.weights
        inputs = np.concatenate(
            [weights[f"embedding_{place}"][ids[:, place]] for place in range(ids.shape[1])], axis=1
        )
        hidden = np.maximum(inputs @ weights["hidden"] + weights["hidden_bias"], 0.0)
        logits = hidden @ weights["head"] + inputs @ weights["wide"] + weights["head_bias"]
        return logits, inputs, hidden

    def _backward(
        self, ids: NDArray[np.int64], inputs: Array, hidden: Array, error: Array
    ) -> dict[str, Array]:
        weights = self.weights
        to_hidden = (error @ weights["head"].T) * (hidden > 0.0)
        to_inputs = to_hidden @ weights["hidden"].T + error @ weights["wide"].T
        gradients = {
            "head": hidden.T @ error,
            "head_bias": error.sum(axis=0),
            "wide": inputs.T @ error,
            "hidden": inputs.T @ to_hidden,
            "hidden_bias": to_hidden.sum(axis=0),
        }
        start = 0
        for place, width in enumerate(self._shape.widths):
            table = weights[f"embedding_{place}"]
            gradient = self._shape.decay * table
            np.add.at(gradient, ids[:, place], to_inputs[:, start : start + width])
            gradients[f"embedding_{place}"] = gradient
            start += width
        return gradients


def log_loss(chances: Array, labels: Array) -> Array:
    """The cross entropy of each sample and label."""
    clipped = np.clip(chances, 1e-12, 1.0 - 1e-12)
    loss: Array = -(labels * np.log(clipped) + (1.0 - labels) * np.log(1.0 - clipped))
    return loss


def auc(chances: Sequence[float] | Array, labels: Sequence[float] | Array) -> float:
    """The area under the ROC curve, ties counted half; 0.5 where only one class is there.

    >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    chances, labels = np.asarray(chances), np.asarray(labels)
    _, places, counts = np.unique(chances, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places]
    positive = labels.sum()
    negative = len(labels) - positive
    if not positive or not negative:
        return 0.5
    return float((ranks[labels > 0].sum() - positive * (positive + 1) / 2.0) / positive / negative)


def train(
    model: Model,
    data: Clicks,
    steps: int,
    rate: Callable[[int], float],
    source: np.random.Generator,
) -> float:
    """So many steps over random batches; returns the mean loss."""
    size = min(256, len(data.values))
    losses = []
    for step in range(steps):
        chosen = source.integers(0, len(data.values), size)
        batch = type(data)(data.values[chosen], data.labels[chosen])
        losses.append(model.step(batch, rate(step)))
    return float(np.mean(losses))
