"""One training job: config, data, model, event files, checkpoint."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import text_format

from hpo_nni.testing.cloud.trainer import events, metrics
from hpo_nni.testing.cloud.trainer.clicks import clicks, together
from hpo_nni.testing.cloud.trainer.edits import apply_edits
from hpo_nni.testing.cloud.trainer.model import Model, auc, log_loss, train
from hpo_nni.testing.cloud.trainer.plan import RATE_SCALE, REAL_STEPS, Plan, plan_of
from hpo_nni.testing.cloud.trainer.schema import new_config
from hpo_nni.testing.cloud.trainer.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.testing.cloud.trainer.clicks import Clicks


class JobError(ValueError):
    """The job cannot be done; the text is the last line of its log."""


def run(order: Mapping[str, Any]) -> None:
    """Do what was ordered, saying so on standard output.

    Args:
        order: `endpoint`, `key_id`, `secret` of OSS; `parameters`, those of the XFlow without
            `-D`; `training`, the fields of `Training`; `train_tables` and `eval_tables`, pairs
            of an `odps://` path and its number of rows.

    Raises:
        JobError, EditError, ConfigError, ParseError, StorageError, OSError: it failed.
    """
    parameters, training = order["parameters"], order["training"]
    storage = Storage(order["endpoint"], order["key_id"], order["secret"])
    if parameters.get("cmd", "train") != "train":
        raise JobError(f"cmd={parameters['cmd']}: this trainer only trains")
    config = _config(storage, parameters)
    model_dir = (parameters.get("model_dir") or config.model_dir).rstrip("/")
    if not model_dir:
        raise JobError("neither -Dmodel_dir nor the config's model_dir is set")
    plan = plan_of(config, training["evaluations"])
    model = Model(plan.shape, training["seed"])
    _restore(storage, model, model_dir, config.train_config.fine_tune_checkpoint)
    data, held_out = (_samples(order[part], plan, part) for part in ("train_tables", "eval_tables"))
    writes = parameters.get("eval_method", "separate") != "none"
    file = EventFile(storage, f"{model_dir}/{training['directory']}", appends=training["appends"])
    say(f"train {len(data.values)} samples, {len(plan.features)} features")
    source = np.random.default_rng([training["seed"], 1])
    before = 0
    for step in plan.steps:
        loss = _interval(model, data, plan, (before, step), source)
        if not math.isfinite(loss):
            raise JobError("NanLossDuringTrainingError: NaN loss during training.")
        values = evaluate(model, held_out, plan)
        if writes:
            file.add(step, values)
        said = " ".join(f"{tag}={value:.6f}" for tag, value in values.items())
        say(f"eval step={step} {said}")
        before = step
        time.sleep(training["seconds_per_evaluation"])
    storage.write(f"{model_dir}/model.ckpt-{plan.steps[-1]}.npz", model.dump())
    storage.write(f"{model_dir}/checkpoint", f"model.ckpt-{plan.steps[-1]}.npz".encode())


def say(line: str) -> None:
    """Write a line of the job's log, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def evaluate(model: Model, data: Clicks, plan: Plan) -> dict[str, float]:
    """The metrics under EasyRec's names.

    A model of several tasks gives `auc_<tower>` and so on; the first task's `auc` stands beside
    them without a suffix, which EasyRec does not do: the documented first experiment scores `auc`
    and searches the towers of a model of several tasks.
    """
    chances = model.predict(data.values)
    losses = log_loss(chances, data.labels)
    total = float(losses.mean(axis=0).sum())
    values = {"auc": auc(chances[:, 0], data.labels[:, 0])}
    for place, task in enumerate(plan.tasks):
        right = (chances[:, place] > 0.5) == (data.labels[:, place] > 0.5)
        loss = float(losses[:, place].mean())
        values[f"auc{task.suffix}"] = auc(chances[:, place], data.labels[:, place])
        values[f"accuracy{task.suffix}"] = float(right.mean())
        values[f"loss/loss/cross_entropy_loss{task.suffix}"] = loss
        if task.suffix:
            values[f"loss{task.suffix}"] = loss
        for kind, name, topk in task.asked:
            found = metrics.value(kind, topk, chances[:, place], data.labels[:, place])
            if found is not None:
                values[name] = found
    return values | {"loss": total, "loss/loss/total_loss": total}


class EventFile:
    """One growing event file on OSS."""

    def __init__(self, storage: Storage, directory: str, *, appends: bool) -> None:
        self._storage = storage
        self._uri = f"{directory}/events.out.tfevents.{int(time.time())}.rehearsal"
        self._appends = appends
        self._data = b""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write one event; it can be read when this returns."""
        before = len(self._data)
        self._data = (self._data or events.header()) + events.scalars(step, values)
        if self._appends:
            self._storage.append(self._uri, before, self._data[before:])
        else:
            self._storage.write(self._uri, self._data)


def _config(storage: Storage, parameters: Mapping[str, str]) -> Any:
    uri = parameters.get("config")
    if not uri:
        raise JobError("-Dconfig is not set")
    config = new_config()
    text_format.Parse(storage.read(uri).decode("utf-8"), config, allow_unknown_field=True)
    edits = parameters.get("edit_config_json")
    if edits:
        apply_edits(config, edits)
    if parameters.get("fine_tune_checkpoint"):  # after the edits, as EasyRec's run.py
        config.train_config.fine_tune_checkpoint = parameters["fine_tune_checkpoint"]
    return config


def _samples(tables: list[tuple[str, int]], plan: Plan, part: str) -> Clicks:
    if not tables:
        raise JobError(f"-D{part} is not set")
    labels = [task.label for task in plan.tasks]
    return together([clicks(uri, rows, plan.features, labels) for uri, rows in tables])


def _restore(storage: Storage, model: Model, model_dir: str, parent: str) -> None:
    """Begin where this directory ended, else where the checkpoint that is named for it did."""
    found = storage.find(f"{model_dir}/checkpoint")
    place = model_dir
    if found is None and parent:
        place = parent.rstrip("/")
        if "/model.ckpt" in place:
            place = place.rpartition("/")[0]
        found = storage.find(f"{place}/checkpoint")
        if found is None:
            raise JobError(f"fine_tune_checkpoint: no checkpoint in {place}")
    if found is not None:
        odd = model.load(storage.read(f"{place}/{found.decode()}"))
        say(f"restored from {place}, without {odd or 'exception'}")


def _interval(
    model: Model, data: Clicks, plan: Plan, span: tuple[int, int], source: np.random.Generator
) -> float:
    first, last = span

    def rate(step: int) -> float:
        return RATE_SCALE * plan.rate_at(first + (last - first) * step // REAL_STEPS)

    with np.errstate(all="ignore"):  # a rate that is too high ends as NaN, which is reported
        return train(model, data, REAL_STEPS, rate, source)
