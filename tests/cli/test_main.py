from __future__ import annotations

import subprocess
import sys

import pytest

from hpo_nni import __version__
from hpo_nni.cli.main import COMMANDS, main
from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import TrialState


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert {line.split()[0] for line in printed.splitlines() if line[4:5].strip()} >= {*COMMANDS}


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"hpo-nni {__version__}\n"


def test_a_wrong_input_is_a_message_and_debug_shows_where_it_was_found(tmp_path, capsys):
    config = str(tmp_path / "config.yml")

    assert main(["check", config]) == 2
    assert capsys.readouterr().err.startswith(f"error: {config}: the experiment's config cannot")
    with pytest.raises(SettingsError):
        main(["check", config, "--debug"])


def test_a_reader_that_goes_away_is_no_fault(book):
    book.experiment()
    for number in range(300):  # more than a pipe holds
        book.trial(number, TrialState.STOPPED, reason="below the median" * 20)
    line = f"'{sys.executable}' -m hpo_nni.cli show --dir='{book.folder}' | head -1"

    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("experiment   ExpA in ")
    assert done.stderr == ""


def test_only_the_wanted_command_is_imported():
    script = (
        "import sys; from hpo_nni.cli.main import main\n"
        "try: main(['logs', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('hpo_nni.cli.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    loaded = done.stdout.splitlines()[-1]
    assert "hpo_nni.cli.logs" in loaded
    assert "hpo_nni.cli.run" not in loaded
    assert "hpo_nni.cli.check" not in loaded
