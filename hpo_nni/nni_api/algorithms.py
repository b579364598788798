"""NNI's base classes for tuners and assessors; importing this imports NNI, which takes a second."""

from __future__ import annotations

from nni import NoMoreTrialError
from nni.assessor import Assessor, AssessResult
from nni.tuner import Tuner

__all__ = ["AssessResult", "Assessor", "NoMoreTrialError", "Tuner"]
