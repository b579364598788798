from __future__ import annotations

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord


@pytest.fixture
def ledger(tmp_path):
    """A ledger with one experiment `Exp1` and one running trial `Abc`; its clock stands at 100."""
    with Ledger.open(tmp_path / "work", clock=lambda: 100.0) as opened:
        opened.begin_experiment(ExperimentRecord("Exp1", started=1.0, direction="maximize"))
        opened.begin_trial(TrialRecord("Abc", "Exp1", number=0, started=2.0))
        yield opened
