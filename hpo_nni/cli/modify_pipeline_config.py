"""`modify_pipeline_config.py` of PAI-NNI-HPO, with its flags."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.dialects.easyrec_finetune_config import finetune_config, open_place, positive_rate
from hpo_nni.errors import HpoNniError, describe

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Set the learning rates; 0 done, 1 a store failed, 2 the input is wrong."""
    parser = argparse.ArgumentParser(
        prog="modify_pipeline_config.py", description="Set the learning rates of a config."
    )
    parser.add_argument("--pipeline_config_path", required=True, help="a path, or oss://...")
    parser.add_argument("--save_path", required=True, help="a path, or oss://...")
    parser.add_argument("--learning_rate", type=positive_rate, default=1e-6, help="default: 1e-6")
    parser.add_argument("--oss_config", type=Path, metavar="FILE", help="ossutil's, for oss://")
    arguments = parser.parse_args(argv)
    source, target = arguments.pipeline_config_path, arguments.save_path
    try:
        text = open_place(source, arguments.oss_config, os.environ).read_text(source)
        made = finetune_config(text, source, rate=arguments.learning_rate)
        open_place(target, arguments.oss_config, os.environ).write_text(target, made.text)
    except HpoNniError as error:
        print(describe(error), file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    print("\n".join((*made.report, f"written: {target}")))
    return 0
