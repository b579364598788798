"""The table of platforms."""

from __future__ import annotations

from hpo_nni.errors import RegistryError
from hpo_nni.registry import Registry


class PlatformRegistry(Registry):
    """A registry that knows which platforms users' files name and nobody has built yet."""

    def load(self, name: str) -> type:
        """Import and return a platform's class; it is called with the working directory.

        Raises:
            RegistryError: nothing has that name, or it is a platform that is not there yet.
            MissingExtraError: it needs a dependency that is not installed.
        """
        if name.lower() in NOT_YET and name.lower() not in (known := self.names()):
            raise RegistryError(
                f"the platform {name!r} is not there yet",
                hint=f"there are: {', '.join(known)}; others can be added through entry points "
                f"of the group {self.group!r}",
            )
        found: type = super().load(name)
        return found


NOT_YET = frozenset(
    {
        "datascience",
        "dlc",
        "kubernetes",
        "pai",
        "paiflow",
        "ray",
        "slurm",
        "trainingservice",
    }
)

PLATFORMS = PlatformRegistry(
    group="hpo_nni.platforms",
    builtin={
        "local": "hpo_nni.platforms.local:LocalPlatform",
        "maxcompute": "hpo_nni.platforms.maxcompute:MaxComputePlatform",
    },
    extras={"hpo_nni.platforms.maxcompute": "maxcompute"},
)
