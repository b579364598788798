from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import BASELINE
from hpo_nni.trial.accounts import Accounts
from hpo_nni.trial.files import is_baseline, prepare_files, read_bases, write_files
from hpo_nni.trial.settings import Substitutions, load_settings

ONE = "model { dim: 8  # small\n lr: 0.1 }\n"
TWO = "train { steps: 100 batch: ${batch} }\n"
INI = """\
[platform_config]
name=local
cmd1=train ${config1} ${config2} --tag ${tag}
[params_config]
params_src_dst_filepath1=one.config
params_src_dst_filepath2=two.config,${NNI_OUTPUT_DIR}/second/two.config
[metric_config]
metric_type=json
metric_source=${NNI_OUTPUT_DIR}/m
metric_dict={'auc': 1}
"""
POINT = {"${batch}": 32, "tag": "x", "model.dim": 16.0, "train.steps": 50}


class Folder:
    def __init__(self, path):
        self.path = path
        self.write("one.config", ONE)
        self.write("two.config", TWO)
        self.write("trial.ini", INI)

    def write(self, name, text):
        (self.path / name).write_text(text, encoding="utf-8")

    def prepare(self, point):
        values = {key: value for key, value in point.items() if key != BASELINE}
        words = Substitutions("ExpA", "Tr1", self.path / "out", values)
        return prepare_files(load_settings(self.path / "trial.ini", words), point, words)

    def problems(self, point):
        with pytest.raises(SettingsError) as caught:
            self.prepare(point)
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_each_key_edits_the_file_that_has_it_and_placeholders_are_filled(folder):
    one, two = folder.prepare(POINT)

    assert one.text == "model { dim: 16  # small\n lr: 0.1 }\n"
    assert two.text == "train { steps: 50 batch: 32 }\n"
    assert (one.filled, two.filled) == (frozenset(), {"${batch}"})
    assert [(t.key, t.old, t.new) for t in one.touched] == [("model.dim", "8", "16")]
    assert one.target == str(folder.path / "out" / "one.config")
    assert two.target == str(folder.path / "out" / "second" / "two.config")
    assert not (folder.path / "out").exists()


def test_a_diff_shows_what_changed(folder):
    one, _ = folder.prepare(POINT)

    assert "-model { dim: 8  # small\n+model { dim: 16  # small\n" in one.diff()


def test_what_was_prepared_is_written_under_the_trials_own_names(folder):
    prepared = folder.prepare(POINT)
    write_files(prepared, Accounts())

    assert [(folder.path / "out" / name).read_text() for name in ("one.config",)] == [
        prepared[0].text
    ]
    assert (folder.path / "out" / "second" / "two.config").read_text() == prepared[1].text
    assert (folder.path / "one.config").read_text() == ONE


def test_the_untuned_point_edits_nothing_by_key_path(folder):
    point = POINT | {BASELINE: True}
    assert is_baseline(point)
    assert not is_baseline(POINT)

    one, two = folder.prepare(point)

    assert one.text == ONE
    assert two.text == "train { steps: 100 batch: 32 }\n"


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"model.dmi": 4}, ["one.config: model.dmi: ", "did you mean 'dim'"]),
        ({"model.dim": 2.5}, ["one.config: model.dim: 2.5 is not an integer"]),
        ({"train.steps": "many"}, ["two.config: train.steps: 'many' is not an integer"]),
        ({"model.[0": 1}, ["model.[0", "expected"]),
    ],
)
def test_a_key_or_value_that_does_not_fit_is_a_fault_with_its_file(folder, point, told):
    (problem,) = folder.problems({"${batch}": 1, "tag": "x", **point})

    for words in told:
        assert words in problem


def test_all_faults_of_all_files_come_at_once(folder):
    problems = folder.problems(
        {"${batch}": 1, "tag": "x", "model.dim": 0.5, "train.steps": 0.5, "model.x": 1}
    )

    assert [problem.split(": ")[1] for problem in problems] == [
        "model.dim",
        "model.x",
        "train.steps",
    ]


def test_a_key_that_two_files_have_is_a_fault(folder):
    folder.write("two.config", "model { dim: 4 } batch: ${batch}\n")

    (problem,) = folder.problems({"${batch}": 1, "tag": "x", "model.dim": 4})

    assert "selects values in one.config and two.config" in problem


def test_a_dict_under_a_key_that_selects_nothing_is_a_bundle_of_keys(folder):
    bundle = {"_name": "small", "model.dim": 4, "train.steps": 10}

    one, two = folder.prepare({"${batch}": 1, "tag": "x", "size": bundle})

    assert "dim: 4 " in one.text
    assert "steps: 10 " in two.text


def test_all_base_files_that_cannot_be_read_are_named_at_once(folder):
    folder.write("one.config", "model { dim: \n")
    (folder.path / "two.config").write_bytes(b"a: \xff")

    unreadable = folder.problems(POINT)
    folder.write("two.config", "train { steps }\n")
    unparseable = folder.problems(POINT)

    assert ["is not UTF-8" in problem for problem in unreadable] == [True]
    assert unreadable[0].startswith("trial.ini:6 params_src_dst_filepath2: ")
    assert [problem.split(":")[0] for problem in unparseable] == ["one.config", "two.config"]


def test_without_a_base_config_a_key_must_stand_in_the_ini(folder):
    text = INI.replace("params_src_dst_filepath1=one.config\n", "")
    text = text.replace(
        "params_src_dst_filepath2=two.config,${NNI_OUTPUT_DIR}/second/two.config\n", ""
    )
    folder.write("trial.ini", text.replace("${config1} ${config2} ", ""))

    assert folder.prepare({"tag": "x"}) == []
    (problem,) = folder.problems({"tag": "x", "model.dim": 4})
    assert "used nowhere" in problem
    assert "write ${model.dim} in the ini" in problem


def test_a_point_that_is_handed_over_whole_need_not_edit_anything(folder):
    folder.write("trial.ini", INI.replace("--tag ${tag}", "'${tuner_params_json}'"))

    one, _ = folder.prepare({"${batch}": 1, "anything": 4, "model.dim": 4})

    assert "dim: 4 " in one.text


def test_bases_are_read_once_for_many_points(folder):
    settings = load_settings(folder.path / "trial.ini", Substitutions(point=POINT))
    bases = read_bases(settings)
    (folder.path / "one.config").unlink()

    for dim in 4, 5:
        point = POINT | {"model.dim": dim}
        one, _ = prepare_files(settings, point, Substitutions(point=point), bases)
        assert f"dim: {dim} " in one.text
