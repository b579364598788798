from __future__ import annotations

import pytest

from hpo_nni.cli.main import main
from hpo_nni.failures import Failure, FailureKind
from hpo_nni.ledger.records import TrialState


@pytest.fixture
def failed(book):
    """A trial whose job has failed, and the folder of its files."""
    book.experiment()
    name = book.trial(0, TrialState.RUNNING)
    book.job(name, state="failed", message="exit code 3")
    book.ledger.end_trial(name, TrialState.FAILED, "cmd1 failed: exit code 3\n  hint: look")
    folder = book.folder / "ExpA" / name
    (folder / "cmd1.stdout").write_text("one\ntwo\nthree\n")
    (folder / "cmd1.stderr").write_bytes(b"broken \xff\n")
    return folder


def test_logs_show_the_end_the_command_and_what_it_wrote(book, failed, capsys):
    assert main(["logs", "0", f"--dir={book.folder}"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "trial 0             failed         cmd1 failed: exit code 3  (ExpA-Tr0 of ExpA)",
        "cmd1 failed: exit code 3",
        "  hint: look",
        "",
        "cmd1: failed exit code 3",
        "$ cd /x",
        "train",
        f"--- {failed}/cmd1.stdout",
        "one",
        "two",
        "three",
        f"--- {failed}/cmd1.stderr",
        "broken \ufffd",
    ]


def test_logs_show_what_kind_of_failure_it_was_and_what_said_so(book, capsys):
    book.experiment()
    first = book.trial(0, TrialState.FAILED)
    name = book.trial(1, TrialState.RUNNING, retry_of=first, continues=first)
    failure = Failure(FailureKind.USER, "a module is missing: its log says 'ImportError: x'")
    job = book.job(name, state="failed", message="exit code 1")
    book.ledger.note_job_failure(job, failure)
    book.ledger.note_failure(name, failure)
    book.ledger.end_trial(name, TrialState.FAILED, "cmd1 failed: exit code 1")

    main(["logs", "1", f"--dir={book.folder}"])

    said = "user error: a module is missing: its log says 'ImportError: x'"
    assert capsys.readouterr().out.splitlines()[1:6] == [
        said,
        f"it runs trial {first} again",
        f"it goes on with trial {first}, under its names",
        "",
        "cmd1: failed exit code 1",
    ]


def test_only_the_last_lines_are_shown(book, failed, capsys):
    main(["logs", "0", "--lines=1", f"--dir={book.folder}"])

    printed = capsys.readouterr().out
    assert "three" in printed
    assert "two" not in printed


@pytest.mark.parametrize("name", ["stderr", "trial.stderr"])
def test_what_the_trials_own_process_wrote_is_shown_on_both_lines_of_nni(
    book, failed, capsys, name
):
    (failed / name).write_text("error: of the runner\n")

    main(["logs", "0", f"--dir={book.folder}"])

    assert capsys.readouterr().out.endswith(f"--- {failed}/{name}\nerror: of the runner\n")


def test_an_unknown_trial_is_an_input_fault(book, failed, capsys):
    assert main(["logs", "7", f"--dir={book.folder}"]) == 2

    assert "no trial is called '7'" in capsys.readouterr().err
