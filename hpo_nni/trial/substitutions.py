"""`${name}` in trial.ini: what the names stand for."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.ledger.records import visible_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.trial.place import Place

PER_TRIAL = ("${trial_id}", "${NNI_OUTPUT_DIR}")  # what keeps the places of trials apart
WHOLE_POINT = ("tuner_params_list", "tuner_params_dict", "tuner_params_json")
_WRAPPED = re.compile(r"\$\{(.+)\}", re.DOTALL)
_LONGEST_NAME = 200  # of a path's part; file systems end at 255 bytes


@dataclass(frozen=True)
class Substitutions:
    """What a trial knows of itself; without arguments, what is known before there is any trial.

    Attributes:
        point: the trial's parameters by key of the search space; None where the search space is
            not known: then no name can be called unknown.
    """

    experiment_id: str = "example"
    trial_id: str = "trial"
    output_directory: Path = Path("tmp")
    point: Mapping[str, Any] | None = None

    @classmethod
    def example(cls, point: Mapping[str, Any]) -> Substitutions:
        """Made-up ids and a point of the search space, to check an ini before any trial."""
        return cls(point=point)

    def words(self) -> dict[str, tuple[str, ...]]:
        """The words that each name stands for; most stand for one.

        Built-in names come before keys of the search space.

        >>> Substitutions(point={"${lr}": 0.1, "batch": 64}).words()["tuner_params_list"]
        ('lr', '0.1', 'batch', '64')
        """
        point = self.point or {}
        pairs = [(bare_name(key), format_value(value)) for key, value in point.items()]
        as_json = json.dumps(point).replace("'", "\\u0027")  # so it survives any single quotes
        built_in = {
            "exp_id": (self.experiment_id.lower(),),
            "trial_id": (self.trial_id.lower(),),
            "NNI_OUTPUT_DIR": (str(self.output_directory.absolute()),),
            "tuner_params_list": tuple(word for pair in pairs for word in pair),
            "tuner_params_dict": tuple(f"{name}={value}" for name, value in pairs),
            "tuner_params_json": (as_json,),
            "params": (_label(pairs),),
        }
        return {name: (text,) for name, text, _ in self._keys()} | built_in

    def keys_of(self, name: str) -> frozenset[str]:
        """The keys of the point whose value this name hands over; none for other names."""
        if name in WHOLE_POINT:
            return frozenset(self.point or {})
        return frozenset(key for known, _, key in self._keys() if known == name)

    def _keys(self) -> Iterator[tuple[str, str, str]]:
        """Names, values and outer keys of the point; combined values give their inner keys too."""
        combined = []
        for key, value in (self.point or {}).items():
            is_branch = isinstance(value, dict) and "_name" in value
            yield bare_name(key), format_value(value["_name"] if is_branch else value), key
            if isinstance(value, dict):
                combined.append((key, value))
        outer = {bare_name(key) for key in self.point or {}}
        for key, value in combined:
            for name, inner in _inner(value):
                if name not in outer:
                    yield name, inner, key


def substitutions_of(place: Place, point: Mapping[str, Any]) -> Substitutions:
    """What a trial in this place knows of itself; the point may have our own marks."""
    return Substitutions(
        experiment_id=place.experiment_id,
        trial_id=place.names or place.trial_id,
        output_directory=place.output_directory,
        point=visible_point(point),
    )


def bare_name(key: str) -> str:
    """The name inside `${...}`, or the key itself.

    >>> bare_name("${lr}"), bare_name("lr")
    ('lr', 'lr')
    """
    match = _WRAPPED.fullmatch(key)
    return match[1] if match else key


def format_value(value: Any) -> str:
    """A value as text: strings as they are, everything else as JSON.

    >>> [format_value(value) for value in ("adam", 16, 1e-05, True, [1, "a"])]
    ['adam', '16', '1e-05', 'true', '[1, "a"]']
    """
    return value if isinstance(value, str) else json.dumps(value)


def _inner(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if key == "_name":
            continue
        is_branch = isinstance(inner, dict) and "_name" in inner
        yield bare_name(key), format_value(inner["_name"] if is_branch else inner)
        if isinstance(inner, dict):
            yield from _inner(inner)


def _label(pairs: list[tuple[str, str]]) -> str:
    """`lr0.001_batchsize64`: a name for folders, of characters that need no quotes."""
    label = "_".join(
        re.sub(r"[^A-Za-z0-9]", "", name) + re.sub(r"[^A-Za-z0-9.+-]", "", value)
        for name, value in pairs
    )
    if len(label) <= _LONGEST_NAME:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{label[: _LONGEST_NAME - 9]}_{digest}"
