"""NNI's own web page of a finished experiment, in a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = [pytest.mark.nni, pytest.mark.browser]

# `hpo-nni run` stops NNI in the end; here the page stays up until an interrupt comes.
STAY = """
import signal
from pathlib import Path
from hpo_nni.nni_api.launch import LaunchOptions, launch
running = launch(Path("config.yml"), LaunchOptions())
try:
    print("READY", running.port, running.id, flush=True)
    signal.pause()
except KeyboardInterrupt:
    pass
finally:
    running.stop()
    running.await_end()
"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SPACE = {
    "model.quality": {"_type": "uniform", "_value": [0, 1]},
    "train.epochs": {"_type": "choice", "_value": [2, 3, 4]},
    "train.seconds": {"_type": "choice", "_value": [0.05]},
}
PATIENCE = 20_000  # milliseconds


@pytest.fixture
def page(request):
    """A page of the Chromium that the machine has."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("HPO_NNI_REQUIRE_BROWSER") == "1":
            pytest.fail("HPO_NNI_REQUIRE_BROWSER=1, and there is no chromium in PATH")
        pytest.skip("there is no chromium in PATH: the web page is not looked at")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1800})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


@pytest.fixture
def finished(experiment):
    """The address of an experiment that is DONE, and its trials by the ledger."""
    folder = experiment(trialConcurrency=4, maxTrialNumber=8, space=SPACE)
    process = subprocess.Popen(
        [sys.executable, "-c", STAY],
        cwd=folder.path,
        env=folder.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    line = next((line for line in process.stdout if line.startswith("READY")), "")
    try:
        _, port, experiment_id = line.split()
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: RestClient(url).status() == "DONE", seconds=120)
        with Ledger.open(folder.working_directory) as ledger:
            yield url, ledger.trials(experiment_id)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert not processes_with(experiment_id)


def row_of(page, trial):
    row = page.locator('[data-automationid="ListCell"]', has_text=trial.id)
    row.wait_for()
    return row


def expand(row):
    """The lines of a row once its parameters are shown."""
    row.locator('[data-automation-key="_expand"] i').click()
    row.get_by_text("Copy as json").wait_for()
    return row.inner_text().splitlines()


def as_shown(parameters):
    return [f"{key}:{value!r}" for key, value in parameters.items()]


def cell(row, column):
    return row.locator(f'[data-automation-key="{column}"]').inner_text().split()[0]


def test_the_page_shows_the_best_trials_score_metrics_and_own_parameters(page, finished):
    """At concurrency 4, so that a page could show those of another trial."""
    url, trials = finished
    succeeded = [trial for trial in trials if trial.state is TrialState.SUCCEEDED]
    best = max(succeeded, key=lambda trial: trial.score)

    page.goto(f"{url}/oview")
    row = row_of(page, best)
    assert float(cell(row, "accuracy")) == pytest.approx(best.score, abs=1e-6)
    assert set(as_shown(best.parameters)) <= set(expand(row))
    assert f"{best.score:.6f}" in page.inner_text("body")  # as the experiment's best metric

    page.goto(f"{url}/detail")
    for trial in trials:
        assert set(as_shown(trial.parameters)) <= set(expand(row_of(page, trial))), trial.id

    # the raw metrics: of the final result as columns, of the intermediate ones in a chart
    page.get_by_text("Add/Remove columns").click()
    for metric in "accuracy", "loss":
        page.get_by_text(f"{metric} (metric)").click()
    page.get_by_role("button", name="Save").click()
    row = row_of(page, best)
    accuracy = best.parameters["model.quality"] * (1 - 0.5 ** best.parameters["train.epochs"])
    assert float(cell(row, "metric/accuracy")) == pytest.approx(accuracy, abs=1e-6)
    assert float(cell(row, "metric/loss")) == pytest.approx(1 - accuracy, abs=1e-6)
    row.locator('button[title="Intermediate"]').click()
    page.locator(".ms-Modal .ms-Dropdown").click()
    assert page.get_by_role("option").all_inner_texts() == ["default", "accuracy", "loss"]
