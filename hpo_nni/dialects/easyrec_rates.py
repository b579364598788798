"""Learning rates in EasyRec's configs: what a schedule has come to, where finetuning starts.

Schedules are EasyRec's six messages; their formulas and defaults are those of its published schema
and of `learning_schedules.py`: exponential and cosine as in TensorFlow's object detection, manual
steps, polynomial as `tf.train.polynomial_decay`, and the transformer's (Vaswani et al. 2017, 5.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.documents import Kind, to_data
from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hpo_nni.documents import ConfigDocument, Node

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "constant_learning_rate": {"learning_rate": 0.002},
    "exponential_decay_learning_rate": {
        "initial_learning_rate": 0.002,
        "decay_steps": 4_000_000,
        "decay_factor": 0.95,
        "staircase": True,
        "burnin_learning_rate": 0.0,
        "burnin_steps": 0,
        "min_learning_rate": 0.0,
    },
    "manual_step_learning_rate": {
        "initial_learning_rate": 0.002,
        "schedule": (),
        "warmup": False,
    },
    "cosine_decay_learning_rate": {
        "learning_rate_base": 0.002,
        "total_steps": 4_000_000,
        "warmup_learning_rate": 0.0002,
        "warmup_steps": 10_000,
        "hold_base_rate_steps": 0,
    },
    "poly_decay_learning_rate": {
        "learning_rate_base": None,
        "total_steps": None,
        "power": None,
        "end_learning_rate": 0.0,
    },
    "transformer_learning_rate": {
        "learning_rate_base": None,
        "hidden_size": None,
        "warmup_steps": None,
        "step_scaling_rate": 1.0,
    },
}
_FIRST_RATE = {  # the field that the whole schedule follows, and the one below which it never goes
    "constant_learning_rate": ("learning_rate", ""),
    "exponential_decay_learning_rate": ("initial_learning_rate", "min_learning_rate"),
    "manual_step_learning_rate": ("initial_learning_rate", ""),
    "cosine_decay_learning_rate": ("learning_rate_base", ""),
    "poly_decay_learning_rate": ("learning_rate_base", "end_learning_rate"),
    "transformer_learning_rate": ("learning_rate_base", ""),
}
_DIGITS = 6  # the config's floats have 24 bits, which is a little more


@dataclass(frozen=True)
class RateSchedule:
    """One learning rate of a config.

    Attributes:
        key: the key path of the schedule's message.
        kind: the name of the message, such as `exponential_decay_learning_rate`.
        fields: its values, defaults included.
        absent: the names of those that the config leaves to their defaults.
    """

    key: str
    kind: str
    fields: Mapping[str, Any]
    absent: frozenset[str] = frozenset()

    def edit_key(self, name: str) -> str:
        """The key of an edit that sets one of the fields, whether it is there or not."""
        return f"{'+' if name in self.absent else ''}{self.key}.{name}"

    def after(self, step: int) -> float:
        """The rate at a training step, counted from 0; of a schedule that has ended, its last.

        >>> fields = {"initial_learning_rate": 1e-3, "decay_steps": 1000, "decay_factor": 0.1,
        ...           "staircase": True, "burnin_learning_rate": 0.0, "burnin_steps": 0,
        ...           "min_learning_rate": 1e-7}
        >>> RateSchedule("", "exponential_decay_learning_rate", fields).after(8000)
        1e-07
        """
        return _AFTER[self.kind](self.fields, step)


@dataclass(frozen=True)
class RateChange:
    """What sets a schedule to a new first rate.

    Attributes:
        edits: key path -> value.
        notes: what the user should know about it, a sentence each.
    """

    edits: Mapping[str, float]
    notes: tuple[str, ...] = field(default=())


def find_schedules(document: ConfigDocument) -> list[RateSchedule]:
    """The schedules of a config, in the order of the file.

    Raises:
        SettingsError: there is none, or some lack fields that EasyRec needs; all are named.
    """
    found, problems = [], []
    for key, kind, node in _walk(document.root(), ""):
        given = to_data(document, node)
        fields = {**_DEFAULTS[kind], **given}
        if isinstance(fields.get("schedule"), dict):  # a repeated field that stands once
            fields["schedule"] = [fields["schedule"]]
        problems += [Problem(f"{key}.{name}", why) for name, why in _faults(kind, fields)]
        found.append(RateSchedule(key, kind, fields, frozenset(fields.keys() - given.keys())))
    if not found and not problems:
        hint = "as in train_config { optimizer_config { adam_optimizer { learning_rate {...} } } }"
        problems.append(Problem("learning_rate", "no optimizer in this config has one", hint))
    if problems:
        raise SettingsError(problems)
    return found


def new_first_rate(schedule: RateSchedule, rate: float) -> RateChange:
    """Let a schedule begin at `rate`, and never rise above it.

    Args:
        schedule: as it stands in the config.
        rate: finite, above 0.
    """
    name, floor_name = _FIRST_RATE[schedule.kind]
    notes = []
    floor = schedule.fields[floor_name] if floor_name else 0.0
    if rate < floor:
        notes.append(f"{rate:g} is below {floor_name}: {floor:g} is used")
        rate = floor
    edits = {schedule.edit_key(name): rate}
    for key, other in _other_rates(schedule):
        if other > rate:
            edits[schedule.edit_key(key)] = rate
            notes.append(f"{key} was {other:g}, above the new rate: it is {rate:g} too")
    if schedule.kind == "transformer_learning_rate":
        fields = schedule.fields
        peak = rate / math.sqrt(fields["hidden_size"] * fields["warmup_steps"])
        notes.append(f"it is a factor: with these fields the rate itself peaks at {peak:.3g}")
    return RateChange(edits, tuple(notes))


def rate_to_continue_with(schedule: RateSchedule, steps: int) -> float:
    """Where the schedule stands after `steps` of training, to six digits.

    Raises:
        SettingsError: nothing is left of it.
    """
    rate = float(f"{schedule.after(steps):.{_DIGITS}g}")
    if not rate > 0:
        message = (
            f"the schedule has come to {rate:g} after {steps} steps, with which nothing learns"
        )
        raise SettingsError([Problem(schedule.key, message, "say which rate instead, as in 1e-6")])
    return rate


def _walk(node: Node, key: str) -> Iterator[tuple[str, str, Node]]:
    if node.kind is Kind.MAP:
        for name, child in node.content.items():
            inner = f"{key}.{name}" if key else name
            if name in _DEFAULTS and child.kind is Kind.MAP:
                yield inner, name, child
            else:
                yield from _walk(child, inner)
    elif node.kind is Kind.LIST:
        for number, child in enumerate(node.content):
            yield from _walk(child, f"{key}[{number}]")


def _faults(kind: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, default in _DEFAULTS[kind].items():
        value = fields[name]
        if name == "schedule":
            entries = [entry.get(part) for entry in value for part in ("step", "learning_rate")]
            if not all(_is_number(number) for number in entries):
                yield name, "each entry needs a step and a learning_rate"
        elif value is None:
            yield name, f"it is missing, and {kind} has no default for it"
        elif not isinstance(default, bool) and not _is_number(value):
            yield name, f"{value!r} is not a number of at least 0"
    if kind.startswith("exponential") and fields["decay_steps"] == 0:
        yield "decay_steps", "it is 0"


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _other_rates(schedule: RateSchedule) -> Iterator[tuple[str, float]]:
    fields = schedule.fields
    if schedule.kind == "exponential_decay_learning_rate":
        yield "burnin_learning_rate", fields["burnin_learning_rate"]
    elif schedule.kind == "cosine_decay_learning_rate":  # EasyRec refuses one above the base
        yield "warmup_learning_rate", fields["warmup_learning_rate"]
    elif schedule.kind == "manual_step_learning_rate":
        for number, entry in enumerate(fields["schedule"]):
            yield f"schedule[{number}].learning_rate", entry["learning_rate"]


def _constant(fields: Mapping[str, Any], _: int) -> float:
    return float(fields["learning_rate"])


def _exponential(fields: Mapping[str, Any], step: int) -> float:
    base, burnin = fields["initial_learning_rate"], fields["burnin_learning_rate"]
    if step < fields["burnin_steps"]:
        slope = (base - burnin) / fields["burnin_steps"] if burnin else 0.0
        rate = (burnin or base) + slope * step
    else:
        decays = (step - fields["burnin_steps"]) / fields["decay_steps"]
        rate = base * fields["decay_factor"] ** (
            math.floor(decays) if fields["staircase"] else decays
        )
    return float(max(rate, fields["min_learning_rate"]))


def _manual(fields: Mapping[str, Any], step: int) -> float:
    schedule = sorted((entry["step"], entry["learning_rate"]) for entry in fields["schedule"])
    rate = fields["initial_learning_rate"]
    if fields["warmup"] and schedule and step < schedule[0][0]:
        return float(rate + (schedule[0][1] - rate) * step / schedule[0][0])
    for begin, later in schedule:
        if step >= begin:
            rate = later
    return float(rate)


def _cosine(fields: Mapping[str, Any], step: int) -> float:
    base, total = fields["learning_rate_base"], fields["total_steps"]
    warmup, hold = fields["warmup_steps"], fields["hold_base_rate_steps"]
    if step > total:
        return 0.0
    if step < warmup:
        first = fields["warmup_learning_rate"]
        return float(first + (base - first) * step / warmup)
    if step <= warmup + hold:
        return float(base)
    share = (step - warmup - hold) / (total - warmup - hold)
    return float(0.5 * base * (1 + math.cos(math.pi * share)))


def _polynomial(fields: Mapping[str, Any], step: int) -> float:
    base, end, total = (
        fields["learning_rate_base"],
        fields["end_learning_rate"],
        fields["total_steps"],
    )
    left = 1 - min(step, total) / total if total else 0.0
    return float((base - end) * left ** fields["power"] + end)


def _transformer(fields: Mapping[str, Any], step: int) -> float:
    scale = fields["step_scaling_rate"]
    now, warmup = step * scale + 1, fields["warmup_steps"] * scale
    shape = min(now * warmup**-1.5 if warmup else math.inf, now**-0.5)
    return float(fields["learning_rate_base"] * fields["hidden_size"] ** -0.5 * shape)


_AFTER: Mapping[str, Callable[[Mapping[str, Any], int], float]] = {
    "constant_learning_rate": _constant,
    "exponential_decay_learning_rate": _exponential,
    "manual_step_learning_rate": _manual,
    "cosine_decay_learning_rate": _cosine,
    "poly_decay_learning_rate": _polynomial,
    "transformer_learning_rate": _transformer,
}
