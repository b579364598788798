"""Why something failed: evidence in, a class out, by a table that users can extend."""

from hpo_nni.failures.base import Evidence, Failure, FailureKind, Rule, Where
from hpo_nni.failures.classify import classify, signature

__all__ = ["Evidence", "Failure", "FailureKind", "Rule", "Where", "classify", "signature"]
