"""Jinja as trial.ini uses it: no files, bounded work, dates, and markers for the lines.

A template is the user's own text, which also holds shell commands. The sandbox guards against
accidents (a loop without end, arithmetic on dates) and makes the result depend on the file alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import meta, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.visitor import NodeTransformer

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.registry import did_you_mean
from hpo_nni.trial import dates
from hpo_nni.trial import sandbox_limits as limits
from hpo_nni.trial.calendar import SOME_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from jinja2.runtime import Context

    from hpo_nni.trial.calendar import Calendar

_MOST_ROUNDS = 200_000
_ROUND = "count_round"  # our filter at the top of each loop's body
_JOIN = "join_texts"  # our filter in place of `~`
_RAW_HINT = (
    "Jinja reads {{, {% and {# everywhere: put text that needs them between {% raw %} "
    "and {% endraw %}"
)
_DATE_HINT = (
    "the calendar is known to {{ bizdate | add_days(1) }} and to "
    "{% for bizdate in date_range(20220629, 20220702) %}"
)
_DAYS_HINT = (
    "--start_time and --end_time of the trial command bring it; where they are left out: "
    "{% set days = date_list if date_list is defined else date_range(20220629, 20220702) %}"
)
_WHETHER = {"defined", "undefined"}
_ISOLATED = (nodes.AssignBlock, nodes.FilterBlock, nodes.Macro, nodes.CallBlock)
_FILE_NODES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_RENDER_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,  # Jinja writes 1e999 into its code as inf
    RecursionError,
    TypeError,
    ValueError,
)


def render_marked(text: str, name: str, calendar: Calendar | None = None) -> str:
    """Render `text`; each output line has, as NUL number NUL, the number of its source line.

    Raises:
        SettingsError: every fault that can be seen before rendering, or the first one in it.
    """
    environment = _Environment()
    environment.globals.update({} if calendar is None else calendar.words)
    try:
        tree = environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        where = f"{name}:{error.lineno}"
        message = f"Jinja cannot read this: {error.message}"
        raise SettingsError([Problem(where, message, _RAW_HINT)]) from error
    problems = sorted(_faults(tree, environment), key=lambda fault: fault[0])
    if problems:
        raise SettingsError([Problem(f"{name}:{line}", *rest) for line, *rest in problems])
    tree = _Joins().visit(tree)
    _mark(tree)
    try:
        return _bounded(environment.from_string(tree).generate())
    except _RENDER_ERRORS as error:
        line = getattr(error, "lineno", 0) or _template_line(error.__traceback__)
        where = f"{name}:{line}" if line else name
        raise SettingsError([_render_problem(error, where)]) from error


def free_names(text: str) -> set[str]:
    """The names that a template takes from outside; none where Jinja cannot read it."""
    try:
        return meta.find_undeclared_variables(_Environment().parse(text))
    except jinja2.TemplateError:
        return set()


class _Environment(ImmutableSandboxedEnvironment):
    """A sandbox whose arithmetic stays in the calendar and whose loops end."""

    intercepted_binops = frozenset({"+", "-", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined)
        self._rounds = 0
        self.filters.update(
            add_days=dates.add_days,
            add_hours=dates.add_hours,
            add_weeks=dates.add_weeks,
            date_format=dates.date_format,
            strftime=dates.date_format,
        )
        limits.bound_filters(self.filters)
        self.filters[_JOIN] = limits.join_texts
        self.filters[_ROUND] = self._count_round
        self.globals = {
            "range": lambda *bounds: _checked_range(safe_range(*bounds)),
            "dict": dict,
            "namespace": self.globals["namespace"],
            "date_range": dates.date_range,
        }

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        limits.check_operation(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        is_date = operator in "+-" and (dates.is_date_number(left) or dates.is_date_number(right))
        if is_date and dates.is_broken_date(result):
            raise _CalendarError(f"{left} {operator} {right} = {result} is not in the calendar")
        return result

    def call(self, context: Context, called: Any, /, *arguments: Any, **named: Any) -> Any:
        limits.check_call(called, arguments, named)
        return super().call(context, called, *arguments, **named)

    @pass_context  # or Jinja would call it once, at compile time
    def _count_round(self, _: Context, value: Any) -> Any:
        self._rounds += 1
        if self._rounds > _MOST_ROUNDS:
            raise OverflowError(f"the loops take more than {_MOST_ROUNDS:,} rounds")
        return value


class _Joins(NodeTransformer):
    """Makes a filter of ours out of `~`, which is no operator to the sandbox."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  (Jinja's name)
        parts = nodes.List([self.visit(part) for part in node.nodes])
        return nodes.Filter(parts, _JOIN, [], [], None, None, lineno=node.lineno)


