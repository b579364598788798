"""Names of implementations, looked up and imported at the last moment.

A seam has one table: name -> "module:attribute". Packages outside add rows through an entry-point
group of the same name. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import MissingExtraError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint


@dataclass(frozen=True)
class Registry:
    """The table of one seam; names are case-insensitive.

    Attributes:
        group: the entry-point group through which other packages add names.
        builtin: name -> "module:attribute".
        extras: module -> the extra of hpo-nni that installs what the module imports.
    """

    group: str
    builtin: Mapping[str, str]
    extras: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self.builtin, *(point.name for point in self._entry_points())})

    def load(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises:
            RegistryError: nothing has that name.
            MissingExtraError: it needs a dependency that is not installed.
        """
        target = self._target(name.lower())
        if target is None:
            raise RegistryError(
                f"{self.group} has no {name!r}", hint=did_you_mean(name, self.names())
            )
        module_name, _, attribute = target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            extra = self.extras.get(module_name)
            if extra is None:
                raise
            raise MissingExtraError(
                f"{name!r} needs {error.name}, which is not installed",
                hint=f"pip install 'hpo-nni[{extra}]'",
            ) from error
        return getattr(module, attribute)

    def _target(self, name: str) -> str | None:
        builtin = {known.lower(): target for known, target in self.builtin.items()}
        if name in builtin:  # entry points are read from every installed package, for 10 ms
            return builtin[name]
        outside = {point.name.lower(): point.value for point in self._entry_points()}
        return outside.get(name)

    def _entry_points(self) -> Iterable[EntryPoint]:
        from importlib.metadata import entry_points  # noqa: PLC0415  (it costs 20 ms)

        return entry_points(group=self.group)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that offers the known names nearest to a misspelt one.

    >>> did_you_mean("locl", ["local", "maxcompute"])
    "did you mean 'local'?"
    >>> did_you_mean("x", ["local", "maxcompute"])
    "there are: 'local', 'maxcompute'"
    """
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    if not names:
        return ""
    shown = ", ".join(map(repr, names[:12]))
    return f"there are: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")
