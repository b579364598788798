"""Trains a digit classifier as pipeline.config says. It knows nothing of tuning.

    python3 train.py --pipeline_config_path pipeline.config --model_dir model

After each epoch it writes the validation metrics to `<model_dir>/eval_val` (TensorBoard event
files), and at the end the test metrics to `<model_dir>/eval_test`, the weights to
`<model_dir>/model.npz` and the config beside them. The same config gives the same numbers.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# These matrices are too small to share between threads, and several trainings may share a machine.
# numpy reads the variables when it is imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import pipeline_config  # noqa: E402
from digits_data import CLASSES, Split, load_splits, prepare, shift_some  # noqa: E402
from google.protobuf.text_format import MessageToString  # noqa: E402
from network import Network, make_optimizer, make_schedule  # noqa: E402
from sklearn.metrics import accuracy_score, f1_score  # noqa: E402
from tensorboardX import SummaryWriter  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pipeline_pb2


class Epoch(NamedTuple):
    """Where training stands after an epoch (counted from 1)."""

    number: int
    step: int
    learning_rate: float


class Trainer:
    """The network, the data, and the loop over the epochs."""

    def __init__(self, config: pipeline_pb2.PipelineConfig) -> None:
        self.config = config
        self.splits = load_splits(config.data_config)
        self._rng = np.random.default_rng(config.train_config.seed)
        width = prepare(self.splits.train.pixels[:1], config.feature_configs).shape[1]
        sizes = [width, *config.model_config.hidden_units, CLASSES]
        self.network = Network(sizes, config.model_config, self._rng)

    def epochs(self) -> Iterator[Epoch]:
        """Train; yield after each epoch."""
        train = self.config.train_config
        parameters = self.network.parameters
        optimizer = make_optimizer(train.optimizer_config, parameters.size)
        schedule = make_schedule(train.optimizer_config)
        step = 0
        for number in range(1, train.num_epochs + 1):
            inputs, targets = self._draw_epoch()
            for start in range(0, len(inputs), train.batch_size):
                batch = slice(start, start + train.batch_size)
                gradient = self.network.gradient(inputs[batch], targets[batch])
                optimizer.update(parameters, gradient, schedule(step))
                step += 1
            yield Epoch(number, step, schedule(step))

    def evaluate(self, split: Split) -> dict[str, float]:
        """Return the metrics of the network as it is now."""
        probabilities = self.network.predict(prepare(split.pixels, self.config.feature_configs))
        if not np.isfinite(probabilities).all():
            raise FloatingPointError("training diverged; lower the learning rate")
        guesses = probabilities.argmax(axis=1)
        right = probabilities[np.arange(len(split.labels)), split.labels]
        return {
            "accuracy": accuracy_score(split.labels, guesses),
            "f1": f1_score(split.labels, guesses, average="macro"),
            "loss": float(-np.log(right.clip(1e-7)).mean()),
        }

    def _draw_epoch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs and wanted outputs of one epoch, in random order."""
        train, split = self.config.train_config, self.splits.train
        order = np.tile(np.arange(len(split.labels)), train.views_per_epoch)
        self._rng.shuffle(order)
        pixels = shift_some(split.pixels[order], train.train_shifted, self._rng)
        inputs = prepare(pixels, self.config.feature_configs, self._rng)
        hard = np.eye(CLASSES, dtype=np.float32)[split.labels[order]]
        smoothing = np.float32(train.label_smoothing)
        return inputs, (1 - smoothing) * hard + smoothing / CLASSES


def train(config: pipeline_pb2.PipelineConfig, model_dir: Path) -> dict[str, float]:
    """Train, write everything under `model_dir`, and return the test metrics."""
    trainer = Trainer(config)
    last = config.train_config.num_epochs
    with SummaryWriter(str(model_dir / "eval_val")) as writer:
        for epoch in trainer.epochs():
            metrics = trainer.evaluate(trainer.splits.validation)
            # By epoch, not by step: runs with another batch size can be laid over each other.
            _write(writer, metrics, epoch.number)
            print(
                f"epoch {epoch.number}/{last}: {_spell(metrics)}"
                f" (step {epoch.step}, learning rate {epoch.learning_rate:.2g})",
                flush=True,
            )
    np.savez(model_dir / "model.npz", parameters=trainer.network.parameters)
    (model_dir / "pipeline.config").write_text(MessageToString(config), encoding="utf-8")
    metrics = trainer.evaluate(trainer.splits.test)
    with SummaryWriter(str(model_dir / "eval_test")) as writer:
        _write(writer, metrics, last)
    print(f"test: {_spell(metrics)}", flush=True)
    return metrics


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 is success, 1 a training that diverged, 2 a config that is wrong."""
    parser = argparse.ArgumentParser(description="Train a classifier of handwritten digits.")
    parser.add_argument("--pipeline_config_path", type=Path, required=True)
    parser.add_argument("--model_dir", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        config = pipeline_config.read_config(options.pipeline_config_path)
        train(config, options.model_dir)
    except pipeline_config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"{options.pipeline_config_path}: {error}", file=sys.stderr)
        return 1
    return 0


def _write(writer: SummaryWriter, metrics: dict[str, float], epoch: int) -> None:
    for name, value in metrics.items():
        writer.add_scalar(name, value, epoch)
    writer.flush()


def _spell(metrics: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in metrics.items())


if __name__ == "__main__":
    sys.exit(main())
