"""What a decided day leaves behind: the config to train with from now on, its patch, the evidence.

All of it is made from the ledger and the files of the project, so that it can be made again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.dialects.easyrec_finetune_config import finetune_config
from hpo_nni.documents import apply_edits, parse_document, unified_diff
from hpo_nni.documents.formats import SUFFIXES
from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.records import BASELINE
from hpo_nni.stores.local import LocalStore
from hpo_nni.trial.files import prepare_files
from hpo_nni.trial.handed_edits import xflows_of
from hpo_nni.trial.steps import point_in_edits
from hpo_nni.trial.substitutions import Substitutions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hpo_nni.ledger.records import DailyRunRecord
    from hpo_nni.trial.settings import TrialSettings

DECIDED = {"shipped", "kept"}


@dataclass(frozen=True)
class Config:
    """A config as the day's winner has it.

    Attributes:
        source: the base config's path or URI.
    """

    source: str
    base: str
    text: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.source.rpartition("/")[2]


def winner(run: DailyRunRecord) -> Mapping[str, Any]:
    """The point that is champion from now on."""
    return run.challenger if run.state == "shipped" else run.champion


def write_results(
    folder: Path, run: DailyRunRecord, settings: TrialSettings
) -> Mapping[str, Sequence[str]]:
    """Write the configs, the patches and the next day's finetune configs; atomic, each.

    Returns:
        Paths by kind: `config`, `patch`, `finetune`; and `notes`, sentences on what was left out.

    Raises:
        HpoNniError: a base config cannot be read, or its edit does not fit any more.
    """
    files: dict[str, list[str]] = {"config": [], "patch": [], "finetune": [], "notes": []}
    for config in _configs(settings, winner(run)):
        patch = unified_diff(config.base, config.text, config.name)
        _write(files["config"], folder / config.name, config.text)
        _write(files["patch"], folder / f"{config.name}.patch", patch)
        later, note = _finetune(config)
        files["notes"] += [f"finetune/{config.name} {note}"] if note else []
        _write(files["finetune"], folder / "finetune" / config.name, later)
    point = json.dumps(winner(run), indent=2) + "\n"
    _write([], folder / "point.json", point)
    return files


def evidence(run: DailyRunRecord) -> dict[str, Any]:
    """A day as JSON values: for programs, and for the folder of the day."""
    shared = [day for day in sorted(run.champion_scores) if day in run.challenger_scores]
    return {
        "project": run.project,
        "day": run.day,
        "state": run.state,
        "message": run.message,
        "experiment": run.experiment_id or None,
        "champion": run.champion,
        "challenger": run.challenger,
        "days": [
            {
                "day": day,
                "champion": run.champion_scores[day],
                "challenger": run.challenger_scores[day],
            }
            for day in shared
        ],
        "verdict": run.verdict,
        "cost": run.cost,
    }


def words(run: DailyRunRecord, folder: Path) -> list[str]:
    """A day for people."""
    lines = [f"project {run.project}, {run.day}: {run.state}"]
    lines += [f"  {run.message}"] if run.message else []
    if run.challenger:
        lines.append(f"  challenger  {json.dumps(run.challenger, ensure_ascii=False)}")
    days = evidence(run)["days"]
    if days:
        lines.append("  day         champion   challenger")
        lines += [
            f"  {one['day']:<10} {one['champion']:>9.5g}  {one['challenger']:>11.5g}"
            for one in days
        ]
    figures = run.verdict
    if "lower" in figures:
        lines.append(
            f"  better by {figures['difference']:.4g} on average, "
            f"{figures['lower']:.4g} to {figures['upper']:.4g}; p {figures['p_value']:.3g} "
            f"with {figures['comparisons']:.0f} compared, level {figures['level']:g}"
        )
    if run.state in DECIDED:
        lines.append(f"  files       {folder}")
    return lines


def _configs(settings: TrialSettings, point: Mapping[str, Any]) -> Iterator[Config]:
    if settings.files:
        edits = dict(point) if point else {BASELINE: True}
        for file in prepare_files(settings, edits, Substitutions(point=dict(point))):
            yield Config(file.source, file.base, file.text)
        return
    # jobs are handed their edits, and read the config themselves
    sources = dict.fromkeys(flow.parameters.get("config", "") for _, flow in xflows_of(settings))
    for source in filter(None, sources):
        base = settings.accounts.store(source).read_text(source)
        suffix = source[source.rfind(".") :].lower()
        format_ = None if suffix in SUFFIXES else "prototext"
        document = parse_document(base, path=source, format=format_)
        yield Config(source, base, apply_edits(document, point_in_edits(point)).text)


def _finetune(config: Config) -> tuple[str, str]:
    """The next day's config, and what is to be said of it."""
    suffix = config.name[config.name.rfind(".") :].lower()
    if SUFFIXES.get(suffix, "prototext") != "prototext":
        return config.text, "is the config as it is: only EasyRec's schedules are known"
    try:
        return finetune_config(config.text, config.source).text, ""
    except HpoNniError as error:
        reason = error.message.partition("\n")[0]
        return config.text, f"is the config as it is: {reason}"


def _write(files: list[str], path: Path, text: str) -> None:
    LocalStore().write_text(str(path), text)
    files.append(str(path))
