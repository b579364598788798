"""Schedules by hand-worked figures, and what becomes of them for finetuning."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.dialects.easyrec_rates import find_schedules, new_first_rate, rate_to_continue_with
from hpo_nni.documents import apply_edits
from hpo_nni.documents.prototext import PrototextDocument
from hpo_nni.errors import SettingsError

SCHEDULES = {
    "constant": "constant_learning_rate { learning_rate: 0.01 }",
    "exponential": """exponential_decay_learning_rate {
        initial_learning_rate: 0.001 decay_steps: 1000 decay_factor: 0.1
        min_learning_rate: 1e-07 }""",
    "smooth": """exponential_decay_learning_rate {
        initial_learning_rate: 0.5 decay_steps: 100 decay_factor: 0.25 staircase: false
        burnin_learning_rate: 0.1 burnin_steps: 40 }""",
    "manual": """manual_step_learning_rate { initial_learning_rate: 0.1
        schedule { step: 100 learning_rate: 0.01 } schedule { step: 200 learning_rate: 0.2 } }""",
    "manual with warm-up": """manual_step_learning_rate { initial_learning_rate: 0.1 warmup: true
        schedule { step: 100 learning_rate: 0.5 } }""",
    "cosine": """cosine_decay_learning_rate { learning_rate_base: 0.4 total_steps: 1100
        warmup_learning_rate: 0.2 warmup_steps: 100 }""",
    "polynomial": """poly_decay_learning_rate {
        learning_rate_base: 0.11 total_steps: 100 power: 2 end_learning_rate: 0.01 }""",
    "transformer": """transformer_learning_rate {
        learning_rate_base: 2 hidden_size: 64 warmup_steps: 100 }""",
}


def document(*names):
    optimizers = "\n".join(
        f"optimizer_config {{ adam_optimizer {{ learning_rate {{ {SCHEDULES[name]} }} }} }}"
        for name in names
    )
    return PrototextDocument.parse(
        f"train_config {{ {optimizers} }} model_config {{ model_class: 'DeepFM' }}"
    )


def schedule(name):
    (found,) = find_schedules(document(name))
    return found


@pytest.mark.parametrize(
    ("name", "step", "rate"),
    [
        ("constant", 0, 0.01),
        ("constant", 10**9, 0.01),
        ("exponential", 999, 1e-3),
        ("exponential", 1000, 1e-4),
        ("exponential", 8000, 1e-7),
        ("smooth", 0, 0.1),
        ("smooth", 20, 0.3),
        ("smooth", 40, 0.5),
        ("smooth", 90, 0.25),
        ("manual", 99, 0.1),
        ("manual", 100, 0.01),
        ("manual", 5000, 0.2),
        ("manual with warm-up", 50, 0.3),
        ("manual with warm-up", 100, 0.5),
        ("cosine", 50, 0.3),
        ("cosine", 100, 0.4),
        ("cosine", 600, 0.2),
        ("cosine", 1100, 0.0),
        ("cosine", 2000, 0.0),
        ("polynomial", 0, 0.11),
        ("polynomial", 50, 0.035),
        ("polynomial", 900, 0.01),
        ("transformer", 99, 2 / 8 / 10),
        ("transformer", 399, 2 / 8 / 20),
    ],
)
def test_a_schedule_stands_where_its_formula_says(name, step, rate):
    assert schedule(name).after(step) == pytest.approx(rate, abs=1e-15)


@given(
    name=st.sampled_from(sorted(SCHEDULES.keys() - {"transformer"})),
    rate=st.floats(1e-9, 0.3),
    step=st.integers(0, 3000),
)
@settings(max_examples=200)
def test_a_new_schedule_begins_at_its_rate_or_floor_and_never_rises_above(name, rate, step):
    config = document(name)
    change = new_first_rate(*find_schedules(config), rate)
    edited = PrototextDocument.parse(apply_edits(config, change.edits).text)
    (new,) = find_schedules(edited)

    floor = {"exponential": 1e-7, "polynomial": 0.01}.get(name, 0.0)
    assert new.after(step) <= max(rate, floor) * (1 + 1e-9)
    warms_up = name in {"smooth", "cosine"}
    assert warms_up or new.after(0) == pytest.approx(max(rate, floor))


def test_every_optimizer_is_found_by_its_key():
    config = document("constant", "cosine")

    keys = [one.key for one in find_schedules(config)]

    assert keys == [
        "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate",
        "train_config.optimizer_config[1].adam_optimizer.learning_rate.cosine_decay_learning_rate",
    ]


def test_a_floor_is_respected_and_said():
    change = new_first_rate(schedule("polynomial"), 1e-6)

    assert list(change.edits.values()) == [0.01]
    assert change.notes == ("1e-06 is below end_learning_rate: 0.01 is used",)


def test_a_warm_up_that_the_file_leaves_to_its_default_is_lowered_too():
    """EasyRec refuses a base below warmup_learning_rate, which is 0.0002 where nothing is said."""
    text = "cosine_decay_learning_rate { learning_rate_base: 0.1 total_steps: 9 warmup_steps: 0 }"
    config = PrototextDocument.parse(f"a {{ {text} }} model_config {{ model_class: 'x' }}")

    change = new_first_rate(*find_schedules(config), 1e-6)

    assert change.edits["+a.cosine_decay_learning_rate.warmup_learning_rate"] == 1e-6
    assert "warmup_learning_rate: 1e-06" in apply_edits(config, change.edits).text


def test_the_factor_of_a_transformers_schedule_is_called_one():
    (note,) = new_first_rate(schedule("transformer"), 1.0).notes

    assert "peaks at 0.0125" in note
    assert math.sqrt(64 * 100) == pytest.approx(1 / 0.0125)


def test_derived_rates_have_the_digits_that_the_config_can_hold():
    assert rate_to_continue_with(schedule("smooth"), 77) == 0.29937


def test_a_schedule_that_has_come_to_nothing_asks_for_a_rate():
    with pytest.raises(SettingsError, match="has come to 0 after 1100 steps"):
        rate_to_continue_with(schedule("cosine"), 1100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: 1", ["no optimizer in this config has one"]),
        ("poly_decay_learning_rate { power: 1 }", ["learning_rate_base: it is m", "total_steps"]),
        ("constant_learning_rate { learning_rate: 'fast' }", ["'fast' is not a number"]),
        ("constant_learning_rate { learning_rate: nan }", ["nan is not a number"]),
        ("exponential_decay_learning_rate { decay_steps: 0 }", ["decay_steps: it is 0"]),
        ("manual_step_learning_rate { schedule { step: 1 } }", ["each entry needs a step"]),
    ],
)
def test_faulty_schedules_are_named(text, words):
    with pytest.raises(SettingsError) as caught:
        find_schedules(PrototextDocument.parse(text))

    for word in words:
        assert word in str(caught.value)
