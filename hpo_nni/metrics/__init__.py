"""From event files, logs and tables to metric points, and from points to a score."""

from hpo_nni.metrics.base import MetricPoint, MetricSource
from hpo_nni.metrics.final import FinalMode, aggregate, condense, final_evaluation, final_score
from hpo_nni.metrics.reports import RateLimit, report_values
from hpo_nni.metrics.score import Evaluation, EvaluationState, Evaluator, Policy, Scoring
from hpo_nni.metrics.sources import SOURCES, find_problems, open_source

__all__ = [
    "SOURCES",
    "Evaluation",
    "EvaluationState",
    "Evaluator",
    "FinalMode",
    "MetricPoint",
    "MetricSource",
    "Policy",
    "RateLimit",
    "Scoring",
    "aggregate",
    "condense",
    "final_evaluation",
    "final_score",
    "find_problems",
    "open_source",
    "report_values",
]
