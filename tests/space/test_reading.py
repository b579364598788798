from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.space import load_experiment_space, load_inline_space, load_space, parse_space
from hpo_nni.space.parameters import Choice, RandInt, Uniform

if TYPE_CHECKING:
    from pathlib import Path

SEED = """\
{
"a[0].lr":{"_type":"choice","_value":[1e-3,1e-4]},
"feature_configs[:].embedding_dim": {"_type": "randint", "_value": [4,16]},
"model.l2":{"_type":"uniform","_value":[0.000001, 0.0001]},
}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "search_space.json") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def faults(path: Path, load=load_space) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path)
    return [str(problem) for problem in caught.value.problems]


def test_a_comma_too_many_is_one_warning_that_names_the_line(write, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        space = load_space(write(SEED))

    assert space["a[0].lr"] == Choice((0.001, 0.0001))
    assert space["model.l2"] == Uniform(1e-6, 1e-4)
    assert len(space.warnings) == 1
    assert space.warnings[0].startswith("search_space.json:4: a comma")
    assert space.warnings[0] in caplog.text


def test_what_nni_makes_of_that_file_gives_the_same_space(write) -> None:
    """NNI falls back to YAML 1.1, in which 1e-3 is a string, and hands that to tuners."""
    from nni.experiment.config.experiment_config import _load_search_space_file

    path = write(SEED)
    theirs = _load_search_space_file(path)

    assert theirs["a[0].lr"]["_value"] == ["1e-3", "1e-4"]
    assert parse_space(theirs) == load_space(path)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ('{"k": {"_type": "uniform",\n  "_value": [1, "x"]}}', ":2:17", "finite number, not 'x'"),
        ('{"k": {"_type": "nope", "_value": []}}', ":1:17", "NNI has no type 'nope'"),
        ('{"k": 1\n "l": 2}', ":2:2", "expected ',' or '}', found '\"'"),
        ('{"k": ', ":1:7", "expected a value, found the end of the file"),
        ('{"k": 1} x', ":1:10", "nothing after the closing bracket"),
        ('{"k: 1}', ":1:2", "Unterminated string"),
        ('{"k" 1}', ":1:6", "expected ':' after the key"),
        ("[1]", ":1:1", "not a list"),
        ("- a: [", ":1:7", ""),
        ("{,}", ":1:2", "expected a key in double quotes"),
    ],
)
def test_faults_name_line_and_column(write, text: str, where: str, message: str) -> None:
    (fault,) = faults(write(text))

    assert fault.startswith(f"search_space.json{where}: ")
    assert message in fault


def test_a_key_given_twice_is_a_fault(write) -> None:
    twice = (
        '{"k": {"_type": "randint", "_value": [0, 2]},\n"k": {"_type": "choice", "_value": [1]}}'
    )

    assert faults(write(twice)) == ["search_space.json:2:6: k is there twice, first in line 1"]


def test_missing_and_unreadable_files_are_faults(tmp_path: Path) -> None:
    binary = tmp_path / "b.json"
    binary.write_bytes(b"\xff\xfe{")

    assert "No such file" in faults(tmp_path / "none.json")[0]
    assert "not UTF-8" in faults(binary)[0]


def test_yaml_is_read_as_nni_reads_it(write) -> None:
    text = "lr: {_type: choice, _value: [1e-3, 0.1]}\nn:\n  _type: randint\n  _value: [0, 4]\n"

    space = load_space(write(text, "space.yml"))

    assert space == {"lr": Choice((0.001, 0.1)), "n": RandInt(0, 4)}
    assert space.warnings == ()


def test_json_with_comments_is_read_as_yaml_with_a_warning(write) -> None:
    space = load_space(write('{\n# learning rate\n"lr": {"_type": "choice", "_value": [1]}}'))

    assert list(space) == ["lr"]
    assert "search_space.json:2:1: this is not JSON" in space.warnings[0]


def test_a_byte_order_mark_and_tabs_are_no_matter(write) -> None:
    text = '\ufeff{\n\t"lr": {"_type": "choice", "_value": [1,]},\n}'

    assert load_space(write(text))["lr"] == Choice((1,))


def test_an_inline_space_knows_its_lines(write) -> None:
    good = write(
        "searchSpace:\n  n: {_type: randint, _value: [0, 4]}\nmaxTrialNumber: 3\n", "a.yml"
    )
    bad = write("searchSpace:\n  n: {_type: randint, _value: [4, 4]}\n", "b.yml")
    none = write("maxTrialNumber: 3\n", "c.yml")
    broken = write("a: [", "d.yml")

    assert load_inline_space(good) == {"n": RandInt(0, 4)}
    assert faults(bad, load_inline_space)[0].startswith("b.yml:2:31: n: randint from 4 to 4")
    assert "there is no searchSpace" in faults(none, load_inline_space)[0]
    assert faults(broken, load_inline_space)[0].startswith("d.yml:1:5")


def test_an_experiment_names_its_space_or_holds_it(write) -> None:
    write(SEED)
    inline = {"n": {"_type": "randint", "_value": [0, 4]}}
    config = write(json.dumps({"searchSpace": inline}), "config.yml")

    assert len(load_experiment_space(config, {"searchSpaceFile": "search_space.json"})) == 3
    assert load_experiment_space(config, {"searchSpace": inline}) == {"n": RandInt(0, 4)}
    with pytest.raises(SettingsError, match="both given"):
        load_experiment_space(config, {"searchSpaceFile": "x", "searchSpace": inline})


def test_a_space_knows_where_its_keys_stand(write) -> None:
    assert load_space(write(SEED)).places["model.l2"] == "search_space.json:4:12"
    assert parse_space({"n": {"_type": "randint", "_value": [0, 4]}}).places == {}
