"""`[cost_config]`, the price table, and what of the steps has a price."""

from __future__ import annotations

import pytest

from hpo_nni.trial.cost_settings import load_costs

METRICS = """\
[metric_config]
metric_type=json
metric_source=${NNI_OUTPUT_DIR}/m.jsonl
metric_dict={'auc': 1}
"""
LOCAL = "[platform_config]\nname=local\ncmd1=true\n" + METRICS
CLUSTER = '{"ps":{"count":1,"cpu":1000},"worker":{"count":3,"cpu":1000,"gpu":100,"memory":40000}}'
REMOTE = f"""\
[platform_config]
name=MaxCompute
cmd1=PAI -name=easy_rec_ext -project=algo_public -Dcluster={CLUSTER}
  -Dmodel_dir=oss://bkt/m/${{exp_id}}_${{trial_id}}
[odps_config]
project_name=demo
odps_endpoint=http://x/api
access_id=env:A
access_key=env:B
{METRICS}"""
COSTS = "[cost_config]\ncurrency=CNY\ncpu_hour=0.5 # a core\ngpu_hour=10\ngpu_hour_V100=20\n"


def costs_of(ini, text):
    return ini.load(text).costs


def test_without_the_section_nothing_has_a_cost(ini):
    costs = costs_of(ini, LOCAL)

    assert not costs.has_prices
    assert costs.prices.rate(costs.resources_of("true")) is None


def test_a_pai_command_takes_what_its_cluster_says(ini):
    settings = ini.load(REMOTE + COSTS)
    resources = settings.costs.resources_of(settings.steps[0].command)

    assert resources == {"cpu": 40.0, "gpu": 3.0, "memory": 120.0}
    assert settings.costs.prices.rate(resources) == 40 * 0.5 + 3 * 10
    (warning,) = [one for one in settings.warnings if "cost_config" in one]
    assert "jobs take memory, which has no price and is not counted" in warning


def test_the_type_of_cards_chooses_their_price(ini):
    settings = ini.load(REMOTE + COSTS + "gpu_type=V100\n")
    resources = settings.costs.resources_of(settings.steps[0].command)

    assert resources["gpu:v100"] == 3.0
    assert settings.costs.prices.rate(resources) == 40 * 0.5 + 3 * 20


def test_other_jobs_take_what_the_section_says_or_have_a_price_of_their_own(ini):
    costs = costs_of(ini, LOCAL + COSTS + "cpu=4\ngpu=1\ngpu_type=v100\n")
    by_job = costs_of(ini, LOCAL + "[cost_config]\njob_hour=1.5\n")

    assert costs.prices.rate(costs.resources_of("true")) == 4 * 0.5 + 20
    assert by_job.prices.rate(by_job.resources_of("true")) == 1.5


def test_prices_may_stand_in_a_file_and_the_ini_comes_first(ini):
    table = "[cost_config]\ncurrency=EUR\ncpu_hour=9\ngpu_hour_a10=3\n"
    (ini.path.parent / "prices.ini").write_text(table, encoding="utf-8")
    ini.path.write_text("[cost_config]\nprices=prices.ini\ncpu_hour=1\nbudget=7", encoding="utf-8")

    costs = load_costs(ini.path)

    assert costs.prices.currency == "EUR"
    assert costs.prices.per_hour == {"cpu": 1.0, "gpu:a10": 3.0}
    assert costs.facts() == {"currency": "EUR", "budget": 7.0, "trial_cost": 0.0}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LOCAL + "[cost_config]\nbudget=5\n", "[cost_config]: there is no price"),
        (
            LOCAL + COSTS + "budget=5\n",
            "budget: there is no price for cmd1: it is not known what such a job",
        ),
        (LOCAL + COSTS + "cpu=-1\n", "[cost_config] cpu: '-1' is no amount"),
        (LOCAL + COSTS + "budget=much\ncpu=1\n", "[cost_config] budget: 'much' is no amount"),
        (LOCAL + COSTS + "cpu_hours=1\ncpu=1\n", "did you mean 'cpu_hour'"),
        (LOCAL + "[cost_config]\nprices=gone.ini\n", "prices: the price table cannot be used"),
        (REMOTE.replace(":1000}", ":-1}") + COSTS, "-Dcluster of cmd1: cpu of ps is -1, which is"),
        (REMOTE.replace(CLUSTER, "big") + COSTS, "-Dcluster of cmd1: this is not JSON"),
        (REMOTE.replace(CLUSTER, "5") + COSTS, "-Dcluster of cmd1: expected roles, each with"),
    ],
)
def test_each_fault_says_what_and_where(ini, text, problem):
    assert problem in "\n".join(ini.problems(text))


def test_a_step_without_a_price_is_named(ini):
    (warning,) = ini.load(LOCAL + COSTS).warnings

    assert "there is no price for cmd1: it is not known what such a job takes" in warning
