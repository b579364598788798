from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hpo_nni.errors import MetricError, SilentMetricError, StoreError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import JUDGED, EvaluationRecord, ExperimentRecord, TrialRecord
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.trainer.events import header, scalars
from hpo_nni.trial.meter import Meter
from hpo_nni.trial.place import Place
from hpo_nni.trial.settings import Substitutions, load_settings

if TYPE_CHECKING:
    from pathlib import Path

INI = """\
[platform_config]
name=local
cmd1=true
cmd2=true
[metric_config]
metric_type=json
metric_source=${NNI_OUTPUT_DIR}/m.jsonl
metric_dict={'auc': 1, 'loss': -0.5, 'time': 0}
report_interval=0
"""
FOLDS = """metric_source1=${NNI_OUTPUT_DIR}/fold1.jsonl
metric_source2=${NNI_OUTPUT_DIR}/fold2.jsonl"""


class Rig:
    """A meter over real files and a real ledger."""

    def __init__(self, folder: Path, ledger: Ledger, ini: str, direction: str) -> None:
        self.folder = folder
        self.ledger = ledger
        self.reports: list[tuple[int, dict]] = []
        (folder / "trial.ini").write_text(ini, encoding="utf-8")
        settings = load_settings(folder / "trial.ini", Substitutions("e", "t", folder, {}))
        ledger.begin_experiment(ExperimentRecord("e", 1.0, direction))
        for number, trial in enumerate(["t", "other"]):
            ledger.begin_trial(TrialRecord(trial, "e", number, 1.0))
        place = Place("e", "t", 0, folder, folder, None)
        self.meter = Meter(place, settings, ledger, lambda *report: self.reports.append(report))

    def write(self, *rows, file="m.jsonl"):
        with (self.folder / file).open("a") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)

    def evaluations(self, source=JUDGED):
        found = self.ledger.evaluations("t")
        return [(one.step, one.score) for one in found if one.source == source]


@pytest.fixture
def rig(tmp_path):
    ledgers = []

    def rig(*replacements, direction="maximize"):
        ini = INI
        for old, new in replacements:
            assert old in ini
            ini = ini.replace(old, new)
        ledgers.append(Ledger.open(tmp_path / "expdir"))
        return Rig(tmp_path, ledgers[-1], ini, direction)

    yield rig
    for ledger in ledgers:
        ledger.close()


def row(step, auc, loss=0.0, **more):
    return {"step": step, "auc": auc, "loss": loss, **more}


def test_a_job_that_runs_and_tells_nothing_fails_at_last(rig):
    rig = rig(("report_interval=0", "report_interval=0\nsilence_timeout=1e-9"))
    rig.meter.poll()  # it waits in a queue
    rig.write(row(1, 0.5))
    rig.meter.poll(is_running=True)
    rig.meter.poll(is_running=True)
    with pytest.raises(SilentMetricError, match="its job runs, and no metric has come"):
        rig.meter.poll(is_running=True)


def test_each_complete_step_is_recorded_and_reported_with_its_raw_metrics(rig):
    rig = rig()
    rig.write(row(1, 0.5, 0.2, time=9), row(2, 0.75, 0.5, time=9))
    rig.meter.poll()
    rig.meter.poll()

    assert rig.evaluations() == [(1, 0.4), (2, 0.5)]
    assert rig.reports == [
        (0, {"default": 0.4, "auc": 0.5, "loss": 0.2, "time": 9.0}),
        (1, {"default": 0.5, "auc": 0.75, "loss": 0.5, "time": 9.0}),
    ]


def test_the_ledger_gets_what_the_rate_limit_keeps_from_nni(rig):
    rig = rig(("report_interval=0", "report_interval=3600"))
    rig.write(*(row(step, step / 10, time=0) for step in range(1, 6)))
    rig.meter.poll()
    assert [values["default"] for _, values in rig.reports] == [0.1]

    final = rig.meter.final()

    assert len(rig.evaluations()) == 5
    assert [(number, values["default"]) for number, values in rig.reports] == [(0, 0.1), (1, 0.5)]
    assert final.score == 0.5


