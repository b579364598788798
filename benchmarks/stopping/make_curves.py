"""Makes curves.npz: real learning curves to replay stopping rules on.

    nice -n 19 .venv/bin/python benchmarks/stopping/make_curves.py [TASK ...]

13 tasks of 300 random configurations and 50 epochs each: five learners on data sets bundled with
scikit-learn and on generated click data. Nothing is left out: a diverged curve is in the file with
its NaN. Takes about half an hour on one core; finished tasks are kept in curves.parts/.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import OneHotEncoder, StandardScaler

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCHS = 50
CONFIGURATIONS = 300
HERE = Path(__file__).parent
PARTS = HERE / "curves.parts"

Point = dict[str, Any]
Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x, y to learn; x, y to measure


# Search spaces: name -> how a place in [0, 1) becomes a value


def log(low: float, high: float) -> Callable[[float], float]:
    """Log-uniform."""
    return lambda u: math.exp(math.log(low) + u * (math.log(high) - math.log(low)))


def whole(low: int, high: int) -> Callable[[float], int]:
    """Log-uniform whole numbers."""
    return lambda u: round(log(low, high)(u))


def choice(*values: Any) -> Callable[[float], Any]:
    """One of some values."""
    return lambda u: values[int(u * len(values))]


SPACES: dict[str, dict[str, Callable[[float], Any]]] = {
    "mlp": {
        "learning_rate_init": log(1e-4, 0.3),
        "hidden_layer_sizes": choice((8,), (32,), (128,), (16, 16), (64, 32)),
        "solver": choice("adam", "sgd"),
        "alpha": log(1e-6, 0.1),
        "batch_size": choice(32, 64, 128, 256),
        "activation": choice("relu", "tanh", "logistic"),
        "momentum": choice(0.0, 0.5, 0.9),
    },
    "sgd": {
        "eta0": log(1e-5, 0.3),
        "learning_rate": choice("constant", "invscaling", "optimal"),
        "power_t": choice(0.1, 0.25, 0.5),
        "alpha": log(1e-6, 0.3),
        "penalty": choice("l1", "l2", "elasticnet"),
        "average": choice(False, True),
    },
    "gbm": {
        "learning_rate": log(0.005, 1.0),
        "max_depth": choice(1, 2, 3, 4, 6, 8),
        "subsample": choice(0.3, 0.5, 0.8, 1.0),
        "min_samples_leaf": whole(1, 64),
        "max_features": choice(0.1, 0.3, 0.6, 1.0),
    },
    "forest": {
        "max_depth": choice(2, 4, 6, 10, None),
        "min_samples_leaf": whole(1, 64),
        "max_features": choice(0.05, 0.1, 0.3, 0.6, 1.0),
        "max_samples": choice(0.1, 0.3, 0.6, 1.0),
        "criterion": choice("gini", "entropy"),
    },
    "fm": {
        "rate": log(0.002, 0.5),
        "size": choice(2, 4, 8, 16, 32),
        "decay": log(1e-7, 1e-2),
        "scale": log(0.003, 0.3),
        "batch": choice(64, 128, 256, 512),
    },
}


# Data


def bundled(load: Callable[..., Any]) -> Data:
    """A data set of scikit-learn's, standardised, a third of it to measure on."""
    x, y = load(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.34, random_state=0)
    scaler = StandardScaler().fit(x)
    return scaler.transform(x), y, scaler.transform(x_test), y_test


def diabetes() -> Data:
    """Regression, with targets of variance 1."""
    x, y, x_test, y_test = bundled(load_diabetes)
    return x, (y - y.mean()) / y.std(), x_test, (y_test - y.mean()) / y.std()


