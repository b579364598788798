from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.trial.settings import Substitutions, load_settings

METRICS = """
[metric_config]
metric_type=summary
metric_source=${NNI_OUTPUT_DIR}/eval_val
metric_dict={'auc': 1}
"""
SMALL = "[platform_config]\nname=local\ncmd1=true\n" + METRICS
FULL = (
    """
[platform_config]
name = Local
cmd1 = python prepare.py --out ${NNI_OUTPUT_DIR}
cmd_train="python train.py \\
  --config ${config} --lr ${lr} '${tuner_params_json}'"
resume = 1  # go on
grace_seconds = 2.5

[params_config]
params_src_dst_filepath = base.config, ${NNI_OUTPUT_DIR}/copy.config
schema = protos

[output_config]
model_path = models/${exp_id}_${trial_id}
summary_path = ${NNI_OUTPUT_DIR}/model
"""
    + METRICS
)
DOCS = Path(__file__).parents[2] / "docs"


def test_a_whole_file_becomes_settings(ini) -> None:
    settings = ini.load(FULL)
    out = ini.path.parent / "out"

    assert settings.platform == "local"
    assert [(step.key, step.line) for step in settings.steps] == [("cmd1", 4), ("cmd_train", 5)]
    assert settings.steps[1].command == (
        f"python train.py \\\n  --config {out}/copy.config --lr 0.001 "
        '\'{"lr": 0.001, "${batch_size}": 64}\''
    )
    assert settings.grace_seconds == 2.5
    (file,) = settings.files
    assert file.source == str(ini.path.parent / "base.config")
    assert file.target == str(out / "copy.config")
    assert file.schema == "protos"
    assert settings.used_keys == {"lr"}
    assert settings.passes_point
    assert settings.resume
    model, summary = settings.warnings
    assert model == "trial.ini:15 [output_config] model_path: this version does nothing with it yet"
    assert summary.startswith("trial.ini:16 [output_config] summary_path")


def test_what_is_not_said_has_defaults(ini) -> None:
    settings = ini.load(SMALL)

    assert settings.files == ()
    assert settings.grace_seconds is None
    assert settings.used_keys == frozenset()
    assert not settings.passes_point


def test_a_source_alone_is_copied_into_the_trials_folder(ini) -> None:
    text = SMALL + "[params_config]\nparams_src_dst_filepath=base.config\n"

    assert ini.load(text).files[0].target == str(ini.path.parent / "out" / "base.config")


def test_several_files_have_numbers_and_options_of_their_own(ini) -> None:
    text = SMALL.replace("true", "cat ${config1} ${config2}") + (
        "[params_config]\n"
        "params_src_dst_filepath_a=base.config,${NNI_OUTPUT_DIR}/\n"
        "params_src_dst_filepath_b=base.config,/x/${trial_id}.txt\n"
        "format_b=JSON\nschema=protos\n"
    )
    settings = ini.load(text)
    out = ini.path.parent / "out" / "base.config"

    assert settings.steps[0].command == f"cat {out} /x/tr1.txt"
    assert [(file.format, file.schema) for file in settings.files] == [
        ("", "protos"),
        ("json", "protos"),
    ]


