"""What an experiment came to: the best trial, its gain, what was saved, where things lie."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any

from hpo_nni.cli.cost import cost_lines
from hpo_nni.cli.progress import WORDS, best_trial
from hpo_nni.direction import Direction
from hpo_nni.ledger.records import JUDGED, TrialState, counted_trials, visible_point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord

SHOWN_FAILURES = 5


def summary(ledger: Ledger, experiment_id: str) -> str:
    """The end of `hpo-nni run`, and the head of `hpo-nni show`."""
    facts = summarise(ledger, experiment_id)
    costs = cost_lines(ledger, experiment_id)
    lines = [f"trials       {facts['counts']}"]
    best = facts["best"]
    if best is None:
        lines.append("best trial   none: no trial succeeded")
        return "\n".join([*lines, *costs, *_why(facts["failures"])])
    lines.append(f"best trial   {best['number']} ({best['id']}), score {best['score']:.5g}")
    if facts["baseline"] is not None:
        lines.append(
            f"untuned      score {facts['baseline']:.5g}; the best trial is {facts['gain']:+.5g}"
            f" ({'better' if facts['is_better'] else 'not better'})"
        )
    lines.append("parameters")
    width = max((len(key) for key in best["parameters"]), default=0)
    lines += [f"  {key:<{width}}  {_text(value)}" for key, value in best["parameters"].items()]
    lines.append(f"early stops  {facts['saved']['text']}")
    lines += [f"best config  {path}" for path in best["configs"]]
    return "\n".join([*lines, *costs, *_why(facts["failures"])])


def summarise(ledger: Ledger, experiment_id: str) -> dict[str, Any]:
    """The same as values, for `--json` and for tests."""
    record = ledger.experiment(experiment_id)
    direction = Direction(record.direction) if record else Direction.MAXIMIZE
    every = ledger.trials(experiment_id)
    trials = counted_trials(every)
    best = best_trial(trials, direction)
    baseline = _baseline_score(trials)
    gain = None if best is None or baseline is None else (best.score or 0.0) - baseline
    return {
        "experiment": experiment_id,
        "direction": direction.value,
        "counts": _counts(trials) + _again(len(every) - len(trials)),
        "pause": record.pause if record else "",
        "best": None if best is None else _best(best),
        "baseline": baseline,
        "gain": gain,
        "is_better": gain is not None and gain * direction.sign > 0,
        "saved": _saved(ledger, trials),
        "failures": _failures(trials),
    }


def _best(trial: TrialRecord) -> dict[str, Any]:
    return {
        "id": trial.id,
        "number": trial.number,
        "score": trial.score,
        "is_baseline": trial.is_baseline,
        "parameters": visible_point(trial.parameters),
        "configs": list(trial.configs),
        "directory": trial.directory,
    }


def _counts(trials: Sequence[TrialRecord]) -> str:
    states = [trial.state for trial in trials]
    counts = [f"{states.count(state)} {WORDS[state]}" for state in TrialState if state in states]
    return f"{len(states)}: {', '.join(counts)}" if counts else "none"


def _again(number: int) -> str:
    return f"; {number} failure{'s' * (number > 1)} of before, run again since" if number else ""


def _baseline_score(trials: Sequence[TrialRecord]) -> float | None:
    """The mean score of the untuned config's trials; None if none succeeded."""
    scores = [
        trial.score
        for trial in trials
        if trial.is_baseline and trial.state is TrialState.SUCCEEDED and trial.score is not None
    ]
    return sum(scores) / len(scores) if scores else None


def _saved(ledger: Ledger, trials: Sequence[TrialRecord]) -> dict[str, Any]:
    """The share of evaluations that early stopping spared, against full runs of the same trials."""
    lengths: dict[TrialState, list[int]] = {TrialState.SUCCEEDED: [], TrialState.STOPPED: []}
    unit = "epochs"
    for trial in trials:
        if trial.state in lengths:
            sources = [one.source for one in ledger.evaluations(trial.id)]
            lengths[trial.state].append(sources.count(JUDGED))
            if sources.count(JUDGED) < len(sources):
                unit = "folds or days"
    if not lengths[TrialState.SUCCEEDED]:
        return {"share": None, "text": "nothing to compare with: no trial ran to its end"}
    if not lengths[TrialState.STOPPED]:
        return {"share": 0.0, "text": f"saved 0% of all {unit}: no trial was stopped early"}
    full = median(lengths[TrialState.SUCCEEDED])
    spared = sum(max(0.0, full - length) for length in lengths[TrialState.STOPPED])
    total = sum(lengths[TrialState.SUCCEEDED]) + full * len(lengths[TrialState.STOPPED])
    share = spared / total if total else 0.0
    text = (
        f"saved {share:.0%} of all {unit}: {spared:.0f} of {total:.0f} were not trained, "
        f"in {len(lengths[TrialState.STOPPED])} trials"
    )
    return {"share": share, "spared": spared, "total": total, "text": text}


def _failures(trials: Sequence[TrialRecord]) -> list[str]:
    """Each reason for a failure once, with the trials that it hit; ids and folders aside."""
    reasons: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        if trial.state is TrialState.FAILED:
            reason = trial.reason.replace(trial.directory or trial.id, "").replace(trial.id, "")
            reasons.setdefault(reason, []).append(trial)
    texts = []
    for hit in reasons.values():
        numbers = ", ".join(str(trial.number) for trial in hit)
        texts.append(f"trial{'s' * (len(hit) > 1)} {numbers} failed: {hit[0].reason}")
    return texts


def _why(failures: Sequence[str]) -> list[str]:
    shown = list(failures[:SHOWN_FAILURES])
    if len(failures) > SHOWN_FAILURES:
        more = len(failures) - SHOWN_FAILURES
        shown.append(f"and {more} other reasons: `hpo-nni logs TRIAL` shows that of each trial")
    return ["", *shown] if shown else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
