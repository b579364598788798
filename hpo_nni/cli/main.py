"""`hpo-nni`: finds the command, parses its arguments, turns errors into messages and exit codes.

A command is a module with HELP, `add_arguments(parser)` and `run(arguments) -> exit code`. Exit
codes: 0 done, 1 the work failed, 2 the input is wrong.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from hpo_nni import __version__
from hpo_nni.errors import (
    CommandSyntaxError,
    DocumentError,
    HpoNniError,
    KeyPathError,
    RegistryError,
    SettingsError,
    StoreError,
    ValueMismatchError,
    describe,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": "hpo_nni.cli.run",
    "daily": "hpo_nni.cli.daily",
    "history": "hpo_nni.cli.history",
    "check": "hpo_nni.cli.check",
    "rehearse": "hpo_nni.cli.rehearse",
    "doctor": "hpo_nni.cli.doctor",
    "edit": "hpo_nni.cli.edit",
    "finetune-config": "hpo_nni.cli.finetune_config",
    "show": "hpo_nni.cli.show",
    "cost": "hpo_nni.cli.cost",
    "why": "hpo_nni.cli.why",
    "logs": "hpo_nni.cli.logs",
    "compare": "hpo_nni.cli.compare",
    "replay": "hpo_nni.cli.replay",
    "reweigh": "hpo_nni.cli.reweigh",
    "retry": "hpo_nni.cli.retry",
    "notify": "hpo_nni.cli.notify",
    "jobs": "hpo_nni.cli.jobs",
    "kill": "hpo_nni.cli.kill",
    "stop": "hpo_nni.cli.stop",
    "reap": "hpo_nni.cli.reap",
    "prune": "hpo_nni.cli.prune",
    "install": "hpo_nni.cli.install",
    "init": "hpo_nni.cli.init",
    "examples": "hpo_nni.cli.examples",
}
_INPUT_FAULTS = (
    CommandSyntaxError,
    SettingsError,
    DocumentError,
    KeyPathError,
    ValueMismatchError,
    RegistryError,
    StoreError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parse(list(sys.argv[1:] if argv is None else argv))
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO,
        format="%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(arguments.run(arguments))
    except HpoNniError as error:
        if arguments.debug:
            raise
        print(describe(error), file=sys.stderr)
        return 2 if isinstance(error, _INPUT_FAULTS) else 1
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.EIO}:
            raise
        # who reads has gone: `hpo-nni show | head`, or a window that was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hpo-nni", description="Tune training jobs that are driven by a config file."
    )
    parser.add_argument("--version", action="version", version=f"hpo-nni {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = next((word for word in argv if not word.startswith("-")), None)
    wanted = [named] if named in COMMANDS else list(COMMANDS)  # import only what will run
    for name in wanted:
        module: Any = importlib.import_module(COMMANDS[name])
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show tracebacks and details")
        command.set_defaults(run=module.run)
    return parser.parse_args(argv)
