"""Damaged files of an experiment: config.yml, the search space, points, keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.cli.experiment_file import ExperimentFile
from hpo_nni.documents.keypath_parser import parse_key
from hpo_nni.nni_api.environment import TrialEnvironment
from hpo_nni.nni_api.trial_channel import FileChannel
from hpo_nni.space.parsing import parse_space
from hpo_nni.space.reading import load_experiment_space, load_space
from hpo_nni.testing.fuzzing import damaged, examples, survives
from hpo_nni.trial.entry import _read_point

ROOT = Path(__file__).parents[2]
CONFIGS = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("examples/*/*/*.yml"))]
SPACES = [
    path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("examples/*/*/*space*.json"))
] + [
    (
        '{"a": {"_type": "choice", "_value": [{"_name": "x", "b": {"_type": "randint", '
        '"_value": [1, 9]}}, "y"]}, "c;d": {"_type": "qloguniform", "_value": [1e-5, "1", 0.1],},}'
    ),
    "a:\n  _type: uniform\n  _value: [0, 1]\nb: &b {_type: normal, _value: [0, 1]}\nc: *b\n",
]
YAML_WORDS = [
    "searchSpace:\n  a: {_type: choice, _value: [1]}\n",
    "*a",
    "&a ",
    "<<: *a",
    "<<: [1]",
    "!!python/object:os.system ",
    "!!binary x",
    "!!timestamp 2001-99-99",
    "? [1, 2]\n: 3\n",
    "{1: 2}: 3",
    "2001-99-99",
    "0x_",
    "1:99:99",
    "[" * 3000,
    "{a: " * 1500,
    "9" * 5000,
    "1e999",
    ".nan",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "\t",
]
JSON_WORDS = [
    "[" * 3000,
    '{"_name": ' * 1000,
    "NaN",
    "1e999",
    "9" * 5000,
    '"_value"',
    '"_type"',
    ",",
]
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["_type", "_value", "_name", "a", "b;c", ""]), inner, max_size=3
        )
        | st.fixed_dictionaries(
            {
                "_type": st.sampled_from(["choice", "randint", "quniform", "loguniform", "normal"]),
                "_value": inner,
            }
        )
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiment")


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def read_config(path):
    file = ExperimentFile.read(path)
    load_experiment_space(path, file.content)


@given(text=damaged(CONFIGS, YAML_WORDS))
@examples()
def test_a_damaged_config_is_read_or_refused(folder, text):
    survives(lambda: read_config(write(folder, "config.yml", text)))


@given(text=damaged(SPACES, [*YAML_WORDS, *JSON_WORDS]), suffix=st.sampled_from(["json", "yml"]))
@examples(2)
def test_a_damaged_search_space_is_read_or_refused(folder, text, suffix):
    path = write(folder, f"search_space.{suffix}", text)

    space = survives(lambda: load_space(path))
    if space is not None:
        try_out(space)


@given(data=st.dictionaries(st.text(max_size=3), VALUES, max_size=3) | VALUES)
@examples(2)
def test_any_data_is_a_search_space_or_refused(data):
    space = survives(lambda: parse_space(data))
    if space is not None:
        try_out(space)


def try_out(space):
    """A space that was accepted gives points at its corners and in between, in JSON."""
    for unit in (0.0, 0.5, 1.0):
        point = space.from_unit([unit] * len(space.flatten()))
        json.dumps(point, allow_nan=False)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        LAUGHS.replace("a: &a", "searchSpace: &a"),
        "searchSpace: " + "[" * 100_000,
        "a: " * 20_000,
        "- " * 20_000,
        '"' + "a" * 1_000_000,
        "{" * 100_000,
        "#" * 1_000_000,
        "a: |\n" + " x\n" * 100_000,
        "? " * 5_000,
        "&a " * 10_000,
        "\n" * 1_000_000 + "\t",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_texts_that_are_made_to_hurt_do_not(folder, text):
    survives(lambda: load_space(write(folder, "space.json", text)))
    survives(lambda: load_space(write(folder, "space.yml", text)))
    survives(lambda: read_config(write(folder, "config.yml", text)))


@given(text=damaged(['{"lr": 0.1, "a": {"_name": "x"}}'], JSON_WORDS))
@examples()
def test_a_damaged_point_is_read_or_refused(folder, text):
    survives(lambda: _read_point(write(folder, "point.json", text)))


@given(text=damaged(['{"parameter_id": 1, "parameters": {"lr": 0.1}}'], JSON_WORDS))
@examples()
def test_damaged_parameters_of_nni_are_read_or_refused(folder, text):
    write(folder, "parameter.cfg", text)

    survives(FileChannel("Tr1", folder).receive_point)


@given(
    text=damaged(
        ["a.b[0].c", "f[name=x].d[1:3]", "a;b;c", "$.a..b[?(@.c > 1)]", "+a.b[:]", "a[x>=1].'q.r'"],
        ["[", "]", "..", "$", "?(", "(" * 2000, "[" * 2000, ";" * 2000, "." * 2000, "9" * 5000],
    )
)
@examples(3)
def test_a_damaged_key_is_parsed_as_it_prints_or_refused(text):
    path = survives(lambda: parse_key(text))
    if path is not None:
        assert parse_key(str(path)) == path


NNI_NAMES = ("NNI_EXP_ID", "NNI_TRIAL_JOB_ID", "NNI_TRIAL_SEQ_ID", "NNI_SYS_DIR", "NNI_OUTPUT_DIR")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NNI_NAMES, st.text(max_size=8))))
@examples()
def test_the_variables_of_nni_may_hold_anything(environ):
    survives(lambda: TrialEnvironment.from_environ(environ))
