"""Names of tables in statements as people write them."""

from __future__ import annotations

import pytest

from hpo_nni.inspection.statements import tables_of


def shown(tables):
    return [f"{one.project}.{one.name}".lstrip(".") for one in tables]


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("select step, auc from evals where trial='a from b'", ["evals"]),
        ("SELECT * FROM demo.evals;", ["demo.evals"]),
        ("select * from `demo`.`evals` e -- from nowhere\nwhere 1", ["demo.evals"]),
        ("select /* from nowhere */ 1 from a", ["a"]),
        ("select * from a, b as x, c y, d where a.i = b.i", ["a", "b", "c", "d"]),
        ("select * from a left outer join b on a.x = b.x join c on 1", ["a", "b", "c"]),
        ("select * from (select * from inner_one) t", ["inner_one"]),
        ("with w as (select 1 from a), v as (select 2 from w) select * from v", ["a"]),
        ("select extract(year from d), trim(both ' ' from s) from a", ["a"]),
        ("select 1 from a where x is distinct from y", ["a"]),
        ("select x from a lateral view explode(b) e as c, d", ["a"]),
        ("select * from values (1, 2) t(a, b)", []),
        ("insert overwrite table r partition (dt='1') select * from a", ["r", "a"]),
        ("insert into r select * from a", ["r", "a"]),
        ("select 1", []),
        ("select * from p.s.t", []),
        ("select * from", []),
        ("insert into", []),
    ],
)
def test_what_a_statement_needs(statement, needed):
    assert shown(tables_of(statement).needed) == needed


def test_what_a_statement_makes_itself_it_does_not_need():
    found = tables_of(
        "create table if not exists p.r as select * from a; select 1 from p.r join b on 1"
    )

    assert shown(found.made) == ["p.r"]
    assert shown(found.needed) == ["a", "b"]
