from __future__ import annotations

import json

import pytest

from hpo_nni.cli.find import find_experiment, find_trial, ledgers
from hpo_nni.errors import RegistryError


@pytest.fixture
def index(tmp_path, monkeypatch):
    """NNI's index of experiments; `index({id: working directory})`, oldest first."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def write(rows):
        file = tmp_path / "home" / "nni-experiments" / ".experiment"
        file.parent.mkdir(parents=True, exist_ok=True)
        entries = {
            name: {"id": name, "startTime": number, "logDir": str(folder)}
            for number, (name, folder) in enumerate(rows.items())
        }
        file.write_text(json.dumps(entries))

    return write


def test_the_newest_experiment_of_a_directory_is_found_without_a_name(book):
    book.experiment("ExpA", started=1.0)
    book.experiment("ExpB", started=2.0)

    ledger, found = find_experiment(None, book.folder)

    assert found.id == "ExpB"
    assert find_experiment("ExpA", book.folder)[1].id == "ExpA"
    ledger.close()


def test_nnis_index_tells_where_to_look(book, index, tmp_path):
    book.experiment()
    index({"Other": tmp_path / "gone", "ExpA": book.folder, "Again": book.folder})

    assert ledgers(None) == [book.folder]
    assert find_experiment(None, None)[1].id == "ExpA"


@pytest.mark.parametrize(
    ("name", "fact", "hint"),
    [
        ("ExpB", "no experiment 'ExpB' in ", "did you mean 'ExpA'?"),
        ("zzzz", "no experiment 'zzzz' in ", "there are: 'ExpA'"),
    ],
)
def test_an_unknown_experiment_is_an_error_with_the_nearest(book, name, fact, hint):
    book.experiment()

    with pytest.raises(RegistryError) as caught:
        find_experiment(name, book.folder)

    assert caught.value.message.startswith(fact)
    assert caught.value.hint == hint


def test_where_there_is_no_ledger_the_option_is_named(index, tmp_path):
    index({})

    with pytest.raises(RegistryError, match="there is no experiment in the directories of NNI"):
        find_experiment(None, None)
    with pytest.raises(RegistryError, match="--dir"):
        find_trial("Tr1", None, tmp_path)


def test_a_trial_is_found_by_number_id_and_beginning(book):
    book.experiment("ExpA", started=1.0)
    book.experiment("ExpB", started=2.0)
    old = book.trial(0, experiment="ExpA")
    new = book.trial(0, experiment="ExpB")

    assert find_trial("0", None, book.folder)[1].id == new
    assert find_trial("0", "ExpA", book.folder)[1].id == old
    assert find_trial(old, None, book.folder)[1].id == old
    assert find_trial("expa-t", None, book.folder)[1].id == old


def test_a_trial_is_looked_for_in_every_ledger(book, index, tmp_path):
    book.experiment()
    name = book.trial(0)
    from hpo_nni.ledger import Ledger

    Ledger.open(tmp_path / "newer").close()
    index({"ExpA": book.folder, "Newer": tmp_path / "newer"})

    assert find_trial(name, None, None)[1].id == name
    with pytest.raises(RegistryError):
        find_trial("nothing", None, None)
