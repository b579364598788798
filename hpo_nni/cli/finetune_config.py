"""`hpo-nni finetune-config`: an EasyRec config that goes on where its training ended."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hpo_nni.dialects.easyrec_finetune_config import finetune_config, open_place, positive_rate
from hpo_nni.documents import unified_diff

HELP = "set an EasyRec config's learning rates for finetuning: to where training left them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `hpo-nni finetune-config`."""
    parser.add_argument("config", metavar="CONFIG", help="pipeline.config: a path, or oss://...")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--steps",
        type=_steps,
        metavar="N",
        help="how long was trained; by default the config's num_steps",
    )
    rate.add_argument(
        "--learning-rate", type=positive_rate, metavar="RATE", help="instead of the schedule's end"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="OUT", help="write it there: a path, or oss://...")
    where.add_argument("--diff", action="store_true", help="print what would change")
    parser.add_argument(
        "--oss-config", type=Path, metavar="FILE", help="ossutil's file, for oss:// on either side"
    )


def run(arguments: argparse.Namespace) -> int:
    """Edit; return 0.

    Raises:
        HpoNniError: the config has no schedule to set, or a place cannot be reached.
    """
    source = arguments.config
    text = open_place(source, arguments.oss_config, os.environ).read_text(source)
    made = finetune_config(text, source, rate=arguments.learning_rate, steps=arguments.steps)
    print("\n".join(made.report), file=sys.stderr)
    if arguments.output:
        store = open_place(arguments.output, arguments.oss_config, os.environ)
        store.write_text(arguments.output, made.text)
    else:
        shown = unified_diff(text, made.text, source) if arguments.diff else made.text
        sys.stdout.flush()
        sys.stdout.buffer.write(shown.encode())
        sys.stdout.buffer.flush()
    return 0


def _steps(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of training steps")
    return int(text)
