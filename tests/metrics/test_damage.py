from __future__ import annotations

from hpo_nni.metrics.damage import ALOUD, Damage


def test_all_damage_is_counted_and_the_first_of_it_logged(caplog):
    damage = Damage("/a/file")
    for number in range(1000):
        damage.report(f"record {number}")
    assert damage.count == 1000
    assert [record.message for record in caplog.records] == [
        *(f"/a/file: record {number}" for number in range(ALOUD)),
        "/a/file: further damage is counted but not logged",
    ]
