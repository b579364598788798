from __future__ import annotations

import json
import threading

import pytest

from hpo_nni.errors import NniError
from hpo_nni.nni_api.environment import TrialEnvironment
from hpo_nni.nni_api.trial_channel import FileChannel, HttpChannel, TrialPoint, open_channel
from hpo_nni.testing.nni import FileNni

VALUES = {"default": 0.5, "auc": 0.75}


@pytest.fixture
def file_nni(tmp_path):
    return FileNni(tmp_path / "expdir2", "TrA1", {"lr": 0.1})


@pytest.fixture(params=["2.10.1", "3.0"])
def either(request, nni, file_nni):
    return nni if request.param == "3.0" else file_nni


def channel_of(nni):
    return open_channel(TrialEnvironment.from_environ(nni.environment))


def test_a_trial_receives_its_point_and_reports_under_its_id(either):
    channel = channel_of(either)

    assert channel.receive_point() == TrialPoint({"lr": 0.1}, 7)
    channel.report("PERIODICAL", 0, VALUES)
    channel.report("PERIODICAL", 1, VALUES | {"指标": 1e-300})
    channel.report("FINAL", 0, VALUES)

    assert [(one["type"], one["sequence"]) for one in either.metrics] == [
        ("PERIODICAL", 0),
        ("PERIODICAL", 1),
        ("FINAL", 0),
    ]
    assert {(one["parameter_id"], one["trial_job_id"]) for one in either.metrics} == {(7, "TrA1")}
    assert json.loads(either.metrics[1]["value"]) == VALUES | {"指标": 1e-300}


def test_what_is_no_number_is_never_reported(either):
    channel = channel_of(either)
    channel.receive_point()

    with pytest.raises(ValueError, match="JSON compliant"):
        channel.report("FINAL", 0, {"default": float("nan")})
    assert either.metrics == []


def test_of_too_many_metrics_the_score_arrives(either):
    channel = channel_of(either)
    channel.receive_point()

    channel.report("FINAL", 0, VALUES | {f"metric_{n}": 0.123456789 for n in range(40_000)})

    assert either.finals() == [{"default": 0.5}]


def test_a_metric_that_is_refused_is_an_error(either):
    channel = channel_of(either)
    channel.receive_point()
    either.refuse_metrics()

    with pytest.raises(NniError, match=r"refused a metric|cannot report to NNI"):
        channel.report("FINAL", 0, VALUES)


def test_nni_3_is_waited_for_until_it_knows_the_parameters(nni):
    """The trial's process may run before NNI has stored what it meant for it."""
    nni.is_prepared = False
    channel = channel_of(nni)
    points = []
    waiting = threading.Thread(target=lambda: points.append(channel.receive_point()))
    waiting.start()
    while len(nni.requests) < 2:
        assert waiting.is_alive()
    nni.is_prepared = True
    waiting.join(20)

    assert points == [TrialPoint({"lr": 0.1}, 7)]


def test_nni_3_that_never_knows_the_parameters_is_an_error(nni):
    nni.is_prepared = False

    with pytest.raises(NniError, match="NNI knows no parameters of trial TrA1"):
        HttpChannel("TrA1", f"{nni.url}/env/e/TrA1", patience=0).receive_point()


def test_a_trial_that_nni_3_does_not_know_is_an_error(nni):
    with pytest.raises(NniError, match="404"):
        HttpChannel("TrB2", f"{nni.url}/env/e/TrB2", patience=0).receive_point()


def test_a_manager_that_is_gone_is_an_error(nni):
    channel = HttpChannel("TrA1", f"{nni.url}/env/e/TrA1", patience=0, attempts=1)
    nni.close()

    with pytest.raises(NniError, match="does not answer"):
        channel.receive_point()
    with pytest.raises(NniError, match="NNI's manager does not answer"):
        channel.report("FINAL", 0, VALUES)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"parameters": {}}'])
def test_parameters_that_nni_2_left_broken_are_an_error(file_nni, text):
    file = file_nni.directory / "parameter.cfg"
    file.unlink()
    if text is not None:
        file.write_text(text)

    with pytest.raises(NniError, match=r"no readable parameters in .*parameter\.cfg"):
        FileChannel("TrA1", file_nni.directory).receive_point()


def test_a_trial_that_somebody_added_has_no_id(file_nni):
    text = '{"parameter_id": null, "parameter_source": "customized", "parameters": {"lr": 0.3}}'
    (file_nni.directory / "parameter.cfg").write_text(text)
    channel = channel_of(file_nni)

    assert channel.receive_point() == TrialPoint({"lr": 0.3}, None)
    channel.report("FINAL", 0, VALUES)
    assert file_nni.metrics[0]["parameter_id"] is None
