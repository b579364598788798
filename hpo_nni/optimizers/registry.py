"""Names of optimizers; nothing is imported before it is asked for, as numpy and SciPy are slow."""

from __future__ import annotations

from hpo_nni.registry import Registry

OPTIMIZERS = Registry(
    group="hpo_nni.optimizers",
    builtin={
        "auto": "hpo_nni.optimizers.auto:AutoOptimizer",
        "grid": "hpo_nni.optimizers.designs:GridSearch",
        "hazero": "hpo_nni.optimizers.hazero:HAZero",
        "optuna": "hpo_nni.optimizers.optuna_bridge:OptunaBridge",
        "pshe2": "hpo_nni.optimizers.pshe2:PSHE2",
        "random": "hpo_nni.optimizers.designs:RandomSearch",
        "sobol": "hpo_nni.optimizers.designs:SobolSearch",
    },
)
