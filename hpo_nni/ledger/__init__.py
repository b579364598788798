"""The embedded record of truth: what ran where, with what, what it measured, how it ended."""

from hpo_nni.ledger.database import FILE_NAME as LEDGER_NAME
from hpo_nni.ledger.ledger import Ledger

__all__ = ["LEDGER_NAME", "Ledger"]
