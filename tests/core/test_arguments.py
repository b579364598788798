from __future__ import annotations

import pytest

from hpo_nni.core.arguments import anything, checked, one_of, share, whole, yes_or_no
from hpo_nni.errors import SettingsError

ARGUMENTS = {
    "optimize_mode": one_of("maximize", "minimize"),
    "start_step": whole(2, least=0),
    "moving_avg": yes_or_no(False),
    "proportion": share(0.5),
    "patience": whole(None, least=1),
    "platform": anything(),
}


def test_what_is_not_given_has_its_default():
    assert checked("X", {"patience": None}, ARGUMENTS) == {
        "optimize_mode": "maximize",
        "start_step": 2,
        "moving_avg": False,
        "proportion": 0.5,
        "patience": None,
        "platform": None,
    }


@pytest.mark.parametrize(
    "given, message",
    [
        ({"optimize_mode": "max"}, "optimize_mode is 'max'; expected maximize or minimize"),
        ({"start_step": "2"}, "start_step is '2'; expected a whole number of at least 0"),
        ({"start_step": -1}, "start_step is -1; expected a whole number of at least 0"),
        ({"start_step": 2.5}, "start_step is 2.5; expected a whole number of at least 0"),
        ({"start_step": True}, "start_step is True; expected a whole number of at least 0"),
        ({"moving_avg": "yes"}, "moving_avg is 'yes'; expected true or false"),
        ({"moving_avg": 1}, "moving_avg is 1; expected true or false"),
        ({"proportion": 1.5}, "proportion is 1.5; expected a number from 0 to 1"),
        ({"proportion": float("nan")}, "proportion is nan; expected a number from 0 to 1"),
        ({"proportion": "0.5"}, "proportion is '0.5'; expected a number from 0 to 1"),
        ({"patience": 0}, "patience is 0; expected a whole number of at least 1"),
        ({"patiense": 3}, "there is no patiense\n  hint: did you mean 'patience'?"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_right(given, message):
    with pytest.raises(SettingsError) as caught:
        checked("PAIAssessor", given, ARGUMENTS)

    assert str(caught.value) == f"classArgs of PAIAssessor: {message}"


def test_all_faults_are_reported_at_once():
    given = {"optimize_mode": "up", "start_step": None, "proportion": 2, "speed": 1}

    with pytest.raises(SettingsError) as caught:
        checked("PAIAssessor", given, ARGUMENTS)

    assert caught.value.problems[0].message == "there is no speed"
    assert len(caught.value.problems) == 3