def clicks(seed: int, learn: int, measure: int, users: int) -> Data:
    """Clicks: user, item, category, hour and device as whole numbers, in this order.

    Log odds are biases, an inner product of user and item, one of category and hour, and noise.
    """
    rng = np.random.default_rng(seed)
    items, size = 150, 6
    sizes = (users, items, 20, 24, 4)
    n = learn + measure
    popular = rng.zipf(1.4, size=(n, 2)) - 1
    fields = np.stack(
        [
            popular[:, 0] % users,
            popular[:, 1] % items,
            rng.integers(0, 20, n),
            rng.integers(0, 24, n),
            rng.integers(0, 4, n),
        ],
        axis=1,
    )
    fields[:, 2] = fields[:, 1] % 20
    biases = [rng.normal(0, 0.6, count) for count in sizes]
    vectors = [rng.normal(0, 0.7, (count, size)) for count in sizes]
    odds = -1.2 + sum(bias[fields[:, k]] for k, bias in enumerate(biases))
    odds = odds + (vectors[0][fields[:, 0]] * vectors[1][fields[:, 1]]).sum(1)
    odds = odds + 0.5 * (vectors[2][fields[:, 2]] * vectors[3][fields[:, 3]]).sum(1)
    odds = odds + rng.normal(0, 0.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    return fields[:learn], y[:learn], fields[learn:], y[learn:]


def dense_clicks() -> Data:
    """The click data as one-hot columns."""
    x, y, x_test, y_test = clicks(1, 1200, 2000, 60)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(x)
    return encoder.transform(x), y, encoder.transform(x_test), y_test


def coarse_clicks() -> Data:
    """The click data as trees take them: each field as its past rate of clicks, and its count."""
    x, y, x_test, y_test = clicks(2, 4000, 3000, 400)
    learn, half = [], len(x) // 2
    measure = []
    for k in range(x.shape[1]):
        count = np.bincount(x[:half, k], minlength=1000)
        rate = (np.bincount(x[:half, k], y[:half], minlength=1000) + 1) / (count + 4)
        learn += [rate[x[half:, k]], count[x[half:, k]]]
        measure += [rate[x_test[:, k]], count[x_test[:, k]]]
    return np.stack(learn, 1), y[half:], np.stack(measure, 1), y_test


# Metrics: (truth, probabilities or predictions) -> number


def accuracy(y: np.ndarray, p: np.ndarray) -> float:
    """Share of right classes."""
    return float((p.argmax(1) == y).mean())


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve (scikit-learn's takes a millisecond longer)."""
    ranks, ones = rankdata(p[:, 1]), int(y.sum())
    return float((ranks[y == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def loss(y: np.ndarray, p: np.ndarray) -> float:
    """Cross entropy."""
    return float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-15, 1)).mean())


def rmse(y: np.ndarray, p: np.ndarray) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((y - p) ** 2)))


# Learners: predictions on the measured half after each epoch


def mlp(point: Point, data: Data, seed: int, *, regression: bool) -> Iterator[np.ndarray]:
    """One epoch is one pass of partial_fit."""
    x, y, x_test, _ = data
    kind = MLPRegressor if regression else MLPClassifier
    model = kind(random_state=seed, shuffle=True, nesterovs_momentum=False, **point)
    more = {} if regression else {"classes": np.unique(y)}
    for _ in range(EPOCHS):
        model.partial_fit(x, y, **more)
        more = {}
        yield model.predict(x_test) if regression else model.predict_proba(x_test)


def sgd(point: Point, data: Data, seed: int, *, regression: bool) -> Iterator[np.ndarray]:
    """One epoch is a pass over a third of the data: linear models learn fast."""
    x, y, x_test, _ = data
    if regression and point["learning_rate"] == "optimal":
        point = {**point, "learning_rate": "adaptive"}
    kind = SGDRegressor if regression else SGDClassifier
    model = kind(random_state=seed, **({} if regression else {"loss": "log_loss"}), **point)
    more = {} if regression else {"classes": np.unique(y)}
    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        some = rng.permutation(len(x))[: len(x) // 3]
        model.partial_fit(x[some], y[some], **more)
        more = {}
        yield model.predict(x_test) if regression else model.predict_proba(x_test)


def gbm(point: Point, data: Data, seed: int, *, regression: bool) -> Iterator[np.ndarray]:
    """One epoch is one tree."""
    x, y, x_test, _ = data
    kind = GradientBoostingRegressor if regression else GradientBoostingClassifier
    model = kind(n_estimators=EPOCHS, random_state=seed, **point).fit(x, y)
    yield from model.staged_predict(x_test) if regression else model.staged_predict_proba(x_test)


def forest(point: Point, data: Data, seed: int, *, regression: bool) -> Iterator[np.ndarray]:
    """One epoch is one tree more in the mean."""
    assert not regression
    x, y, x_test, _ = data
    model = RandomForestClassifier(n_estimators=EPOCHS, random_state=seed, **point).fit(x, y)
    total = 0.0
    for n, tree in enumerate(model.estimators_, start=1):
        total = total + tree.predict_proba(x_test)
        yield total / n


def fm(point: Point, data: Data, seed: int, *, regression: bool) -> Iterator[np.ndarray]:
    """A factorisation machine (Rendle 2010, equation 1) under AdaGrad; an epoch is one pass."""
    assert not regression
    x, y, x_test, _ = data
    rng = np.random.default_rng(seed)
    offsets = np.arange(x.shape[1]) * 1000
    x, x_test = x + offsets, x_test + offsets
    count, rate, decay = 1000 * x.shape[1], point["rate"], point["decay"]
    weights = np.zeros((count, point["size"] + 1))
    weights[:, 1:] = rng.normal(0, point["scale"], (count, point["size"]))
    squares = np.full_like(weights, 0.01)
    bias = 0.0

    def odds(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = weights[rows]
        total = found[:, :, 1:].sum(1)
        pairs = 0.5 * (total**2 - (found[:, :, 1:] ** 2).sum(1)).sum(1)
        return bias + found[:, :, 0].sum(1) + pairs, found, total

    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x), point["batch"]):
            rows = order[start : start + point["batch"]]
            z, found, total = odds(x[rows])
            error = 1 / (1 + np.exp(-np.clip(z, -30, 30))) - y[rows]
            step = np.empty_like(found)
            step[:, :, 0] = error[:, None]
            step[:, :, 1:] = error[:, None, None] * (total[:, None] - found[:, :, 1:])
            step += decay * found
            step /= len(rows)
            keys, back = np.unique(x[rows], return_inverse=True)
            sums = np.zeros((len(keys), weights.shape[1]))
            np.add.at(sums, back.ravel(), step.reshape(-1, weights.shape[1]))
            squares[keys] += sums**2
            weights[keys] -= rate * sums / np.sqrt(squares[keys])
            bias -= rate * error.mean()
        p = 1 / (1 + np.exp(-np.clip(odds(x_test)[0], -30, 30)))
        yield np.stack([1 - p, p], axis=1)


