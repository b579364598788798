"""The page for those who come from PAI-NNI-HPO: every key and flag on it is accepted."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from hpo_nni.cli.main import COMMANDS
from hpo_nni.core import pai_assessor
from hpo_nni.dialects.easyrec import load_begin
from hpo_nni.dialects.easyrec_finetune import add_calendar
from hpo_nni.errors import SettingsError
from hpo_nni.trial.settings import load_settings
from hpo_nni.trial.substitutions import Substitutions

ROOT = Path(__file__).parents[2]
LANGUAGES = ("guide", "zh")
OLD = "config_begin.ini"
VALUES = {  # of keys in trial.ini whose value is not just any text
    "name": "MaxCompute",
    "cmd1": "select 1",
    "cmd2": "select 2",
    "cmd1_{{bizdate}}": "select 3",
    "resume": "1",
    "metric_type": "summary",
    "metric_source": "oss://b/${trial_id}",
    "metric_source_{{bizdate}}": "oss://b/${trial_id}/{{bizdate}}",
    "metric_dict": "{'auc': 1}",
    "final_mode": "best",
    "source_list_final_mode": "avg",
    "optimize_mode": "maximize",
    "params_src_dst_filepath": "oss://b/x.config,oss://b/${trial_id}.config",
    "day": "everyday",
    "start_time": "22:00",
    "end_time": "06:00",
    "accessKeyID": "env:AK",
    "accessKeySecret": "${SK}",
    "access_id": "env:AK",
    "access_key": "env:SK",
    "url": "https://robot/send",
    "at_mobiles": "['1']",
    "at_user_ids": "[]",
    "is_at_all": "False",
}
OLD_VALUES = {
    "-name": "easy_rec_ext",
    "-project": "algo_public",
    "-Dmodel_dir": "oss://b/m/",
    "-Dcluster": '{"ps": {"count": 1}}',
    "-Dedit_config_json": "{}",
    "accessKeyID": "env:AK",
    "accessKeySecret": "env:SK",
    "auc": "1",
}


def page(language):
    return (ROOT / "docs" / language / "from-pai-nni-hpo.md").read_text(encoding="utf-8")


def part(language, number):
    """The text below the number-th heading of the second level."""
    return re.split(r"(?m)^## ", page(language))[number]


def rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in lines]


def words(cell):
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def keys_by_section(text):
    """Section -> keys, from the tables whose first column names a section."""
    found: dict[str, list[str]] = {}
    for cells in rows(text):
        sections = re.findall(r"`\[(\w+)\]`", cells[0])
        if sections and len(cells) == 3:
            found.setdefault(sections[0], []).extend(
                word for word in words(cells[1]) if word != "="
            )
    return found


def ini_of(sections, values):
    lines = []
    for name, keys in sections.items():
        lines += [f"[{name}]", *(f"{key}={values.get(key, 'x')}" for key in keys)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_of_the_older_file_is_accepted(language, tmp_path):
    sections = keys_by_section(part(language, 4))
    (tmp_path / OLD).write_text(ini_of(sections, OLD_VALUES), encoding="utf-8")

    settings = load_begin(tmp_path / OLD, Substitutions("e", "t", tmp_path, {}))

    for key in sections["easyrec_cmd_config"]:
        assert key in settings.steps[0].command


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_of_trial_ini_is_accepted(language, tmp_path):
    sections = keys_by_section(part(language, 5))
    text = "{% set bizdate = 20220617 %}\n" + ini_of(sections, VALUES)
    (tmp_path / "trial.ini").write_text(text, encoding="utf-8")

    try:
        settings = load_settings(tmp_path / "trial.ini", Substitutions("e", "t", tmp_path, {}))
    except SettingsError as error:
        pytest.fail("\n".join(map(str, error.problems)))

    assert [step.key for step in settings.steps] == ["cmd1", "cmd2", "cmd1_20220617"]
    assert len(settings.metrics.sources) == 2
    assert sum(len(keys) for keys in sections.values()) >= 30


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_substitution_is_known(language):
    names = {*re.findall(r"\$\{(\w+)\}", part(language, 5))} - {"key"}
    known = Substitutions(point={"batch_size": 1}).words().keys() | {"AK", "SK"}

    assert names <= known
    assert len(names) >= 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_arguments_of_the_assessor_are_all_of_them(language):
    shown = [words(cells[0])[0] for cells in rows(part(language, 3)) if len(words(cells[0])) == 1]

    assert {*shown} >= pai_assessor.ARGUMENTS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_flag_of_the_scripts_exists(language):
    shown = {word for cells in rows(part(language, 4)) for word in words(cells[0]) if "--" in word}
    parser = argparse.ArgumentParser()
    add_calendar(parser)
    scripts = [
        (ROOT / "hpo_nni/dialects" / name).read_text(encoding="utf-8")
        for name in ("easyrec.py", "easyrec_finetune.py")
    ]

    assert shown == {"--config", "--exp_dir", "--start_time", "--end_time"}
    assert parser.parse_args(["--start_time=2022-06-17", "--end_time=2022-06-18"])
    assert all('"--exp_dir"' in script for script in scripts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_on_the_page_exists(language):
    shown = set(re.findall(r"`hpo-nni ([\w-]+)", page(language)))

    assert shown <= COMMANDS.keys()
    assert {"retry", "kill", "check", "rehearse", "examples"} <= shown


def test_both_pages_name_the_same_keys():
    english, chinese = ({*words(page(language))} for language in LANGUAGES)

    assert {word for word in english ^ chinese if re.fullmatch(r"[\w.\[\]${}-]+", word)} == set()