@pytest.mark.parametrize(
    ("mode", "direction", "score"),
    [
        ("best", "maximize", 0.75),
        ("best", "minimize", 0.25),
        ("final", "maximize", 0.25),
        ("avg", "maximize", 0.5),
    ],
)
def test_the_final_score_follows_mode_and_direction(rig, mode, direction, score):
    rig = rig(("report_interval=0", f"report_interval=0\nfinal_mode={mode}"), direction=direction)
    rig.write(row(1, 0.5), row(2, 0.75), row(3, 0.25))

    assert rig.meter.final().score == score


def test_the_experiments_direction_wins_over_the_inis(rig):
    rig = rig(
        ("report_interval=0", "report_interval=0\noptimize_mode=maximize"), direction="minimize"
    )

    assert rig.meter.direction.value == "minimize"


def test_a_score_that_is_no_number_fails_the_trial_and_is_in_the_ledger(rig):
    rig = rig()
    rig.write(row(1, 0.5), {"step": 2, "auc": float("nan"), "loss": 0.1})

    with pytest.raises(MetricError, match="'auc' is nan at step 2"):
        rig.meter.final()

    assert rig.evaluations() == [(1, 0.5), (2, None)]
    assert [values["default"] for _, values in rig.reports] == [0.5]


def test_skipped_steps_are_neither_reported_nor_scored(rig):
    rig = rig(("report_interval=0", "report_interval=0\nnonfinite_policy=skip"))
    rig.write(row(1, 0.5), {"step": 2, "auc": float("inf"), "loss": 0.1}, row(3, 0.25))

    assert rig.meter.final().score == 0.5
    assert [values["default"] for _, values in rig.reports] == [0.5, 0.25]


def test_the_worst_score_of_the_experiment_stands_in(rig):
    rig = rig(("report_interval=0", "report_interval=0\nnonfinite_policy=worst"))
    rig.ledger.add_evaluations([EvaluationRecord("other", JUDGED, 1, {}, 0.125, 1.0)])
    rig.write({"step": 1, "auc": float("nan"), "loss": 0.1})

    assert rig.meter.final().score == 0.125


def test_a_trial_without_any_metric_fails_with_what_was_looked_for(rig):
    with pytest.raises(MetricError, match=r"'auc', 'loss' never appeared\n.*m\.jsonl"):
        rig().meter.final()


def test_of_several_sources_each_completed_one_is_one_result(rig):
    rig = rig(("metric_source=${NNI_OUTPUT_DIR}/m.jsonl", FOLDS))
    rig.write(row(1, 0.5), row(2, 0.75), file="fold1.jsonl")
    rig.meter.poll()
    assert rig.reports == []

    rig.meter.complete("cmd1")
    assert [(number, values["default"]) for number, values in rig.reports] == [(0, 0.75)]
    rig.write(row(1, 0.25), file="fold2.jsonl")
    rig.meter.complete("cmd2")
    final = rig.meter.final()

    assert [(number, values["default"]) for number, values in rig.reports] == [(0, 0.75), (1, 0.25)]
    assert rig.evaluations() == [(1, 0.75), (2, 0.25)]
    assert rig.evaluations("metric_source1") == [(1, 0.5), (2, 0.75)]
    assert final.score == 0.75


def test_a_days_source_is_not_looked_at_before_its_step_begins(rig):
    days = "metric_source_1=${NNI_OUTPUT_DIR}/1.jsonl\nmetric_source_2=${NNI_OUTPUT_DIR}/2.jsonl"
    rig = rig(
        ("metric_source=${NNI_OUTPUT_DIR}/m.jsonl", days),
        ("cmd1=true\ncmd2=true", "cmd_1=true\ncmd_2=true"),
    )
    for name in ("1", "2"):
        rig.write(row(1, 0.5, time=9), file=f"{name}.jsonl")

    rig.meter.begin("cmd_1")
    rig.meter.poll()
    assert rig.evaluations("metric_source_1") == [(1, 0.5)]
    assert not rig.evaluations("metric_source_2")
    rig.meter.complete("cmd_1")
    rig.meter.begin("cmd_2")
    rig.meter.poll()
    assert rig.evaluations("metric_source_2") == [(1, 0.5)]


