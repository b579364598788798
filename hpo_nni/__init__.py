"""Tuning for training jobs that are driven by a config file, on NNI.

Importing this package loads no SDK and no part of NNI: a trial that runs locally must not pay
for what it does not use.
"""

from __future__ import annotations

__version__ = "0.1.0"
