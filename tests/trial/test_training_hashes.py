"""What goes into a day, and what does not: settings read under two names."""

from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.trial.accounts import Accounts
from hpo_nni.trial.files import prepare_files
from hpo_nni.trial.retry import Retrier
from hpo_nni.trial.settings import Substitutions, load_settings
from hpo_nni.trial.training_hashes import Rendered, shared_names, works_of
from hpo_nni.trial.versions import Versions

INI = """\
[platform_config]
name=local
cmd_1=python3 train.py --data=days.csv --from ${{day_start}} --to ${{day_model}} --lr ${{lr}}
cmd_2=python3 train.py --from ${{day_start}} --to ${{day_model}}
{more}
[metric_config]
metric_type=json
metric_source_1=${{NNI_OUTPUT_DIR}}/1/m.jsonl
metric_source_2=${{NNI_OUTPUT_DIR}}/2/m.jsonl
metric_dict={{'auc': 1}}
[day_config]
start=base
model_1=${{NNI_OUTPUT_DIR}}/1
model_2=${{NNI_OUTPUT_DIR}}/2
{days}
"""


@pytest.fixture
def works(tmp_path):
    """What the days of a trial.ini take, in a trial of this name."""
    for name in ("train.py", "module.py", "days.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "lib").mkdir()

    def works(trial="t1", lr=0.1, more="", days=""):
        path = tmp_path / "trial.ini"
        path.write_text(INI.format(more=more, days=days))
        names = Substitutions("e", trial, tmp_path / trial, {"${lr}": lr})

        def render(words):
            settings = load_settings(path, words)
            return Rendered(settings, prepare_files(settings, {"${lr}": lr}, words))

        return works_of(render(names), render(shared_names(names)))

    return works


def test_a_day_is_the_same_in_every_trial(works):
    assert works("t1") == works("t2")
    assert [*works()] == ["cmd_1", "cmd_2"]


def test_a_parameter_changes_the_days_that_it_is_in(works):
    before, after = works(), works(lr=0.2)

    assert before["cmd_1"] != after["cmd_1"]
    assert before["cmd_2"] == after["cmd_2"]  # by itself; the model that it starts from is another
    assert before["cmd_2"].hash("a", {}) != before["cmd_2"].hash("b", {})


def test_files_that_a_command_names_and_the_modules_beside_a_script_go_in(works, tmp_path):
    found = works(days="code=lib, v12\ndata_2=days.csv")

    one, two = ({*found[key].places} for key in ("cmd_1", "cmd_2"))
    assert one == {"train.py", str(tmp_path / "module.py"), "days.csv", "lib", "v12"}
    assert two == {
        "train.py",
        str(tmp_path / "module.py"),
        str(tmp_path / "days.csv"),
        "lib",
        "v12",
    }


def test_a_step_that_is_no_day_goes_into_the_days_behind_it(works):
    plain = works()
    first = works(more="cmd_0=echo ${lr}")  # behind both

    assert plain == first


def test_a_day_whose_folder_another_step_names_is_trained_by_each_trial(works):
    found = works(more="cmd_3=export.sh ${NNI_OUTPUT_DIR}/2")

    assert [*found] == ["cmd_1"]


def test_a_folder_that_only_begins_alike_is_another_one(works):
    found = works(more="cmd_3=export.sh ${NNI_OUTPUT_DIR}/20")

    assert [*found] == ["cmd_1", "cmd_2"]


def test_code_that_is_not_there_is_a_fault(works):
    with pytest.raises(SettingsError, match=r"code: there is no src/x\n"):
        works(days="code=src/x")


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path, Accounts(), Retrier(lambda seconds: None))


def test_small_files_count_by_content_and_what_python_makes_does_not(tmp_path, versions):
    (tmp_path / "lib/__pycache__").mkdir(parents=True)
    (tmp_path / "lib/a.py").write_text("1")
    before = versions.of("lib")
    (tmp_path / "lib/__pycache__/a.pyc").write_text("compiled")
    (tmp_path / "lib/a.py").unlink()
    (tmp_path / "lib/a.py").write_text("1")

    assert versions.of("lib") == before
    (tmp_path / "lib/a.py").write_text("2")
    assert versions.of("lib") != before


def test_large_files_count_by_size_and_time(tmp_path, versions):
    (tmp_path / "big").write_bytes(b"x" * (1 << 21))
    before = versions.of("big")
    (tmp_path / "big").write_bytes(b"y" * (1 << 21))

    assert versions.of("big") != before


def test_a_checkpoint_is_found_by_the_beginning_of_its_files(tmp_path, versions):
    assert versions.of("model.ckpt-80") == ""
    (tmp_path / "model.ckpt-80.index").write_text("1")
    (tmp_path / "model.ckpt-800.index").write_text("1")
    before = versions.of("model.ckpt-80")
    assert before
    (tmp_path / "model.ckpt-800.index").write_text("2")
    assert versions.of("model.ckpt-80") == before
    (tmp_path / "model.ckpt-80.index").write_text("2")
    assert versions.of("model.ckpt-80") != before
