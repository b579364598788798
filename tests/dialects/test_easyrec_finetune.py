"""The documented finetune file, as it plans its days, and as it runs on a cloud that is here."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.cli.main import main
from hpo_nni.dialects.commands import loader_of
from hpo_nni.dialects.easyrec_finetune import CHECKPOINT, finetune_arguments, load_finetune
from hpo_nni.errors import SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.database import FILE_NAME
from hpo_nni.ledger.records import JUDGED
from hpo_nni.metrics import FinalMode
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.maxcompute import MaxComputePlatform
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.platforms.pai_command import parse_pai_command
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.day_settings import Gap, Missing
from hpo_nni.trial.settings import Substitutions

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/maxcompute_easyrec/finetune"
DOCUMENTED = (FOLDER / "config_finetune.ini").read_text(encoding="utf-8")
RATE = (
    "train_config.optimizer_config[0].adam_optimizer.learning_rate"
    ".exponential_decay_learning_rate.initial_learning_rate"
)
TRIAL = Substitutions("ExpA", "Tr1", point={RATE: 1e-05})


def days(first="2022-06-17", last="2022-06-18", unit="day"):
    return argparse.Namespace(start_time=first, end_time=last, unit=unit)


@pytest.fixture
def load(tmp_path):
    """Load a `config_finetune.ini` of this text."""

    def load(text=DOCUMENTED, arguments=None):
        path = tmp_path / "config_finetune.ini"
        path.write_text(text, encoding="utf-8")
        return load_finetune(path, TRIAL, arguments=arguments or days())

    return load


def flows(settings):
    return [parse_pai_command(step.command).parameters for step in settings.steps]


def test_each_day_is_a_step_that_starts_from_the_day_before(load):
    settings = load()

    assert [step.key for step in settings.steps] == ["cmd1_20220617", "cmd1_20220618"]
    first, second = flows(settings)
    assert first["train_tables"].endswith("_shuffle_20220617")
    assert first["eval_tables"].endswith("_modify/dt=20220618")
    place = "oss://easyrec/xxx/finetune/20220617_finetune_model_nni_622"
    assert first["model_dir"] == f"{place}/ExpA_Tr1"
    edits = [json.loads(flow["edit_config_json"]) for flow in (first, second)]
    assert edits[0][CHECKPOINT] == place.replace("20220617", "20220616")
    assert edits[1][CHECKPOINT] == first["model_dir"]
    assert all(float(edit[RATE]) == 1e-05 for edit in edits)


def test_each_day_is_a_metric_source_and_the_score_is_their_mean(load):
    settings = load(arguments=days(last="2022-06-20"))

    names = [name for name, _ in settings.metrics.sources]
    assert names == [f"metric_source_202206{day}" for day in (17, 18, 19, 20)]
    assert settings.metrics.sources[3][1] == f"{flows(settings)[3]['model_dir']}/eval_val/"
    assert settings.metrics.final_mode is FinalMode.FINAL
    assert settings.metrics.source_list_final_mode is FinalMode.AVG


def test_each_day_says_what_it_needs_starts_from_and_makes(load):
    first, second = load().steps
    table = f"odps://pai_rec_dev/tables/{STEM}"

    assert second.link.data == (f"{table}_shuffle_20220618", f"{table}_modify/dt=20220619")
    assert second.link.start == first.link.model
    moved = second.started_from(first.link.start)
    assert parse_pai_command(moved.command).parameters["edit_config_json"] == json.dumps(
        {CHECKPOINT: START, RATE: 1e-05}
    ).replace("1e-05", "1.0e-05")
    assert moved.command.count("ExpA_Tr1") == second.command.count("ExpA_Tr1") - 1


def test_policies_stand_in_a_section_of_their_own(load):
    days = load(DOCUMENTED + "\n[day_config]\nmissing_policy=skip\nleast_share=0.9\n").days

    assert (days.looks, days.missing, days.failed) == (True, Missing.SKIP, Gap.FAIL)
    with pytest.raises(SettingsError, match="has no key 'data_20220617'"):
        load(DOCUMENTED + "\n[day_config]\ndata_20220617=x\n")


def test_weeks_and_formats(load):
    text = DOCUMENTED.replace("shuffle_{bizdate}", "shuffle/ds={bizdate:%Y-%m-%d}")
    settings = load(text, days("2022-12-26", "2023-01-02", "week"))

    assert [flow["train_tables"][-10:] for flow in flows(settings)] == ["2022-12-26", "2023-01-02"]
    assert flows(settings)[1]["eval_tables"].endswith("dt=20230109")


def test_hours_cross_midnight_and_formats_must_tell_them_apart(load):
    hours = days("2022-06-30 23:00", "2022-07-01 00:00", "hour")
    settings = load(arguments=hours)

    assert [step.key for step in settings.steps] == ["cmd1_2022063023", "cmd1_2022070100"]
    assert flows(settings)[0]["eval_tables"].endswith("dt=2022070100")
    assert settings.steps[0].link.start.endswith("/2022063022_finetune_model_nni_622")
    text = DOCUMENTED.replace("{bizdate}_fine", "{bizdate:%Y%m}_fine")
    with pytest.raises(SettingsError, match=r"several hours would write to oss://.*/202207_fine"):
        load(text, days("2022-07-01 00:00", "2022-07-01 01:00", "hour"))


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("-Dedit_config_json=", "-Dedit=", "fine_tune_checkpoint is not in -Dedit_config_json"),
        ("{predate}", "{bizdate}", "a day would start from oss://easyrec/xxx/finetune/20220618"),
        ("/{bizdate}_fine", "/fine", "several days would write to oss://easyrec/xxx/finetune/fine"),
        ("-Dcluster", "Dcluster", "'Dcluster' is no option of PAI"),
        ("auc_is_like=0.25", "auc_is_like=x", "'x' is not a weight"),
    ],
)
def test_each_fault_says_what_and_where(load, before, after, problem):
    with pytest.raises(SettingsError) as caught:
        load(DOCUMENTED.replace(before, after, 1))

    assert problem in str(caught.value)


def test_faults_of_the_days_come_with_those_of_the_file(load):
    with pytest.raises(SettingsError) as caught:
        load(DOCUMENTED.replace("-name=", "-nam=", 1), days("20220631"))

    assert "--start_time: '20220631' is not a date" in str(caught.value)
    assert "'-nam' is no option of PAI" in str(caught.value)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("python3 ./run_finetune.py --config=x --start_time=2022-06-01", ("2022-06-01", "day")),
        ("python3 run_finetune.py --config x --unit hour", ("2022-05-30", "hour")),
        ("python3 ./run_begin.py --config=x", None),
        ("python3 'open", None),
    ],
)
def test_the_days_are_read_from_the_trial_command(command, found):
    arguments = finetune_arguments(command)

    assert (arguments and (arguments.start_time, arguments.unit)) == found


def test_a_settings_file_is_read_as_its_trial_command_reads_it(tmp_path):
    ini = FOLDER / "config_finetune.ini"
    command = "python3 ./run_finetune.py --start_time=2022-06-17 --end_time=2022-06-17"

    assert len(loader_of(command, ini)(ini, TRIAL).steps) == 1
    with pytest.raises(SettingsError, match=r"\{bizdate\} stands for a day"):
        loader_of("python3 ./run_begin.py", ini)(ini, TRIAL)
    with pytest.raises(SettingsError, match="invalid choice: 'year'"):
        loader_of(f"{command} --unit=year", ini)
    with pytest.raises(SettingsError, match="cannot be read"):
        loader_of(command, tmp_path / "gone.ini")(tmp_path / "gone.ini", TRIAL)


PAIR = {"the id of the key": "the secret of the key"}
STEM = "rec_sv_rebuild_acc_rnk_rank_sample_embedding"
START = "oss://easyrec/xxx/finetune/20220616_finetune_model_nni_622"


@pytest.fixture
def cloud(tmp_path):
    """The project and bucket that the documents name, and the model that the first day needs."""
    config = (ROOT / "samples/pipeline.config").read_text(encoding="utf-8")
    cluster = Cluster(Training(evaluations=2, rows=300, seconds_per_evaluation=0.0))
    with (
        OssServer(tmp_path / "oss", PAIR, buckets=["easyrec"]) as oss,
        MaxComputeServer(oss, PAIR, "pai_rec_dev", cluster=cluster) as jobs,
    ):
        oss.write("easyrec", "xxx/pipeline_finetune.config", config.encode())
        for day in (16, 17, 18):
            jobs.add_click_table(f"{STEM}_shuffle_202206{day}", 300)
        partitions = [f"dt=202206{day}" for day in (17, 18, 19, 20)]
        jobs.add_click_table(f"{STEM}_modify", 300, partitions)
        _train_begin(jobs, tmp_path)
        yield oss, jobs


def _train_begin(jobs, folder):
    credentials = Credentials(*map(Secret, *PAIR.items()))
    connection = MaxComputeConnection("pai_rec_dev", jobs.endpoint, credentials)
    platform = MaxComputePlatform(folder, connect=lambda: connection)
    table = f"odps://pai_rec_dev/tables/{STEM}"
    command = (
        "PAI -name=easy_rec_ext -project=algo_public -Dcmd=train "
        f"-Dconfig=oss://easyrec/xxx/pipeline_finetune.config -Dmodel_dir={START} "
        f"-Dtrain_tables={table}_shuffle_20220616 -Deval_tables={table}_modify/dt=20220617"
    )
    job = platform.submit(platform.plan(JobSpec("begin", command, folder, folder)))
    status = eventually(lambda: (now := job.status()).state.is_final and now)
    assert status.state is JobState.SUCCEEDED, status


def _with_account(oss, jobs):
    text = DOCUMENTED
    for before, after in (
        ("http://oss-cn-beijing.aliyuncs.com", oss.endpoint),
        ("accessKeyID=xxx", "accessKeyID=env:AK"),
        ("accessKeySecret=xxx", "accessKeySecret=env:SK"),
        ("http://service.odps.aliyun.com/api", jobs.endpoint),
        ("auc_is_valid_play=0.5\nauc_is_like=0.25\nauc_is_comment=0.25\n", "auc=1\n"),
        ("loss_play_time=-0.25\n", ""),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


def test_a_late_partition_is_waited_for_and_a_missing_table_left_out(cloud, tmp_path):
    """The documented script and file, against servers that really train."""
    oss, jobs = cloud
    policies = "missing_policy=wait\nwait_seconds=2\npoll_seconds=0.2\nafter_wait=skip\n"
    text = _with_account(oss, jobs) + f"[day_config]\n{policies}"
    (tmp_path / "config_finetune.ini").write_text(text, encoding="utf-8")
    ((key, secret),) = PAIR.items()
    command = [
        sys.executable, FOLDER / "run_finetune.py", "--config=config_finetune.ini",
        "--exp_dir=exp", "--start_time=2022-06-17", "--end_time=2022-06-19",
    ]  # fmt: skip
    environ = os.environ | {"AK": key, "SK": secret}
    del jobs.catalogs["pai_rec_dev"].tables[f"{STEM}_shuffle_20220618"]
    trial = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environ)
    eventually(lambda: any("shuffle_20220619" in one.path for one in jobs.exchanges))
    asked = len([one for one in jobs.instances if one.log])
    jobs.add_click_table(f"{STEM}_shuffle_20220619", 300)
    _, said = trial.communicate(timeout=300)

    assert trial.returncode == 0, said
    assert asked == 2, "no job is submitted while a day is waited for"
    for day in (18, 19):
        assert f"waits for odps://pai_rec_dev/tables/{STEM}_shuffle_202206{day}" in said
    (path,) = tmp_path.rglob(FILE_NAME)
    with Ledger.open(path.parent) as ledger:
        (experiment,) = ledger.experiments()
        (entry,) = ledger.trials(experiment.id)
        days = [one for one in ledger.evaluations(entry.id) if one.source == JUDGED]
        steps = [job.step for job in ledger.jobs(entry.id)]
        assert ledger.days_left_out(experiment.id).keys() == {"cmd1_20220618"}
    assert steps == ["cmd1_20220617", "cmd1_20220619"]
    assert [day.step for day in days] == [1, 3]
    assert entry.score == pytest.approx(sum(day.score for day in days) / 2)
    *_, last = ["\n".join(one.log) for one in jobs.instances if one.log]
    own = f"{START.replace('0616', '0617')}/{experiment.id}_{entry.id}"
    assert f"restored from {own}, without exception" in last


def test_a_day_trained_once_is_not_trained_again_and_can_be_pruned(cloud, tmp_path, monkeypatch):
    """Three trials with one configuration: the service counts the jobs."""
    oss, jobs = cloud
    (tmp_path / "config_finetune.ini").write_text(_with_account(oss, jobs), encoding="utf-8")
    ((key, secret),) = PAIR.items()
    for name, value in (("AK", key), ("SK", secret)):
        monkeypatch.setenv(name, value)

    def run():
        """Walk through two days; returns what the jobs were told that this took."""
        before = len(jobs.instances.submitted())
        command = [
            sys.executable, FOLDER / "run_finetune.py", "--config=config_finetune.ini",
            "--exp_dir=exp", "--start_time=2022-06-17", "--end_time=2022-06-18",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [one.parameters for one in jobs.instances.submitted()[before:]]

    walks = [run(), run()]
    jobs.add_click_table(f"{STEM}_shuffle_20220618", 310)  # somebody has written it anew
    walks.append(run())

    made = [[job["model_dir"].split("/")[-2][:8] for job in walk] for walk in walks]
    assert made == [["20220617", "20220618"], [], ["20220618"]]  # 3 jobs in the place of 6
    started = json.loads(walks[2][0]["edit_config_json"])[CHECKPOINT]
    assert started == walks[0][0]["model_dir"]  # the model of another trial
    (path,) = tmp_path.rglob(FILE_NAME)
    with Ledger.open(path.parent) as ledger:
        trials = ledger.trials(ledger.experiments()[0].id)
        assert [len(ledger.jobs(one.id)) for one in trials] == [2, 0, 1]
        assert sum(one.is_reused for one in ledger.training_uses()) == 3
    assert trials[0].score == trials[1].score

    assert main(["prune", "--best=0", "--yes", "--dir", str(path.parent)]) == 0
    left = {one.key.split("/")[2] for one in oss.objects("easyrec", "xxx/finetune/")}
    assert left == {START.rpartition("/")[2]}


def test_prices_go_with_the_cluster_of_the_command(load):
    settings = load(DOCUMENTED + "\n[cost_config]\ncpu_hour=0.5\nmemory_hour=0.1\nbudget=9\n")
    resources, rate = settings.costs.charge(settings.steps[0].command)

    assert resources["cpu"] > 0
    assert rate == pytest.approx(resources["cpu"] * 0.5 + resources.get("memory", 0) * 0.1)
    assert settings.costs.budget == 9
