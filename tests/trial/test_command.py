from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.trial.command import settings_file


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("python3 -m hpo_nni.trial --config=./trial.ini", "/code/trial.ini"),
        ("python3 -m hpo_nni.trial --config trial.ini", "/code/trial.ini"),
        ("python3 -m hpo_nni.trial --config=/etc/trial.ini", "/etc/trial.ini"),
        ("python3 -m hpo_nni.trial --config='my trial.ini'", "/code/my trial.ini"),
        ("cd '/my code' && python3 -m hpo_nni.trial --config=t.ini", "/my code/t.ini"),
        ("cd sub && python3 -m hpo_nni.trial --config=t.ini", "/code/sub/t.ini"),
        ("A=1 nice python3 run_begin.py --config=./b.ini --exp_dir=../e", "/code/b.ini"),
        ("python3 -m hpo_nni.trial", None),
        ("python3 -m hpo_nni.trial --config", None),
        ("python3 train.py --config='unclosed", None),
        ("", None),
    ],
)
def test_the_settings_file_is_what_config_names(command, file):
    found = settings_file(command, Path("/code"))

    assert found == (Path(file) if file else None)