class _CalendarError(ValueError):
    """Arithmetic on a date gave something that is none."""


def _checked_range(numbers: range) -> range:
    broken = next((number for number in numbers if dates.is_broken_date(number)), None)
    if broken is not None and dates.is_date_number(numbers[0]):
        raise _CalendarError(f"range({numbers[0]}, ...) contains {broken}, which is no date")
    return numbers


def _faults(tree: nodes.Template, environment: _Environment) -> Iterator[tuple[int, str, str]]:
    """What can be said without rendering, as line, message, hint."""
    for kind, known in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        for node in tree.find_all(kind):
            if node.name not in known:
                message = f"there is no {kind.__name__.lower()} {node.name!r}"
                yield node.lineno, message, did_you_mean(node.name, known)
    for kind, known in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        for node in tree.find_all(kind):
            known.setdefault(
                node.name, lambda *_: ""
            )  # or the search for names would end at this one
    undeclared = meta.find_undeclared_variables(tree)
    undeclared -= _asked_about(tree)
    assigned = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    for name_node in tree.find_all(nodes.Name):
        if name_node.name in undeclared and name_node.ctx == "load":
            hint = did_you_mean(name_node.name, [*sorted(assigned), *environment.globals])
            hint = _DAYS_HINT if name_node.name in SOME_DAY.words else hint
            yield name_node.lineno, f"{name_node.name!r} is not defined in this template", hint
    for file_node in tree.find_all(_FILE_NODES):
        yield file_node.lineno, "a trial.ini cannot take in other templates", ""


def _asked_about(tree: nodes.Template) -> set[str]:
    """The names of which a template asks whether they are defined: it can do without."""
    asked = (test.node for test in tree.find_all(nodes.Test) if test.name in _WHETHER)
    return {node.name for node in asked if isinstance(node, nodes.Name)}


def _mark(tree: nodes.Node) -> None:
    """Put line markers into all text that goes straight to the output; count loops' rounds.

    Text inside set blocks, macros and filters stays as it is: templates compute with it.
    """
    for loop in tree.find_all(nodes.For):
        count = nodes.Filter(nodes.Const(0), _ROUND, [], [], None, None)
        loop.body.insert(0, nodes.ExprStmt(count, lineno=loop.lineno))
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, nodes.TemplateData):
            node.data = _marked(node.data, node.lineno)
        elif not isinstance(node, _ISOLATED):
            pending.extend(node.iter_child_nodes())


def _marked(data: str, line: int) -> str:
    parts = data.split("\n")
    return "\n".join(f"\0{line + index}\0{part}" for index, part in enumerate(parts))


def _bounded(chunks: Iterator[str]) -> str:
    texts, length = [], 0
    for chunk in chunks:
        texts.append(chunk)
        length += len(chunk)
        if length > limits.LONGEST:
            raise OverflowError(f"the rendered file is longer than {limits.LONGEST:,} characters")
    return "".join(texts)


def _template_line(traceback: TracebackType | None) -> int:
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _render_problem(error: Exception, where: str) -> Problem:
    if isinstance(error, _CalendarError):
        return Problem(where, str(error), _DATE_HINT)
    return Problem(where, f"this cannot be rendered: {error}")
