"""Search spaces that several files of this folder test with."""

from __future__ import annotations

import pytest

EVERY_TYPE = {
    "choice": {"_type": "choice", "_value": [1024, 256, 512]},
    "words": {"_type": "choice", "_value": ["adam", [1, 2], {"a": 1}, True, None]},
    "randint": {"_type": "randint", "_value": [4, 16]},
    "uniform": {"_type": "uniform", "_value": [-0.5, 2]},
    "quniform": {"_type": "quniform", "_value": [1, 10, 4]},
    "loguniform": {"_type": "loguniform", "_value": [1e-5, 0.1]},
    "qloguniform": {"_type": "qloguniform", "_value": [0.6, 100, 2]},
    "normal": {"_type": "normal", "_value": [3, 2]},
    "qnormal": {"_type": "qnormal", "_value": [3, 2, 0.5]},
    "lognormal": {"_type": "lognormal", "_value": [0, 1]},
    "qlognormal": {"_type": "qlognormal", "_value": [2, 1, 1]},
    "layer": {
        "_type": "choice",
        "_value": [
            {"_name": "none"},
            {"_name": "conv", "kernel": {"_type": "choice", "_value": [3, 5]}},
            {
                "_name": "block",
                "depth": {"_type": "randint", "_value": [1, 4]},
            },
        ],
    },
}


@pytest.fixture
def every_type() -> dict:
    return EVERY_TYPE
