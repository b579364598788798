"""A MaxCompute that runs here: the real protocol on 127.0.0.1, jobs that really train.

    with OssServer(directory, credentials, buckets=["b"]) as oss:
        with MaxComputeServer(oss=oss, credentials=credentials, project="demo") as mc:
            o = odps.ODPS("id", "secret", project="demo", endpoint=mc.endpoint)

Stopping an XFlow does not stop its sub-instances, for nothing that we know of promises that it
would: who wants a job gone stops all of it, and `mc.instances` tells whether that was done.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hpo_nni.testing.cloud.faults import Fate
from hpo_nni.testing.cloud.http import LoopbackServer, Request, Response, ServiceError
from hpo_nni.testing.cloud.instances import Instance, Instances, TaskStatus, new_id
from hpo_nni.testing.cloud.keyring import Keyring
from hpo_nni.testing.cloud.maxcompute_routes import Routes
from hpo_nni.testing.cloud.odps_signatures import check_odps
from hpo_nni.testing.cloud.tables import Catalog, Column, Result, SqlError, Table, is_query
from hpo_nni.testing.cloud.xflow import XFLOWS, Cluster, Xflows
from hpo_nni.testing.cloud.xml_text import document, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hpo_nni.testing.cloud.oss_server import OssServer
    from hpo_nni.testing.cloud.tables import Cell

_TROUBLE = {
    401: "Unauthorized",
    403: "NoPermission",
    404: "NoSuchObject",
    429: "FlowExceeded",
    502: "BadGatewayError",
    503: "ServiceUnavailable",
}
CLICK_COLUMNS = (Column("sample", "bigint"), Column("features", "string"))


class MaxComputeServer(LoopbackServer):
    """MaxCompute on a free port of 127.0.0.1, for the length of a `with` block.

    Attributes:
        instances: the server's own record of everything that was submitted.
        keyring: whose requests are accepted.
        catalogs: the tables, by project.
        results: what SQL instances have selected, by instance.
    """

    def __init__(
        self,
        oss: OssServer,
        credentials: Mapping[str, str],
        project: str,
        *,
        cluster: Cluster | None = None,
        port: int = 0,
    ) -> None:
        """Make a project; tables are added with `add_table` and `add_click_table`.

        Args:
            oss: where the jobs read their configs and write their results.
            credentials: access key id to secret.
            project: the name of the one project there is at first.
            cluster: what jobs meet.
            port: where to listen; 0 for a free one.
        """
        super().__init__(port)
        self.instances = Instances()
        self.catalogs = {project: Catalog(project)}
        self.results: dict[str, Result] = {}
        self._project = project
        self.keyring = Keyring(dict(credentials))
        self._oss = oss
        self._cluster = cluster or Cluster()
        self._xflows = self._new_xflows()
        self._routes = Routes(self)
        self._submitting = threading.Lock()

    @property
    def endpoint(self) -> str:
        """What users write as `odps_endpoint`."""
        return f"http://127.0.0.1:{self.port}/api"

    def add_project(self, project: str) -> None:
        """Make a further project, without tables."""
        self.catalogs.setdefault(project, Catalog(project))

    def add_table(self, table: Table, project: str = "") -> None:
        """Hold a table with rows, in the first project if none is named."""
        self.catalogs[project or self._project].add(table)

    def add_click_table(
        self, name: str, rows: int, partitions: Iterable[str] = ("",), project: str = ""
    ) -> None:
        """Hold a table for training: so many samples in each partition.

        What is in the samples the trainer makes up, from the table's name and the partition; here
        they only have numbers, so that they can be counted.
        """
        parts = list(partitions)
        keys = tuple(part.partition("=")[0] for part in parts[0].split("/") if part)
        samples = [(number, "") for number in range(rows)]
        table = Table(name, CLICK_COLUMNS, keys, dict.fromkeys(parts, samples))
        self.add_table(table, project)

    def start(self) -> None:
        """Listen; after a `stop`, with the same instances, none of which runs any more."""
        self._xflows = self._new_xflows()
        super().start()

    def stop(self) -> None:
        """Stop listening, and end every process that was started."""
        super().stop()
        self._xflows.close()

    def respond(self, request: Request) -> Response:
        """One request, checked and done."""
        owner = check_odps(request, self.keyring, self.now())
        response = self._routes.respond(request, owner)
        response.headers.setdefault("x-odps-request-id", secrets.token_hex(12).upper())
        return response

    def refusal(self, request: Request, error: ServiceError) -> Response:
        """MaxCompute's form of an error."""
        request_id = secrets.token_hex(12).upper()
        body = document(
            "Error",
            [
                text("Code", error.code),
                text("Message", error.message),
                text("RequestId", request_id),
                text("HostId", f"http://127.0.0.1:{self.port}{request.path}"),
            ],
        )
        headers = {"Content-Type": "application/xml", "x-odps-request-id": request_id}
        return Response(error.status, body, headers)

    def trouble(self, status: int) -> str:
        """MaxCompute's word for a status."""
        return _TROUBLE.get(status, "InternalServerError")

    def submit(self, project: str, owner: str, source: str) -> Instance:
        """Take up what was posted to a project's instances."""
        try:
            root = ET.fromstring(source)  # noqa: S314 - from our own machine
        except ET.ParseError as error:
            raise ServiceError(400, "InvalidParameter", f"ODPS-0410001: {error}") from error
        xflow, query = root.find("XflowInstance"), root.find("Job/Tasks/SQL")
        with self._submitting:  # so that faults count jobs in the order of the record
            if xflow is not None:
                instance = _xflow_instance(xflow, project, owner, source)
                self.instances.add(instance)
                self._xflows.run(instance, self.faults.of_job(source))
            elif query is not None:
                name = query.findtext("Name") or "AnonymousSQLTask"
                instance = Instance(new_id(), project, owner, name, "SQL", source=source)
                self.instances.add(instance)
                self._run_sql(instance, query.findtext("Query") or "")
            else:
                raise ServiceError(400, "InvalidParameter", "ODPS-0410001: no task that runs here")
        return instance

    def _run_sql(self, instance: Instance, query: str) -> None:
        fault = self.faults.of_job(instance.source)
        if fault and fault.fate in {Fate.WAITS, Fate.VANISHES}:
            return
        self.instances.start(instance)
        if fault:
            message = fault.message if fault.fate is Fate.FAILS else ""
            self.instances.end(instance, TaskStatus.FAILED, message)
            return
        if self._cluster.skips_statements and not is_query(query):
            self.instances.end(instance, TaskStatus.SUCCESS)
            return
        try:
            result = self.catalogs[instance.project].select(query)
        except SqlError as error:
            self.instances.end(instance, TaskStatus.FAILED, str(error))
            return
        self.results[instance.id] = result
        self.instances.end(instance, TaskStatus.SUCCESS, _csv(result))

    def _new_xflows(self) -> Xflows:
        return Xflows(self.instances, self.catalogs, self._oss, self._cluster)


def _xflow_instance(xflow: ET.Element, project: str, owner: str, source: str) -> Instance:
    name, where = xflow.findtext("Xflow") or "", xflow.findtext("Project") or ""
    if (where, name) not in XFLOWS:
        message = f"ODPS-0420111: xflow not found - {where}/xflows/{name}"
        raise ServiceError(404, "NoSuchObject", message)
    parameters = {
        node.findtext("Key") or "": node.findtext("Value") or ""
        for node in xflow.findall("Parameters/Parameter")
    }
    return Instance(new_id(), project, owner, name, "XFLOW", source=source, parameters=parameters)


def _csv(result: Result) -> str:
    """The result as text: a header, then rows, strings in quotes."""
    lines = [",".join(f'"{column.name}"' for column in result.columns)]
    lines += [",".join(_csv_cell(cell) for cell in row) for row in result.rows]
    return "\n".join(lines) + "\n"


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return "\\N"
    if isinstance(cell, str):
        doubled = cell.replace('"', '""')
        return f'"{doubled}"'
    return repr(cell)
