"""The last line of defence: a small process that outlives trials and NNI (docs/adr/0010)."""

from hpo_nni.reaper.start import ensure_reaper

__all__ = ["ensure_reaper"]
