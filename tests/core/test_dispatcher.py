from __future__ import annotations

import pytest

from hpo_nni.core.dispatcher import rest_url, this_dispatcher
from hpo_nni.direction import Direction
from hpo_nni.errors import LedgerError


@pytest.mark.parametrize(
    "channel, url",
    [
        ("ws://localhost:8080/tuner", "http://localhost:8080"),
        ("ws://localhost:8080/a/b/tuner", "http://localhost:8080/a/b"),
        ("", ""),
    ],
)
def test_rest_is_beside_the_dispatchers_channel(channel, url):
    assert rest_url(channel) == url


def test_outside_nni_there_is_no_dispatcher(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)

    assert this_dispatcher() is None


def test_tuner_and_assessor_share_one_dispatcher_and_one_ledger(experiment):
    first, second = this_dispatcher(), this_dispatcher()

    assert first is second
    assert first.ledger is second.ledger
    assert first.experiment_id == "Exp1"
    assert first.ledger.path.parent == experiment.directory


@pytest.mark.parametrize(
    "tuner, direction",
    [
        ({"name": "TPE", "classArgs": {"optimize_mode": "minimize"}}, Direction.MINIMIZE),
        ({"name": "TPE", "classArgs": {"optimize_mode": "upwards"}}, Direction.MAXIMIZE),
        ({"name": "Random"}, Direction.MAXIMIZE),
        ({"name": "Random", "classArgs": None}, Direction.MAXIMIZE),
        (None, Direction.MAXIMIZE),
    ],
)
def test_the_tuners_direction_holds_where_it_states_one(experiment, tuner, direction):
    experiment.configure({"tuner": tuner})

    assert this_dispatcher().begin(Direction.MAXIMIZE) is direction
    assert experiment.ledger.experiment("Exp1").direction == direction.value


@pytest.mark.parametrize("config, project", [({"experimentName": "daily"}, "daily"), ({}, "")])
def test_the_experiments_name_is_that_of_its_project(experiment, config, project):
    experiment.configure(config)

    this_dispatcher().begin(Direction.MAXIMIZE)

    assert experiment.ledger.experiment("Exp1").project == project


def test_beginning_twice_is_harmless(experiment):
    for _ in range(2):
        this_dispatcher().begin(Direction.MINIMIZE)

    assert [e.id for e in experiment.ledger.experiments()] == ["Exp1"]


def test_a_ledger_that_cannot_be_opened_is_seen_at_once(experiment):
    (experiment.directory / "hpo_nni.sqlite").write_bytes(b"not a database, by far" * 100)

    with pytest.raises(LedgerError):
        this_dispatcher().begin(Direction.MAXIMIZE)
