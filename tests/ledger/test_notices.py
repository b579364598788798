from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.notices import MOST, SECONDS
from hpo_nni.ledger.records import NoticeRecord


def notice(key, time=1000.0):
    return NoticeRecord(str(key), "ExpA", "failed", "it failed", time)


def test_of_many_who_would_say_the_same_one_does(tmp_path):
    def claim(_):
        with Ledger.open(tmp_path) as ledger:
            return ledger.claim_notice(notice("a"))

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(claim, range(16)))

    assert [one for one in claims if one is not None] == [(0, MOST - 1)]


def test_too_many_are_held_back_and_the_next_one_knows_how_many(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        first = [ledger.claim_notice(notice(number)) for number in range(MOST)]
        held = [ledger.claim_notice(notice(number)) for number in range(MOST, MOST + 3)]
        later = ledger.claim_notice(notice("later", 1000.0 + SECONDS + 1))
        next_one = ledger.claim_notice(notice("next", 1000.0 + SECONDS + 1))
        states = [one.state for one in ledger.notices()]

    assert first == [(0, left) for left in reversed(range(MOST))]
    assert held == [None] * 3
    assert later == (3, MOST - 1)
    assert next_one == (0, MOST - 2)
    assert states == ["sending"] * MOST + ["counted"] * 3 + ["sending"] * 2


def test_what_became_of_it_is_noted(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        ledger.claim_notice(notice("a"))
        ledger.settle_notice("a", "failed", "it answered HTTP 500")

        (found,) = ledger.notices()

    assert (found.state, found.message) == ("failed", "it answered HTTP 500")