def test_templates_give_steps_and_sources_in_the_order_of_the_file(ini) -> None:
    settings = ini.load(
        "{% set days = [20220630, 20220701] %}\n[platform_config]\nname=local\n"
        "{% for day in days %}\n  cmd_{{ day }} = train {{ day }}\n{% endfor %}\n"
        "[metric_config]\nmetric_type=summary\nmetric_dict={'auc': 1}\n"
        "{% for day in days %}\n"
        "metric_source_{{ day }}=${NNI_OUTPUT_DIR}/{{ day | add_days(1) }}\n{% endfor %}\n"
    )

    assert [step.key for step in settings.steps] == ["cmd_20220630", "cmd_20220701"]
    assert [step.line for step in settings.steps] == [5, 5]
    assert [key for key, _ in settings.metrics.sources] == [
        "metric_source_20220630",
        "metric_source_20220701",
    ]
    assert settings.metrics.sources[0][1].endswith("/out/20220701")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name=local", "name=lokal", "trial.ini:2 [platform_config] name: there is no platform"),
        ("name=local", "name=DLC", "the platform 'dlc' is not there yet"),
        ("name=local", "name=MaxCompute", "maxcompute needs a section [odps_config]"),
        ("name=local\n", "", "trial.ini:1 [platform_config]: name is missing"),
        ("cmd1=true", "cmd1=", "trial.ini:3 [platform_config] cmd1: the command is empty"),
        ("cmd1=true\n", "", "[platform_config]: there is no step"),
        ("cmd1=true", "cmd1=echo 'x", "cmd1: the quote ' is never closed"),
        ("cmd1=true", 'cmd1="true', 'trial.ini:3 [platform_config] cmd1: the quote " that opens'),
        ("cmd1=true", "cmd1=x ${config}", "[params_config] has 0 files, so there is no ${config}"),
        ("cmd1=true", "cmd1=a\n  --b=1", "a line begins with --b=1, which the shell runs"),
        ("cmd1=true", "cmd1=true\ncmd1=x", "trial.ini:4 [platform_config] cmd1: this key is set"),
        ("cmd1=true", "cmd1=true\nresum=1", "did you mean 'resume'?"),
        ("cmd1=true", "cmd1=true\nresume=perhaps", "'perhaps' is neither 0 nor 1"),
        ("cmd1=true", "cmd1=true\ngrace_seconds=-1", "'-1' is not a number of seconds"),
        ("[platform_config]", "[platform]", "did you mean 'platform_config'"),
        ("[platform_config]", "[platform]", "trial.ini: the section [platform_config] is missing"),
        ("[platform_config]", "[dlc_config]\nk=${AK}\n[platform_config]", "the platform DLC yet"),
        ("[platform_config]", "[x]\n[platform_config]", "trial.ini:1 [x]: there is no section [x]"),
        ("NNI_OUTPUT_DIR}", "NNI_OUTPUT}", "metric_source: nothing is known of ${NNI_OUTPUT}"),
        ("NNI_OUTPUT_DIR}", "NNI_OUTPUT}", "did you mean 'NNI_OUTPUT_DIR'"),
        (
            "cmd1=true",
            "cmd1=true {{ 20220630 + 1 }}",
            "trial.ini:3: 20220630 + 1 = 20220631 is not",
        ),
    ],
)
def test_each_fault_says_what_where_and_what_next(ini, old: str, new: str, problem: str) -> None:
    assert problem in "\n".join(ini.problems(SMALL.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("params_src_dst_filepath=bas.config", "did you mean 'base.config'?"),
        ("params_src_dst_filepath=nothing.yaml", "there is no file nothing.yaml"),
        ("params_src_dst_filepath=base.config,base.config", "would overwrite its source"),
        ("params_src_dst_filepath=base.config,x.config", "all trials would write their configs"),
        ("params_src_dst_filepath=oss://b/x", "oss://b/x needs a section [oss_config]"),
        ("params_src_dst_filepath=base.config,oss://b/${trial_id}", "needs a section [oss_config]"),
        ("params_src_dst_filepath=nosuch://b/x", "nobody knows how to reach nosuch://b/x"),
        ("params_src_dst_filepath=base.config,/x/${trail_id}", "nothing is known of ${trail_id}"),
        (
            "params_src_dst_filepath1=base.config\nparams_src_dst_filepath2=base.config",
            "two files go to the same place",
        ),
        ("params_src=base.config", "[params_config] has no key 'params_src'"),
    ],
)
def test_faults_of_config_files(ini, lines: str, problem: str) -> None:
    found = ini.problems(f"{SMALL}[params_config]\n{lines}\n")

    assert re.match(r"trial\.ini:\d+ \[params_config\] params_src", found[0])
    assert problem in found[0]


def test_several_files_have_no_single_config(ini) -> None:
    text = SMALL.replace("true", "x ${config}") + (
        "[params_config]\nparams_src_dst_filepath1=base.config\n"
        "params_src_dst_filepath2=base.config,/x/${trial_id}\n"
    )

    assert "write one of ${config1}, ${config2}" in ini.problems(text)[0]


def test_all_faults_come_at_once_in_the_order_of_the_file(ini) -> None:
    text = (
        "stray=1\n[platform_config]\nname=x\ncmd1=\nfoo=1\n[metric_config]\nmetric_type=summary\n"
        "metric_dict={'auc'}\nfinal_mode=bets\n[nonsense]\n"
    )
    lines = [re.match(r"trial\.ini:(\d+)", problem) for problem in ini.problems(text)]

    assert [int(line[1]) for line in lines if line] == [1, 3, 4, 5, 6, 8, 9, 10]


