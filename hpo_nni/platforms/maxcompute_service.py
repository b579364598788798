"""MaxCompute as the rest of the platform sees it: few calls, our errors, one request at a time.

The only module that touches `pyodps`; it is imported when the first request is made, for that takes
two seconds. Its retries are off: the caller owns time. Facts about it are of version 0.13.2.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hpo_nni.errors import HpoNniError, MissingExtraError, PlatformError, TransientPlatformError
from hpo_nni.platforms.maxcompute_errors import MissingInstanceError, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.secrets import Credentials

_T = TypeVar("_T")

LOG_BYTES = 64 * 1024


@dataclass(frozen=True)
class MaxComputeConnection:
    """An account and the project that pays.

    Attributes:
        credentials: resolved, in memory only.
        region: such as `cn-beijing`; where it is given, requests are signed as V4.
        logview_host: empty for the one that the service names.
        connect_seconds: until a connection stands.
        read_seconds: of silence within an answer.
        places: where the user wrote `endpoint`, `key_id` and so on, for messages.
    """

    project: str
    endpoint: str
    credentials: Credentials
    region: str = ""
    logview_host: str = ""
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    places: Mapping[str, str] = field(default_factory=dict)


class Task(NamedTuple):
    """One task of an instance; `status` is the service's word in upper case."""

    name: str
    status: str


class SubInstance(NamedTuple):
    """What an XFlow has started."""

    name: str
    id: str


