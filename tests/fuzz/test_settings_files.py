"""Damaged settings files of trials, old and new, and what stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.dialects.commands import loader_of
from hpo_nni.dialects.easyrec_finetune_config import _read_ossutil
from hpo_nni.failures import Evidence, classify
from hpo_nni.platforms.maxcompute_edits import read_edits
from hpo_nni.platforms.pai_command import format_pai_command, parse_pai_command
from hpo_nni.testing.fuzzing import damaged, examples, survives
from hpo_nni.trial.accounts import load_accounts
from hpo_nni.trial.ini import read_ini, split_lines
from hpo_nni.trial.monitor import load_monitor
from hpo_nni.trial.settings import load_settings
from hpo_nni.trial.substitutions import Substitutions
from hpo_nni.trial.templates import render

ROOT = Path(__file__).parents[2]
LOOPS = """\
{% set days = date_range(20220616, 20220619) %}
[platform_config]
name=local
{% for day in days %}
cmd_{{ day }} = python3 train.py --train {{ day }} --test {{ day | add_days(1) }} \\
  --lr ${lr} --out "${NNI_OUTPUT_DIR}/{{ day }}" '${tuner_params_json}' $(date) `x` <<EOF
EOF
{% endfor %}
[metric_config]
metric_type=stdout
metric_source=cmd1
metric_dict={'auc=([0-9.]+)': 1, 'loss': -0.25}
final_mode=best
[params_config]
params_src_dst_filepath=a.config,${NNI_OUTPUT_DIR}/b.config
[schedule_config]
start_time=22:00
end_time=06:00
time_zone=Asia/Shanghai
[monitor_config]
url=env:URL
at_mobiles=['1', '2']
[failure_config]
retries=2
transient_nccl = log: NCCL (error|WARN)
user_2 = exit: 77, 78
rules_file = shared.ini
[cost_config]
currency=CNY
cpu_hour=0.35
gpu_hour_v100=12
budget=500
prices=shared.ini
"""
SHARED = """\
[failure_config]
infeasible_x = message: (?i)out of memory
[cost_config]
job_hour = 1.5
"""
FILES = {
    "loops": LOOPS,
    **{
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in sorted([*ROOT.glob("examples/*/*/*.ini"), *ROOT.glob("samples/*.ini")])
    },
}
WORDS = [
    "[platform_config]",
    "[metric_config]",
    "[easyrec_cmd_config]",
    "\n[oss_config]\n",
    "\nname=MaxCompute\n",
    "PAI -name=x -Dy='z'",
    "{% for x in range(10**9) %}",
    "{% endfor %}",
    "{{ 'x' * 10**10 }}",
    "{{ 9**9**9 }}",
    "{{ [0] * 10**9 }}",
    "{{ ''.__class__.__mro__ }}",
    "{% include 'x' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 20220630 + 1 }}",
    "{{ 'x' | add_days(10**30) }}",
    "{{ date_range('0001-01-01', '9999-12-31') }}",
    "{{ '%999999999d' % 1 }}",
    "{{ 'x'.ljust(10**10) }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'x' | center(10**10) }}",
    "${lr}",
    "${",
    "$((${lr}))",
    "'''",
    "\\\n",
    "(((((",
    "{'a': " * 200,
    "9" * 5000,
    "1e999",
    "-nan",
]
POINT = {"lr": 0.1, "a;b": [1, 2], "${x}": {"_name": "y", "z": "it's"}, "f[:].d": None}
NAMES = sorted(FILES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ini")


def write(folder, text):
    path = folder / "trial.ini"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@examples(0.7)
def test_a_damaged_settings_file_is_read_or_refused(folder, name, data):
    path = write(folder, data.draw(damaged([FILES[name]], WORDS)))
    command = "python3 run_finetune.py --config=trial.ini" if "finetune" in name else "x"

    survives(lambda: loader_of(command, path)(path, Substitutions(point=POINT)))
    survives(lambda: load_settings(path, Substitutions()))
    survives(lambda: load_accounts(path))
    survives(lambda: load_monitor(path))


@given(shared=damaged([SHARED], [*WORDS, "(a+)+$", "[", "exit: x", "log:", "-1"]), log=st.text())
@examples()
def test_damaged_tables_of_failures_and_prices_are_read_or_refused(folder, shared, log):
    (folder / "shared.ini").write_bytes(shared.encode("utf-8", "surrogatepass"))
    path = write(folder, LOOPS)

    settings = survives(lambda: load_settings(path, Substitutions(point={"lr": 0.1})))
    (folder / "shared.ini").unlink()
    if settings is not None:
        survives(lambda: classify(Evidence(log=log), settings.failures.rules))
        survives(lambda: settings.costs.charge("x"))


@given(text=damaged([LOOPS, *WORDS], WORDS))
@examples()
def test_any_template_is_rendered_or_refused(text):
    survives(lambda: render(text, "trial.ini"))


@given(text=damaged(list(FILES.values()), WORDS))
@examples()
def test_any_ini_is_read_with_its_problems(text):
    survives(lambda: read_ini(split_lines(text), "trial.ini"))


PAI = [
    (
        "PAI -name=easy_rec_ext -project=algo_public -Dconfig=oss://b/p.config "
        '-Dcluster=\'{"ps": {"count": 1}}\' -Dedit_config_json=\'{"a.b[0]": 1e-3}\' '
        '-Dtrain_tables="odps://p/tables/t/dt=20220616" -Dx=${lr};'
    ),
    "pai -name x\n  -Dselected_cols=a,b -Dsql=\"select 'x' from t\"",
]


@given(text=damaged(PAI, ["-D", "'", '"', "{", "-name=", "=", ";", "\\", "(" * 2000]))
@examples(2)
def test_a_damaged_pai_command_is_read_as_it_is_written_or_refused(text):
    found = survives(lambda: parse_pai_command(text))
    if found is not None:
        again = survives(lambda: parse_pai_command(format_pai_command(found)))
        assert again is None or again == found


@given(text=damaged(['{"a.b[0]": 1, "c": [1, {"d": null}]}', "a: &x [1]\nb: *x"], ["[" * 900]))
@examples()
def test_damaged_edits_are_read_or_refused(text):
    survives(lambda: read_edits(text))


@given(text=damaged(["[Credentials]\nendpoint=x\naccessKeyID=a\naccessKeySecret=b\n"], ["%(x)s"]))
@examples()
def test_a_damaged_account_of_ossutil_is_read_or_refused(folder, text):
    path = folder / "ossutilconfig"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    survives(lambda: _read_ossutil(path))
