"""Where jobs run."""

from hpo_nni.platforms.registry import PLATFORMS

__all__ = ["PLATFORMS"]