class Rows(NamedTuple):
    """What a statement selected: a value for each column in each row, None for NULL."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class MaxComputeService:
    """The calls that are needed, on the instances of one project."""

    def __init__(self, connection: MaxComputeConnection) -> None:
        self._connection = connection

    def ask(self, what: str, call: Callable[[Any], _T]) -> _T:
        """Any other question, put to the SDK's entry object.

        Args:
            what: is asked, as the end of "cannot ...".
            call: gets the entry object.

        Raises:
            PlatformError: in the service's own words.
        """
        return self._call(what, lambda: call(self._odps))

    def run_xflow(self, xflow: XFlow, hints: Mapping[str, str]) -> str:
        """Submit an XFlow; returns the instance's id."""
        parameters = dict(xflow.parameters)
        return self._call(
            f"submit {xflow.project}.{xflow.name}",
            lambda: str(
                self._odps.run_xflow(
                    xflow.name, xflow.project, parameters=parameters, hints=dict(hints)
                ).id
            ),
        )

    def run_sql(self, query: str, hints: Mapping[str, str]) -> str:
        """Submit a statement; returns the instance's id."""
        return self._call(
            "submit the statement", lambda: str(self._odps.run_sql(query, hints=dict(hints)).id)
        )

    def tasks(self, instance_id: str) -> list[Task]:
        """How the tasks of an instance stand; none right after its submission."""

        def ask() -> list[Task]:
            found = self._instance(instance_id).get_task_statuses(retry=False)
            return [Task(name, task.status.value) for name, task in found.items() if task.status]

        return self._call(f"ask for instance {instance_id}", ask)

    def is_terminated(self, instance_id: str) -> bool:
        """Whether an instance has ended."""

        def ask() -> bool:
            return bool(self._instance(instance_id).is_terminated(retry=False))

        return self._call(f"ask for instance {instance_id}", ask)

    def result(self, instance_id: str) -> str:
        """What the tasks of an instance have to say: a table of rows, or why it failed."""

        def ask() -> str:
            found = self._instance(instance_id).get_task_results(retry=False)
            return "\n".join(text for text in found.values() if text).strip()

        return self._call(f"ask for the result of {instance_id}", ask)

    def rows(self, instance_id: str) -> Rows:
        """What a statement that has ended selected, as far as the service gives it to anybody.

        That is 10,000 rows; more would need the right to download tables.
        """

        def ask() -> Rows:
            with self._instance(instance_id).open_reader(tunnel=True, limit=True) as reader:
                columns = tuple(str(column.name) for column in reader.schema.columns)
                return Rows(columns, tuple(tuple(record.values) for record in reader))

        return self._call(f"read what {instance_id} selected", ask)

    def sub_instances(self, instance_id: str) -> list[SubInstance]:
        """All that an XFlow has started so far, those of its own sub-workflows included.

        `pyodps` has a call for it that keeps one instance of each name only.
        """
        found = []
        for action in self._call(
            f"ask for the parts of {instance_id}", lambda: self._actions(instance_id)
        ):
            if action.node_type == "SubWorkflow":
                found.append(SubInstance(action.name, action.instance_id))
                found += self.sub_instances(action.instance_id)
            elif action.node_type != "Local" and action.instance_id:
                found.append(SubInstance(action.name, action.instance_id))
        return found

    def source(self, instance_id: str) -> str:
        """The XML that was submitted."""
        try:
            return self._source(instance_id, "xsource")
        except (TransientPlatformError, MissingInstanceError):
            raise
        except PlatformError:  # it is no XFlow
            return self._source(instance_id, "source")

    def recent(self, since: float) -> list[str]:
        """The ids of this account's instances since then (seconds since the epoch)."""
        return self._call(
            "list instances",
            lambda: [
                str(one.id)
                for one in self._project.instances.iterate(start_time=int(since), only_owner=True)
            ],
        )

    def stop(self, instance_id: str) -> None:
        """Ask for the end of one instance; silent where it has ended."""
        try:
            self._call(f"stop instance {instance_id}", self._instance(instance_id).stop)
        except PlatformError as error:
            if type(error.__cause__).__name__ != "InvalidStateSetting":
                raise

    def logview(self, instance_id: str) -> str:
        """The address of the page that shows the instance; whoever has it can read the logs."""
        return self._call(
            f"ask for the logview of {instance_id}",
            lambda: str(self._instance(instance_id).get_logview_address()),
        )

    def worker_logs(self, instance_id: str, task: str) -> dict[str, str]:
        """The ends of what the workers of a task have written: name of the stream -> text."""

        def ask() -> dict[str, str]:
            instance = self._instance(instance_id)
            workers = instance.get_task_workers(task)
            return {
                f"{worker.log_id} {kind}": instance.get_worker_log(worker.log_id, kind, LOG_BYTES)
                for worker in workers
                if worker.log_id
                for kind in ("stdout", "stderr")
            }

        return self._call(f"read the logs of {instance_id}", ask)

    @cached_property
    def _odps(self) -> Any:
        try:
            odps = importlib.import_module("odps")
            rest = importlib.import_module("odps.rest")
        except ImportError as error:
            raise MissingExtraError(
                f"MaxCompute needs {error.name}, which is not installed",
                hint="pip install 'hpo-nni[maxcompute]'",
            ) from error
        connection = self._connection
        timeout = (connection.connect_seconds, connection.read_seconds)

        class Rest(rest.RestClient):  # type: ignore[name-defined,misc]
            """With deadlines of ours on every request."""

            def request(self, url: str, method: str, **more: Any) -> Any:
                more["timeout"] = more.get("timeout") or timeout
                return super().request(url, method, **more)

        pair = connection.credentials
        token = {"sts_token": pair.sts_token.reveal()} if pair.sts_token else {}
        return odps.ODPS(
            pair.key_id.reveal(),
            pair.key_secret.reveal(),
            project=connection.project,
            endpoint=connection.endpoint,
            region_name=connection.region or None,
            logview_host=connection.logview_host or None,
            rest_client_cls=Rest,
            rest_client_kwargs={"retry_enabled": False},
            **token,
        )

    @property
    def _project(self) -> Any:
        return self._odps.get_project()

    def _instance(self, instance_id: str) -> Any:
        return self._project.instances[instance_id]

    def _actions(self, instance_id: str) -> Any:
        xflows = importlib.import_module("odps.models.xflows").XFlows
        answer = self._odps.rest.get(self._instance(instance_id).resource(), action="xresult")
        return list(xflows.XFlowResult.parse(self._odps.rest, answer).actions or [])

    def _source(self, instance_id: str, action: str) -> str:
        return self._call(
            f"read the source of {instance_id}",
            lambda: str(
                self._odps.rest.get(
                    self._instance(instance_id).resource(), action=action
                ).content.decode("utf-8", "replace")
            ),
        )

    def _call(self, what: str, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except HpoNniError:
            raise
        except Exception as error:  # any SDK's: none of them may cross this line
            connection = self._connection
            raise translate(what, connection.endpoint, error, connection.places) from error
