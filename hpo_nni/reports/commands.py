"""A step's command as labels and values, so that two of them can be compared word by word."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.errors import CommandSyntaxError
from hpo_nni.inspection.statements import tables_of
from hpo_nni.platforms.pai_command import is_pai_command, parse_pai_command
from hpo_nni.reports.days import without_days

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTION = re.compile(r"(--?[A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_DATA = re.compile(r"://|\{day\}|\{(bizdate|predate|eval_ymd)\b")
_FILE = re.compile(r".*/[^/]*\.\w+")
_CODE = (".py", ".sh", ".jar", ".whl", ".r", ".jl")
# Where a trial writes, and what is compared as config: not what it reads.
_OUTPUT = frozenset({"-Dmodel_dir", "-Dconfig", "--model_dir", "--output_dir", "--out", "--config"})


class Part(NamedTuple):
    """A word of a command, `{day}` in it for each day.

    Attributes:
        label: the option that it belongs to; `sql` and `table` in a statement; empty for others.
    """

    label: str
    value: str

    @property
    def is_data(self) -> bool:
        """Whether it says what is read: a table, a URI, a path, a day."""
        if self.label in _OUTPUT or self.label == "sql" or self.value.startswith("${"):
            return False
        is_path = "/" in self.value if self.label else _FILE.fullmatch(self.value) is not None
        is_code = self.value.lower().endswith(_CODE)
        is_named = self.label == "table" or _DATA.search(self.value) is not None
        return is_named or (is_path and not is_code)


def parts_of(command: str, *, is_sql: bool = False) -> list[Part]:
    """Take a command apart: `PAI`, a statement of SQL, or one of the shell.

    >>> [tuple(part) for part in parts_of("python3 train.py --data s3://b/x -v --lr=${lr}")]
    [('', 'python3'), ('', 'train.py'), ('--data', 's3://b/x'), ('-v', ''), ('--lr', '${lr}')]
    """
    if is_pai_command(command):
        try:
            flow = parse_pai_command(command)
        except CommandSyntaxError:
            return [Part("", without_days(command))]
        options = {f"-D{name}": value for name, value in flow.parameters.items()}
        named = {"-name": flow.name, "-project": flow.project, **options}
        return [Part(label, without_days(value)) for label, value in named.items()]
    if is_sql:
        tables = [".".join(filter(None, one)) for one in tables_of(command).needed]
        return [Part("table", without_days(one)) for one in tables] + [
            Part("sql", without_days(command))
        ]
    return [Part(label, without_days(value)) for label, value in _of_shell(command)]


def _of_shell(command: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError:  # an open quote: such a trial never ran
        words = [command]
    waiting = ""  # an option whose value may come next
    for word in words:
        option = _OPTION.fullmatch(word)
        if option is None:
            yield waiting, word
            waiting = ""
            continue
        if waiting:
            yield waiting, ""
        waiting = option[1] if option[2] is None else ""
        if option[2] is not None:
            yield option[1], option[2]
    if waiting:
        yield waiting, ""
