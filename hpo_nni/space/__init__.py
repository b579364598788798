"""Search spaces: NNI's types, validated, with a unit-cube view."""

from hpo_nni.space.parsing import parse_space
from hpo_nni.space.reading import load_experiment_space, load_inline_space, load_space
from hpo_nni.space.search_space import Condition, Dimension, SearchSpace

__all__ = [
    "Condition",
    "Dimension",
    "SearchSpace",
    "load_experiment_space",
    "load_inline_space",
    "load_space",
    "parse_space",
]
