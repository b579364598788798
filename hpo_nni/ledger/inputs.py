"""What went into an experiment, kept as text: files may change after it, or go."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

from hpo_nni.ledger.records import InputKind, InputRecord
from hpo_nni.ledger.rows import damaged, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.ledger.database import Database

LONGEST = 4_000_000  # bytes of a text that is kept; of longer ones only the digest is
_KNOWN = "SELECT 1 FROM inputs WHERE experiment_id = ? AND kind = ? AND name = ? AND digest = ?"


class Inputs:
    """The part of a Ledger that is about what an experiment was made of."""

    _database: Database
    _clock: Callable[[], float]

    def note_input(self, experiment_id: str, kind: InputKind, name: str, text: str) -> None:
        """Note a text that went into an experiment; one that is known already changes nothing.

        Args:
            experiment_id: whose.
            kind: what it is.
            name: tells several of one kind apart.
            text: without any secret: it is stored as it comes.

        Raises:
            LedgerError: the experiment is not in the ledger.
        """
        data = encode(text).encode()
        key = [experiment_id, kind.value, encode(name), hashlib.sha256(data).hexdigest()]
        if self._database.read(_KNOWN, key):  # each trial says the same, and few are the first
            return
        packed = zlib.compress(data) if len(data) <= LONGEST else None
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", [key[-1], len(data), packed]
            )
            connection.execute(
                "INSERT OR IGNORE INTO inputs VALUES (?, ?, ?, ?, ?)", [*key, self._clock()]
            )

    def has_input(self, experiment_id: str, kind: InputKind) -> bool:
        """Whether anything of this kind is known."""
        query = "SELECT 1 FROM inputs WHERE experiment_id = ? AND kind = ? LIMIT 1"
        return bool(self._database.read(query, [experiment_id, kind.value]))

    def inputs(self, experiment_id: str) -> list[InputRecord]:
        """All that is known to have gone into an experiment, in the order in which it was seen."""
        rows = self._database.read(
            "SELECT experiment_id, kind, name, inputs.digest, time, size, packed "
            "FROM inputs JOIN texts ON texts.digest = inputs.digest "
            "WHERE experiment_id = ? ORDER BY time, inputs.rowid",
            [experiment_id],
        )
        return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> InputRecord:
    experiment_id, kind, name, digest, time, size, packed = row
    try:
        text = None if packed is None else zlib.decompress(packed).decode()
        return InputRecord(experiment_id, InputKind(kind), name, digest, time, size, text)
    except (ValueError, zlib.error) as error:
        raise damaged("inputs", error) from error
