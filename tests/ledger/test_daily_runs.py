from __future__ import annotations

from dataclasses import replace

from hpo_nni.ledger.records import DailyRunRecord

RUN = DailyRunRecord(
    "ctr",
    "20261008",
    "comparing",
    begun=1.0,
    experiment_id="Exp1",
    challenger={"train.l2": 1e-6},
    challenger_scores={"20261007": 0.75},
    verdict={"difference": 0.01},
)


def test_a_day_is_kept_as_it_last_stood(ledger):
    ledger.put_daily_run(RUN)
    ledger.put_daily_run(replace(RUN, day="20261007", state="kept", ended=3.0))
    ledger.put_daily_run(replace(RUN, project="other"))
    shipped = replace(RUN, state="shipped", ended=2.0, cost=12.5)
    ledger.put_daily_run(shipped)

    before, last = ledger.daily_runs("ctr")

    assert (before.day, before.state) == ("20261007", "kept")
    assert last == shipped
