from __future__ import annotations

import sqlite3

import pytest

from hpo_nni.errors import LedgerError
from hpo_nni.ledger import LEDGER_NAME, database
from hpo_nni.ledger.database import Database
from hpo_nni.ledger.schema import MIGRATIONS

INSERT = "INSERT INTO experiments VALUES ('E', 1, 'maximize', '', '', '{}', '', 0, '', NULL, '')"
NOTE = ("CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('migrated')")


def version(path):
    with sqlite3.connect(path / LEDGER_NAME) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_new_database_has_the_newest_version_and_is_safe(tmp_path):
    opened = Database(tmp_path / "a" / "b")

    answers = {
        name: opened.read(f"PRAGMA {name}")[0][0]
        for name in ("user_version", "journal_mode", "synchronous", "foreign_keys")
    }
    opened.close()

    assert answers == {
        "user_version": len(MIGRATIONS),
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
    }


def test_older_database_keeps_its_rows_when_it_is_migrated(tmp_path):
    older = Database(tmp_path)
    with older.transaction() as connection:
        connection.execute(INSERT)
    older.close()

    newer = Database(tmp_path, (*MIGRATIONS, NOTE))

    assert newer.read("SELECT text FROM notes") == [("migrated",)]
    assert newer.read("SELECT id FROM experiments") == [("E",)]
    newer.close()
    assert version(tmp_path) == len(MIGRATIONS) + 1


def test_failed_migration_leaves_the_old_version(tmp_path):
    Database(tmp_path).close()

    with pytest.raises(LedgerError, match="no such table"):
        Database(tmp_path, (*MIGRATIONS, (*NOTE, "INSERT INTO missing VALUES (1)")))

    assert version(tmp_path) == len(MIGRATIONS)
    Database(tmp_path, (*MIGRATIONS, NOTE)).close()


def test_newer_database_is_refused_and_untouched(tmp_path):
    Database(tmp_path, (*MIGRATIONS, NOTE)).close()

    with pytest.raises(LedgerError, match=f"versions up to {len(MIGRATIONS)}") as caught:
        Database(tmp_path)

    assert "newer hpo_nni" in caught.value.hint
    assert version(tmp_path) == len(MIGRATIONS) + 1


def test_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / LEDGER_NAME).write_text("not a database, but long enough to be looked at" * 30)

    with pytest.raises(LedgerError, match="not a database") as caught:
        Database(tmp_path)

    assert str(tmp_path / LEDGER_NAME) in str(caught.value)
    assert "move it away" in caught.value.hint


def test_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerError, match="cannot hold the ledger") as caught:
        Database(tmp_path / "file" / "below")

    assert "experimentWorkingDirectory" in caught.value.hint


def test_network_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "filesystem_type", lambda directory: "fuse.ossfs")

    with pytest.raises(LedgerError, match=r"network file system \(fuse.ossfs\)") as caught:
        Database(tmp_path)

    assert "local disk" in caught.value.hint
    assert not (tmp_path / LEDGER_NAME).exists()


def test_interrupted_transaction_leaves_nothing_and_the_database_usable(tmp_path):
    opened = Database(tmp_path)

    def write_and_be_interrupted():
        with opened.transaction() as connection:
            connection.execute(INSERT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_be_interrupted()

    assert opened.read("SELECT * FROM experiments") == []
    with opened.transaction() as connection:
        connection.execute(INSERT)
    assert len(opened.read("SELECT * FROM experiments")) == 1
    opened.close()
