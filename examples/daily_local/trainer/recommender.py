"""A factorization machine (Rendle 2010), trained by Adagrad (Duchi et al. 2011)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from click_log import FIELDS, Day

if TYPE_CHECKING:
    from pathlib import Path

_OFFSETS = np.cumsum([0, *(field.size for field in FIELDS.values())])


class Recommender:
    """Predicts clicks from the values of all fields.

    Args:
        latent_dim: the length of the vectors.
        seed: of their start.
    """

    def __init__(self, latent_dim: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        total = int(_OFFSETS[-1])
        self.parameters = {
            "bias": np.zeros(1),
            "weights": np.zeros(total),
            "vectors": rng.normal(scale=0.05, size=(total, latent_dim)),
        }
        self.memory = {name: np.full_like(value, 0.1) for name, value in self.parameters.items()}

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Return one logit for each row of `values`."""
        rows = values + _OFFSETS[:-1]
        vectors = self.parameters["vectors"][rows]
        total = vectors.sum(axis=1)
        pairs = ((total**2).sum(axis=1) - (vectors**2).sum(axis=(1, 2))) / 2.0
        return self.parameters["bias"] + self.parameters["weights"][rows].sum(axis=1) + pairs

    def forget(self, share_kept: float) -> None:
        """Make steps larger again: keep this share of Adagrad's memory."""
        for name, value in self.memory.items():
            self.memory[name] = np.maximum(0.1, value * share_kept)

    def fit(self, day: Day, *, learning_rate: float, l2: float, batch_size: int, seed: int) -> None:
        """Go through a day's log once, in random order."""
        order = np.random.default_rng(seed).permutation(len(day.clicks))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            self._step(day.values[batch], day.clicks[batch], learning_rate, l2)

    def _step(self, values: np.ndarray, clicks: np.ndarray, rate: float, l2: float) -> None:
        rows = values + _OFFSETS[:-1]
        vectors = self.parameters["vectors"][rows]
        error = (_sigmoid(self.logits(values)) - clicks) / len(clicks)
        gradients = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        gradients["bias"][0] = error.sum()
        np.add.at(gradients["weights"], rows, error[:, None])
        pull = vectors.sum(axis=1, keepdims=True) - vectors
        np.add.at(gradients["vectors"], rows, error[:, None, None] * pull)
        for name, from_data in gradients.items():
            gradient = from_data + l2 * self.parameters[name]
            self.memory[name] += gradient**2
            self.parameters[name] -= rate * gradient / np.sqrt(self.memory[name])

    def evaluate(self, day: Day) -> dict[str, float]:
        """Return AUC and log loss on a day's log."""
        logits = self.logits(day.values)
        if not np.isfinite(logits).all():
            raise FloatingPointError("NaN loss during training; lower the learning rate")
        chance = np.clip(_sigmoid(logits), 1e-7, 1 - 1e-7)
        loss = -np.where(day.clicks > 0.5, np.log(chance), np.log(1 - chance)).mean()
        return {"auc": _auc(logits, day.clicks), "loss": float(loss)}

    def save(self, directory: Path) -> None:
        """Write the model; a reader sees a whole one or none."""
        directory.mkdir(parents=True, exist_ok=True)
        part = directory / "model.part.npz"
        arrays = {f"memory_{name}": value for name, value in self.memory.items()}
        np.savez(part, **self.parameters, **arrays)
        part.replace(directory / "model.npz")

    @classmethod
    def load(cls, directory: Path) -> Recommender:
        """Read what `save` wrote."""
        with np.load(directory / "model.npz") as arrays:
            model = cls(arrays["vectors"].shape[1])
            model.parameters = {name: arrays[name] for name in model.parameters}
            model.memory = {name: arrays[f"memory_{name}"] for name in model.memory}
        return model


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -500, 500)))


def _auc(scores: np.ndarray, clicks: np.ndarray) -> float:
    """The share of pairs (clicked, not clicked) in the right order; of equals, half of them."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    positive = clicks > 0.5
    hits, misses = positive.sum(), (~positive).sum()
    return float((ranks[places[positive]].sum() - hits * (hits + 1) / 2.0) / (hits * misses))
