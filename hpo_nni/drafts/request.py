"""What an experiment is drafted from, and what a draft is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.documents import Kind, parse_document, to_data
from hpo_nni.documents.easyrec import looks_like_easyrec
from hpo_nni.drafts.metrics import easyrec_weights, named_weights, towers_without_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from hpo_nni.documents import ConfigDocument

_JINJA = re.compile(r"\{[{%#]")


@dataclass(frozen=True)
class Request:
    """What a user has.

    Attributes:
        command: as pasted, without the values of `${...}` that were given.
        config: the base config on this machine, absolute.
        text: its content.
        folder: where the experiment will lie, absolute; it need not exist.
        here: where the command runs today, absolute.
        weights: of metrics, where the user names them; else they come from the config.
        metric_type, metric_source: where the user says so.
        project: of MaxCompute, where the user says so.
    """

    command: str
    config: Path
    text: str
    folder: Path
    here: Path
    weights: Mapping[str, float] = field(default_factory=dict)
    metric_type: str = ""
    metric_source: str = ""
    project: str = ""

    def parse(self, text: str) -> ConfigDocument:
        """Read a text of the config's format; raises DocumentError."""
        return parse_document(text, path=str(self.config))

    @property
    def document(self) -> ConfigDocument:
        """The config."""
        return self.parse(self.text)

    @property
    def is_easyrec(self) -> bool:
        """Whether the config is a pipeline of EasyRec's."""
        root = self.document.root()
        return root.kind is Kind.MAP and looks_like_easyrec(root)

    def asked_weights(self) -> dict[str, float]:
        """The weights that the user or the config names; empty where neither does."""
        if self.weights:
            return dict(self.weights)
        data: Any = to_data(self.document)
        return easyrec_weights(data) if self.is_easyrec else named_weights(data)

    def metric_notes(self) -> Iterator[str]:
        """What is odd about the metrics that the config names."""
        if self.is_easyrec and towers_without_metrics(to_data(self.document)):
            yield "no tower has a metrics_set of its own, and EasyRec writes no metrics without one"


@dataclass(frozen=True)
class TrialDraft:
    """A trial.ini.

    Attributes:
        ini: its text.
        weights: of the metrics.
        concurrency: trials at a time.
        notes: what was assumed, and what the user should look at.
    """

    ini: str
    weights: Mapping[str, float]
    concurrency: int
    notes: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Text that the templates of a trial.ini leave as it is.

    >>> plain("a"), plain("{{x}}")
    ('a', '{% raw %}{{x}}{% endraw %}')
    """
    return f"{{% raw %}}{text}{{% endraw %}}" if _JINJA.search(text) else text


def written(weights: Mapping[str, float]) -> str:
    """Weights as `metric_dict` has them.

    >>> written({"auc": 1.0, "loss": -0.25})
    "{'auc': 1, 'loss': -0.25}"
    """
    pairs = (f"{name!r}: {int(w) if w == int(w) else w!r}" for name, w in weights.items())
    return "{" + ", ".join(pairs) + "}"
