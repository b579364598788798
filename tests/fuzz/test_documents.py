"""Damaged configs, schemas and values: read without loss, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.documents import apply_edits, find_values, parse_document, to_data
from hpo_nni.documents.proto_files import read_proto
from hpo_nni.errors import HpoNniError
from hpo_nni.testing.fuzzing import damaged, examples, survives

PROTO = Path(__file__).parent.parent / "documents" / "easyrec.proto"
SAMPLES = Path(__file__).parent.parent.parent / "samples"
TEXTS = {
    path.name: path.read_text(encoding="utf-8")
    for path in (SAMPLES / "pipeline.config", SAMPLES / "trainer.yaml", SAMPLES / "trainer.json")
}
NOISE = st.text(
    alphabet=st.sampled_from(list("{}[]<>:;,#\"'\\\n\r\t -+.*&!|%@`~0e_x")) | st.characters(),
    max_size=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "train_config.num_steps",
        "feature_configs[:].embedding_dim",
        "model_config.dbmtl",
        "feature_configs[0]",
        "feature_configs[:]",
        "model_config.dbmtl.bottom_dnn.hidden_units[:]",
        "+train_config.new.field",
        "model.stages[*].width",
        "model.stages",
        "+model.new",
        "defaults",
        "optimizer.kind",
        "notes",
        "summary",
        "data.augment",
        "data.augment[:]",
        "resume",
        "layers",
        "layers[name=fc].units",
        "+layers[0].x",
        "betas[0]",
        "lr",
        "$.layers[*].rate",
        "$..name",
        "a;b",
        "model",
        "data.since",
        "+new",
        "tags",
        "tags[:]",
    ]
)


@st.composite
def mutations(draw):
    name = draw(st.sampled_from(sorted(TEXTS)))
    text = TEXTS[name]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(NOISE) + text[at + draw(st.integers(0, 8)) :]
    return name, text


QUIET = examples(2)


@given(mutations())
@QUIET
def test_a_damaged_sample_is_read_without_loss_or_refused(damaged) -> None:
    name, text = damaged
    try:
        document = parse_document(text, path=name)
    except HpoNniError:
        return
    assert document.dump() == text
    to_data(document)


@pytest.mark.parametrize("name", ["prototext", "yaml", "json"])
@given(text=st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
@examples(2)
def test_any_text_is_read_or_refused(name, text) -> None:
    try:
        document = parse_document(text, format=name)
        to_data(document)
    except HpoNniError:
        return
    assert document.dump() == text


@given(st.sampled_from(sorted(TEXTS)), st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=3))
@QUIET
def test_any_value_is_written_so_that_it_can_be_read_or_refused(name, edits) -> None:
    document = parse_document(TEXTS[name], path=name)
    try:
        result = apply_edits(document, dict(edits))
    except HpoNniError:
        return
    again = parse_document(result.text, path=name)
    assert again.dump() == result.text
    data = to_data(again)
    if name != "pipeline.config":
        reference = yaml.safe_load if name.endswith("yaml") else json.loads
        assert repr(reference(result.text)) == repr(data)


@given(
    st.sampled_from(sorted(TEXTS)), st.text(alphabet="abdlmno.[]=<>!:;*$?@()_01'\" +-", max_size=20)
)
@QUIET
def test_any_key_selects_something_or_is_refused(name, key) -> None:
    document = parse_document(TEXTS[name], path=name)
    try:
        find_values(document, key)
    except HpoNniError:
        return


@given(st.integers(0, 4000), st.integers(0, 30), NOISE)
@examples(2)
def test_a_damaged_proto_file_is_read_or_refused(at, cut, noise) -> None:
    text = (PROTO).read_text(encoding="utf-8")
    try:
        read_proto(text[:at] + noise + text[at + cut :])
    except HpoNniError:
        return


@pytest.mark.parametrize(
    "text",
    [
        "#" * 200_000,
        "\n" * 200_000 + "}",
        "a:" + " " * 200_000,
        "a: " + '"x" ' * 50_000,
        "a: " + '"' + "\\" * 200_000,
        "a: [" + "1, " * 50_000,
        "# c\n" * 50_000 + "=",
        "a" * 200_000,
        "a: " + "-" * 100_000,
        "a: " + "9" * 100_000,
        "a: 1e" + "9" * 100_000,
        "[" + "a." * 100_000,
    ],
    ids=lambda text: text[:8],
)
def test_long_texts_take_no_more_than_linear_time(text) -> None:
    """Each of these takes minutes if the regular expression can backtrack."""
    message = ""
    try:
        to_data(parse_document(text, format="prototext"))
    except HpoNniError as error:
        message = str(error)
    assert len(message) < 500


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("name", ["prototext", "yaml", "json"])
@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "[" * 100_000,
        "{" * 100_000,
        "a {" * 100_000,
        "a: " * 20_000,
        "- " * 20_000,
        "? " * 5_000,
        '{"a": ' * 50_000,
        '{"a": "' + "\\\\" * 200_000 + '"}',
        "9" * 100_000,
        '{"a": ' + "9" * 100_000 + "}",
        "\n" * 500_000 + "}",
        "&a " * 10_000,
        "a: !!" + "x" * 100_000,
        "a: 2001-99-99",
        "a: 190:20:30.15",
        "\ufeff" * 1000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_texts_that_are_made_to_hurt_do_not(name, text) -> None:
    def read():
        document = parse_document(text, format=name)
        assert document.dump() == text
        to_data(document)
        return apply_edits(document, {"+added": 1})

    survives(read)


@given(
    text=damaged(
        [*TEXTS.values()],
        [
            "[" * 3000,
            "{" * 3000,
            "9" * 5000,
            "&a ",
            "*a",
            "<<: *a\n",
            "!!set {a}\n",
            "\\u12",
            "1e999",
        ],
    ),
    name=st.sampled_from(["prototext", "yaml", "json"]),
    edits=st.lists(st.tuples(KEYS, VALUES), max_size=2),
)
@examples(3)
def test_a_damaged_config_is_edited_or_refused(text, name, edits) -> None:
    survives(lambda: apply_edits(parse_document(text, format=name), dict(edits)))