def test_a_fold_without_a_score_fails_the_trial(rig):
    rig = rig(("metric_source=${NNI_OUTPUT_DIR}/m.jsonl", FOLDS))
    rig.write(row(1, 0.5), file="fold1.jsonl")

    with pytest.raises(MetricError, match="metric_source2"):
        rig.meter.final()


def test_what_a_step_prints_on_both_streams_is_one_source(rig):
    rig = rig(
        (
            "metric_type=json\nmetric_source=${NNI_OUTPUT_DIR}/m.jsonl",
            "metric_type=stdout\nmetric_source=cmd2",
        ),
        ("{'auc': 1, 'loss': -0.5, 'time': 0}", r"{'auc = ([\d.]+)': 1, 'loss = ([\d.]+)': -1}"),
    )
    (rig.folder / "cmd1.stdout").write_text("auc = 0.9\n")
    (rig.folder / "cmd2.stdout").write_text("auc = 0.5\n")
    (rig.folder / "cmd2.stderr").write_text("loss = 0.25\n")

    assert rig.meter.final().score == 0.25
    assert rig.evaluations() == [(1, 0.25)]


def test_a_log_file_of_the_users_own_is_read_where_it_lies(rig):
    rig = rig(
        (
            "metric_type=json\nmetric_source=${NNI_OUTPUT_DIR}/m.jsonl",
            "metric_type=stdout\nmetric_source=${NNI_OUTPUT_DIR}/logs/train.log",
        ),
        ("{'auc': 1, 'loss': -0.5, 'time': 0}", "{'auc = ([0-9.]+)': 1}"),
    )
    (rig.folder / "logs").mkdir()
    (rig.folder / "logs" / "train.log").write_text("auc = 0.75\n")

    assert rig.meter.final().score == 0.75


def test_damaged_records_are_counted_in_the_log(rig, caplog):
    rig = rig()
    rig.write(row(1, 0.5))
    with (rig.folder / "m.jsonl").open("a") as stream:
        stream.write("{broken\n")
    rig.write(row(2, 0.75))

    assert rig.meter.final().score == 0.75
    assert "m.jsonl" in caplog.text


ON_OSS = """metric_type=summary
metric_source=oss://bkt/m/"""
ACCOUNT = """report_interval=0
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=env:AK
accessKeySecret=env:SK"""


def test_what_the_service_refuses_in_the_end_is_no_score(rig, tmp_path, monkeypatch):
    """The job went well, and what it wrote last cannot be read any more."""
    monkeypatch.setenv("AK", "meter-id")
    monkeypatch.setenv("SK", "meter-secret")
    with OssServer(tmp_path / "oss", {"meter-id": "meter-secret"}, buckets=["bkt"]) as server:
        monkeypatch.setenv("OSS_HERE", server.endpoint)
        rig = rig(
            ("metric_type=json\nmetric_source=${NNI_OUTPUT_DIR}/m.jsonl", ON_OSS),
            ("'auc': 1, 'loss': -0.5, 'time': 0", "'auc': 1"),
            ("report_interval=0", ACCOUNT),
        )
        file = header() + scalars(1, {"auc": 0.5})
        server.write("bkt", "m/events.out.tfevents.1.here", file)
        rig.meter.catch_up()
        file += scalars(2, {"auc": 0.25})
        server.write("bkt", "m/events.out.tfevents.1.here", file)
        server.faults.add(
            RequestFault(Action.REFUSE, "GET", status=403, code="SecurityTokenExpired", times=0)
        )

        with pytest.raises(StoreError, match="SecurityTokenExpired"):
            rig.meter.catch_up()

    assert rig.evaluations() == [(1, 0.5)]