# name -> learner, data, metric, whether larger is better, whether it is a regression
Task = tuple[Callable[..., Any], Callable[[], Data], Callable[..., float], bool, bool]
TASKS: dict[str, Task] = {
    "digits-mlp": (mlp, lambda: bundled(load_digits), accuracy, True, False),
    "cancer-mlp": (mlp, lambda: bundled(load_breast_cancer), loss, False, False),
    "diabetes-mlp": (mlp, diabetes, rmse, False, True),
    "digits-sgd": (sgd, lambda: bundled(load_digits), accuracy, True, False),
    "cancer-sgd": (sgd, lambda: bundled(load_breast_cancer), loss, False, False),
    "diabetes-sgd": (sgd, diabetes, rmse, False, True),
    "clicks-sgd": (sgd, dense_clicks, auc, True, False),
    "cancer-gbm": (gbm, lambda: bundled(load_breast_cancer), loss, False, False),
    "diabetes-gbm": (gbm, diabetes, rmse, False, True),
    "clicks-gbm": (gbm, coarse_clicks, auc, True, False),
    "digits-forest": (forest, lambda: bundled(load_digits), accuracy, True, False),
    "clicks-forest": (forest, coarse_clicks, loss, False, False),
    "clicks-fm": (fm, lambda: clicks(3, 1500, 2000, 100), auc, True, False),
}


def make(name: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """The curves of one task, its points on the unit cube, and whether larger is better."""
    learner, load, metric, larger, regression = TASKS[name]
    data = load()
    space = SPACES[name.rpartition("-")[2]]
    rng = np.random.default_rng(sum(map(ord, name)))
    units = rng.random((CONFIGURATIONS, len(space))).astype(np.float32)
    curves = np.full((CONFIGURATIONS, EPOCHS), np.nan)
    for row, unit in enumerate(units):
        point = {key: scale(float(u)) for (key, scale), u in zip(space.items(), unit, strict=True)}
        try:
            for epoch, predicted in enumerate(learner(point, data, row, regression=regression)):
                if not np.isfinite(predicted).all():
                    break
                curves[row, epoch] = metric(data[3], predicted)
        except ValueError as error:  # scikit-learn refuses weights that have overflowed
            print(f"{name} {row} diverged: {str(error).splitlines()[0]}")
    return np.round(curves, 5).astype(np.float32), units, larger


def main() -> None:
    """Make what is missing, then join all."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    PARTS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or TASKS:
        part = PARTS / f"{name}.npz"
        if part.exists():
            continue
        began = time.perf_counter()
        curves, units, larger = make(name)
        np.savez_compressed(part, curves=curves, units=units, larger=larger)
        finals = curves[:, -1]
        print(
            f"{name}: {time.perf_counter() - began:.0f} s, finals "
            f"{np.nanmin(finals):.4g} {np.nanmedian(finals):.4g} {np.nanmax(finals):.4g}",
            flush=True,
        )
    if all((PARTS / f"{name}.npz").exists() for name in TASKS):
        everything = {}
        for name in TASKS:
            with np.load(PARTS / f"{name}.npz") as part:
                everything |= {f"{name}/{key}": part[key] for key in part.files}
        np.savez_compressed(HERE / "curves.npz", **everything)


if __name__ == "__main__":
    main()