def test_a_value_with_shell_syntax_stays_one_argument(ini) -> None:
    substitutions = Substitutions(output_directory=Path("/o"), point={"tag": "x; rm -rf ~"})

    settings = ini.load(SMALL.replace("true", "train --tag=${tag}"), substitutions)

    assert settings.steps[0].command == "train --tag='x; rm -rf ~'"


def test_a_value_where_it_cannot_be_quoted_is_a_fault(ini) -> None:
    substitutions = Substitutions(point={"tag": "x; rm"})

    (problem,) = ini.problems(SMALL.replace("true", "bash -c 'train ${tag}'"), substitutions)

    assert "[platform_config] cmd1: ${tag} is 'x; rm', which cannot be quoted safely" in problem
    assert "put it into a variable in front" in problem


def test_the_way_out_that_the_hint_offers_works(ini) -> None:
    substitutions = Substitutions(point={"tag": "x; rm"})

    settings = ini.load(SMALL.replace("true", "X=${tag} bash -c 'echo \"$X\"'"), substitutions)

    assert settings.steps[0].command == "X='x; rm' bash -c 'echo \"$X\"'"


def test_before_the_search_space_is_known_no_name_is_a_misspelling(ini) -> None:
    text = SMALL.replace("/eval_val", "/${units}/eval_val")

    assert "nothing is known of ${units}" in ini.problems(text)[0]
    assert ini.load(text, Substitutions()).platform == "local"


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("true", "x ${batch_siz}", "${batch_siz} is left to the shell; did you mean ${batch_size}"),
        ("${NNI_OUTPUT_DIR}/eval_val", "model", "all trials read the same place"),
    ],
)
def test_what_is_odd_but_allowed_is_a_warning(ini, old: str, new: str, warning: str) -> None:
    (found,) = ini.load(SMALL.replace(old, new)).warnings

    assert found.startswith("trial.ini:")
    assert warning in found


def test_a_key_with_a_built_in_name_is_a_warning(ini) -> None:
    (found,) = ini.load(SMALL, Substitutions(point={"${params}": 1})).warnings

    assert "built-in name" in found


def test_a_missing_or_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    binary = tmp_path / "binary.ini"
    binary.write_bytes(b"[a]\xff")

    for path, message in ((tmp_path / "none.ini", "No such file"), (binary, "not UTF-8")):
        with pytest.raises(SettingsError, match=message):
            load_settings(path, Substitutions())


def told_examples() -> list[tuple[str, str, str]]:
    """Faulty examples, each with the problems that the page prints below it."""
    pattern = re.compile(r"```ini\n([^`]*?)```\n\n[^`\n]*\n\n```text\n(.*?)```", re.DOTALL)
    return [
        (page.parent.name, example, told)
        for page in sorted(DOCS.glob("*/trial-ini.md"))
        for example, told in pattern.findall(page.read_text(encoding="utf-8"))
    ]


def ini_examples() -> list[tuple[str, str]]:
    names = ("trial-ini", "notices-and-schedules")
    pages = [page for name in names for page in DOCS.glob(f"*/{name}.md")]
    return [
        (f"{page.parent.name}-{page.stem}-{number}", example)
        for page in sorted(pages)
        for number, example in enumerate(
            re.findall(r"```ini\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        )
        if "[platform_config]" in example and "[metric_config]" in example
        if example not in {faulty for _, faulty, _ in told_examples()}
    ]


@pytest.mark.parametrize(("name", "example"), ini_examples())
def test_complete_examples_in_the_documents_load(ini, name: str, example: str) -> None:
    assert name
    (ini.path.parent / "pipeline.config").write_text("a: 1\n", encoding="utf-8")

    settings = ini.load(example)

    assert settings.steps
    assert settings.warnings == ()


@pytest.mark.parametrize(("name", "example", "told"), told_examples())
def test_faults_that_the_documents_print_are_those_that_users_see(
    ini, name: str, example: str, told: str
) -> None:
    assert name
    assert "\n".join(ini.problems(example)) == told.rstrip()
