from __future__ import annotations

import pytest

from hpo_nni.platforms.maxcompute_marker import Known, read_source, submitted_at

PARAMETER = "<Parameter><Key>hpo_nni_job</Key><Value>exp-1</Value></Parameter>"
PROPERTY = "<Property><Name>hpo_nni_job</Name><Value>exp-1</Value></Property>"
SETTINGS = "<Property><Name>settings</Name><Value>{}</Value></Property>"
XFLOW = "<Instance><XflowInstance><Parameters>{}</Parameters></XflowInstance></Instance>"
SQL = "<Job><Tasks><SQL><Name>hpo_nni_job</Name><Config>{}</Config></SQL></Tasks></Job>"


@pytest.mark.parametrize(
    ("source", "known"),
    [
        (XFLOW.format(PARAMETER), Known("exp-1", is_xflow=True)),
        (XFLOW.format(PROPERTY), Known("exp-1", is_xflow=True)),
        (XFLOW.format(""), Known("", is_xflow=True)),
        (SQL.format(SETTINGS.format('{"a": "1", "hpo_nni_job": "exp-1"}')), Known("exp-1")),
        (SQL.format(SETTINGS.format('["hpo_nni_job"]')), Known()),
        (SQL.format(SETTINGS.format("hpo_nni_job")), Known()),
        (SQL.format(""), Known()),
        ("", Known()),
        ("no <xml", Known()),
    ],
)
def test_names_are_read_out_of_sources(source, known):
    assert read_source(source) == known


@pytest.mark.parametrize(
    ("instance_id", "seconds"),
    [
        ("20220617000000123gabcdef", 1655424000.0),
        ("20221399000000123gabcdef", 0.0),
        ("exp1-trial1-never", 0.0),
        ("", 0.0),
    ],
)
def test_ids_tell_the_time_of_submission(instance_id, seconds):
    assert submitted_at(instance_id) == seconds
