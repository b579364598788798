from __future__ import annotations

import json

import pytest

from hpo_nni.errors import NniError
from hpo_nni.nni_api.rest import ExperimentLimits, RestClient, TrialStatus, _trial, seconds
from hpo_nni.testing.nni import EXPERIMENT


@pytest.fixture
def rest(nni):
    return RestClient(nni.url + "/", timeout=5)


def test_an_experiment_tells_how_it_stands(nni, rest):
    nni.limits |= {"maxExperimentDuration": "10m", "maxTrialDuration": 30}

    assert rest.status() == "RUNNING"
    assert rest.errors() == []
    assert rest.experiment_id() == EXPERIMENT
    assert rest.elapsed() == 5
    assert rest.limits() == ExperimentLimits(1, 10, 600.0, 30.0)


def test_a_trial_is_shown_with_its_parameters(nni, rest):
    expected = TrialStatus("TrA1", 3, "RUNNING", {"lr": 0.1}, 7, None)

    assert rest.trials() == [expected]
    assert rest.trial("TrA1") == expected


def test_a_limit_is_changed_as_the_page_does_it(nni, rest):
    rest.change("TRIAL_CONCURRENCY", "trialConcurrency", 4)

    method, path, body = nni.requests[-1]
    assert (method, path) == ("PUT", "/api/v1/nni/experiment?update_type=TRIAL_CONCURRENCY")
    assert body["params"] == {"trialConcurrency": 4, "maxTrialNumber": 10}


def test_a_trial_is_cancelled_and_an_experiment_stopped(nni, rest):
    rest.cancel_trial("TrA1")
    rest.stop()

    assert [request[:2] for request in nni.requests] == [
        ("DELETE", "/api/v1/nni/trial-jobs/TrA1"),
        ("DELETE", "/api/v1/nni/experiment"),
    ]


def test_a_prefix_of_the_address_stays(nni):
    with pytest.raises(NniError, match="404"):
        RestClient(f"{nni.url}/prefix").status()
    assert nni.requests[-1][1] == "/prefix/api/v1/nni/check-status"


def test_a_refusal_is_an_error_in_nnis_words(nni, rest):
    with pytest.raises(NniError, match=r"NNI refused GET /trial-jobs/other: 404 .*no /api"):
        rest.trial("other")


def test_silence_is_an_error_that_names_the_address(nni, rest):
    nni.close()

    with pytest.raises(NniError, match=f"NNI does not answer at {nni.url}"):
        rest.status()


@pytest.mark.parametrize(
    ("data", "final"),
    [
        ('"0.5"', 0.5),
        (json.dumps(json.dumps({"default": 0.5, "auc": 1})), 0.5),
        (json.dumps({"default": 0}), 0.0),
        (json.dumps({"auc": 1}), None),
        ("[1]", None),
    ],
)
def test_a_final_metric_is_a_number_or_a_default_among_others(data, final):
    entry = {"trialJobId": "a", "status": "SUCCEEDED", "finalMetricData": [{"data": data}]}

    assert _trial(entry).final == final


@pytest.mark.parametrize(
    ("duration", "expected"),
    [(None, None), (90, 90.0), ("90", 90.0), ("1.5h", 5400.0), ("2d", 172800.0), (" 5s ", 5.0)],
)
def test_durations_are_seconds(duration, expected):
    assert seconds(duration) == expected
