"""Trains the recommender on some days of the click log. It knows nothing of tuning.

    python3 train.py --config pipeline.yaml --first 20260901 --last 20260930 --out model
    python3 train.py --config pipeline.yaml --first 20261001 --init_from model --out next

After each day it writes AUC and log loss on the *next* day's log, which it has not seen, as a line
of `<out>/metrics.jsonl`, and at the end the model to `<out>/model.npz`. The same arguments give the
same model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import date, timedelta
from pathlib import Path

# These arrays are too small to share between threads, and several trainings may share a machine.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import yaml  # noqa: E402
from click_log import days_between, read_day  # noqa: E402
from recommender import Recommender  # noqa: E402


def main() -> int:
    """Train; 0, or 2 if the config or the arguments make no sense."""
    parser = argparse.ArgumentParser(description="Train the recommender on some days.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--first", type=_day, required=True, help="as 20260901")
    parser.add_argument("--last", type=_day, help="by default, the first")
    parser.add_argument("--init_from", type=Path, help="a folder with a model to go on from")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    model_config, train = config["model"], config["train"]
    if arguments.init_from is None:
        model = Recommender(model_config["latent_dim"], model_config["seed"])
    else:
        model = Recommender.load(arguments.init_from)
        model.forget(train["memory_kept"])
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "metrics.jsonl").open("w", encoding="utf-8") as metrics:
        days = days_between(arguments.first, arguments.last or arguments.first)
        for number, day in enumerate(days, start=1):
            for epoch in range(train["epochs"]):
                model.fit(
                    read_day(day),
                    learning_rate=train["learning_rate"],
                    l2=train["l2"],
                    batch_size=train["batch_size"],
                    seed=epoch,
                )
            found = model.evaluate(read_day(day + timedelta(days=1)))
            said = " ".join(f"{name} {value:.4f}" for name, value in found.items())
            print(f"{day}: {said}", flush=True)
            metrics.write(json.dumps({"step": number, **found}) + "\n")
            metrics.flush()
    model.save(arguments.out)
    return 0


def _day(text: str) -> date:
    try:
        return date(*time.strptime(text, "%Y%m%d")[:3])
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 20260901") from error


if __name__ == "__main__":
    sys.exit(main())
