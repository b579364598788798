from __future__ import annotations

import time
from pathlib import Path

from hpo_nni.trial.place import find_place

NNI = {
    "NNI_EXP_ID": "ExpA",
    "NNI_TRIAL_JOB_ID": "TrA1",
    "NNI_TRIAL_SEQ_ID": "4",
    "NNI_SYS_DIR": "/data/expdir/ExpA/trials/TrA1",
    "NNI_OUTPUT_DIR": "/data/expdir/ExpA/trials/TrA1",
}
NOON = time.mktime((2026, 5, 17, 12, 0, 0, 0, 0, -1))


def test_under_nni_a_trial_is_where_nni_says():
    place = find_place(NNI, now=NOON, pid=7)

    assert (place.experiment_id, place.trial_id, place.number) == ("ExpA", "TrA1", 4)
    assert place.working_directory == Path("/data/expdir")
    assert place.output_directory == Path("/data/expdir/ExpA/trials/TrA1")
    assert place.nni is not None


def test_outside_nni_a_trial_has_a_dated_folder_below_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    place = find_place({}, now=NOON, pid=7)

    assert (place.experiment_id, place.number, place.nni) == ("local", -1, None)
    assert place.trial_id == "20260517-120000-7"
    assert place.working_directory == tmp_path / "hpo_nni_trials"
    assert place.output_directory == tmp_path / "hpo_nni_trials" / "20260517-120000-7"
    assert not place.working_directory.exists()


def test_a_trial_can_be_told_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    place = find_place({}, now=NOON, pid=7, folder=Path("exp/Ab3-holdout/Ab3-champion"))

    assert (place.experiment_id, place.trial_id) == ("Ab3-holdout", "Ab3-champion")
    assert place.working_directory == tmp_path / "exp"
    assert place.output_directory == tmp_path / "exp/Ab3-holdout/Ab3-champion"
    assert place.is_owned
