"""MaxCompute's tables as clients see them: their schemas, their partitions, their rows."""

from __future__ import annotations

import json
import re
import secrets
from email.utils import formatdate
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.http import Request, Response, ServiceError
from hpo_nni.testing.cloud.tables import Result, Table
from hpo_nni.testing.cloud.tunnel import encode
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from hpo_nni.testing.cloud.instances import Instance
    from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer

_XML = {"Content-Type": "application/xml"}
_CREATED = 1655424000


class TableRoutes:
    """Schemas, partitions and tunnel sessions; who asks has been checked before."""

    def __init__(self, server: MaxComputeServer) -> None:
        self._server = server
        self._sessions: dict[str, Result] = {}

    def list_all(self, request: Request, _: str, project: str) -> Response:
        """GET /projects/P/tables: all on one page."""
        prefix = request.query.get("name", "").lower()
        found = [
            element("Table", text("Name", table.name), text("Owner", "ALIYUN$loopback"))
            for name, table in sorted(self._server.catalogs[project].tables.items())
            if name.startswith(prefix)
        ]
        content = [text("Marker", ""), text("MaxItems", len(found)), *found]
        return Response(200, document("Tables", content), dict(_XML))

    def table(self, request: Request, _: str, project: str, name: str) -> Response:
        """GET /projects/P/tables/T, with or without an action."""
        if "downloadid" in request.query:
            return self._data(request)
        table = self._find(project, name)
        if "partitions" in request.query:
            return self._partitions(table, request.query.get("partition", ""))
        if "partition" in request.query:
            return self._partition(table, request.query["partition"])
        count = sum(len(rows) for rows in table.rows.values())
        schema = {
            "columns": [_column(c.name, c.kind) for c in table.columns],
            "partitionKeys": [_column(key, "string") for key in table.keys],
            "comment": "",
            "owner": "ALIYUN$loopback",
            "createTime": _CREATED,
            "lastModifiedTime": _CREATED,
            "lastDDLTime": _CREATED,
            "size": count * 100,
            "PhysicalSize": count * 100,
            "FileNum": 1,
            "recordNum": count,
        }
        content = [
            text("Name", table.name),
            text("TableId", secrets.token_hex(16)),
            text("Owner", "ALIYUN$loopback"),
            text("Schema", json.dumps(schema), format="Json"),
            text("CreationTime", formatdate(_CREATED, usegmt=True)),
            text("LastModifiedTime", formatdate(_CREATED, usegmt=True)),
        ]
        return Response(200, document("Table", content), dict(_XML))

    def open_table(self, request: Request, _: str, project: str, name: str) -> Response:
        """POST /projects/P/tables/T?downloads."""
        table = self._find(project, name)
        partition = _path(request.query.get("partition", ""))
        if partition and not table.matching(partition):
            raise _no_partition(table, partition)
        rows = [row for part in table.matching(partition) for row in table.rows[part]]
        return self._open(Result(table.columns, rows))

    def open_result(self, request: Request, _: str, project: str, instance_id: str) -> Response:
        """POST /projects/P/instances/I?downloads."""
        result = self._server.results.get(instance_id)
        instance = self._server.instances.get(instance_id)
        if "downloads" not in request.query or instance is None or instance.project != project:
            raise ServiceError(404, "NoSuchObject", f"ODPS-0420111: no such {instance_id}")
        if result is None:
            raise ServiceError(400, "InstanceTypeNotSupported", "The instance has no result set.")
        return self._open(result)

    def result_data(self, request: Request, _: Instance) -> Response:
        """GET /projects/P/instances/I?downloadid, with `data` or without."""
        return self._data(request)

    def _open(self, result: Result) -> Response:
        session = secrets.token_hex(16)
        self._sessions[session] = result
        return self._session(session, result)

    def _session(self, session: str, result: Result) -> Response:
        body = {
            "DownloadID": session,
            "Status": "normal",
            "RecordCount": len(result.rows),
            "QuotaName": "default",
            "Schema": {
                "columns": [_column(c.name, c.kind) for c in result.columns],
                "partitionKeys": [],
            },
        }
        return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _data(self, request: Request) -> Response:
        query = request.query
        session = query["downloadid"]
        result = self._sessions.get(session)
        if result is None:
            raise ServiceError(404, "NoSuchDownload", f"No such download session {session}")
        if "data" not in query:
            return self._session(session, result)
        if "arrow" in query:
            raise ServiceError(405, "MethodNotAllowed", "Arrow is not served here.")
        span = re.fullmatch(r"\((\d+),(\d+)\)", query.get("rowrange", ""))
        first, count = (int(span[1]), int(span[2])) if span else (0, len(result.rows))
        part = Result(result.columns, result.rows[first : first + count])
        wanted = [name for name in query.get("columns", "").split(",") if name]
        return Response(200, encode(part.only(wanted) if wanted else part))

    def _partitions(self, table: Table, below: str) -> Response:
        found = [
            element(
                "Partition",
                *(
                    element("Column", Name=part.partition("=")[0], Value=part.partition("=")[2])
                    for part in name.split("/")
                ),
                text("CreationTime", _CREATED),
                text("LastDDLTime", _CREATED),
                text("LastModifiedTime", _CREATED),
                text("PartitionSize", len(table.rows[name]) * 100),
                text("PartitionRecordCount", len(table.rows[name])),
            )
            for name in sorted(table.matching(_path(below)))
            if name
        ]
        content = [text("Marker", ""), text("MaxItems", len(found)), *found]
        return Response(200, document("Partitions", content), dict(_XML))

    def _partition(self, table: Table, spec: str) -> Response:
        name = _path(spec)
        if name not in table.rows:
            raise _no_partition(table, name)
        count = len(table.rows[name])
        schema = {
            "createTime": _CREATED,
            "lastDDLTime": _CREATED,
            "lastModifiedTime": _CREATED,
            "partitionSize": count * 100,
            "partitionRecordNum": count,
            "PhysicalSize": count * 100,
            "FileNum": 1,
        }
        return Response(
            200, document("Partition", [text("Schema", json.dumps(schema))]), dict(_XML)
        )

    def _find(self, project: str, name: str) -> Table:
        table = self._server.catalogs[project].get(name)
        if table is None:
            raise ServiceError(
                404,
                "NoSuchTable",
                f"ODPS-0130131:Table not found - table {project}.{name} cannot be resolved",
            )
        return table


def _no_partition(table: Table, partition: str) -> ServiceError:
    return ServiceError(
        404,
        "NoSuchPartition",
        f"ODPS-0420111: Specified partition {partition} of {table.name} does not exist",
    )


def _path(spec: str) -> str:
    """A partition as clients write it, `dt='20220617',hh='01'`, in the form of `Table.rows`."""
    return "/".join(part.strip() for part in re.sub("['\"]", "", spec).split(",") if part)


def _column(name: str, kind: str) -> dict[str, object]:
    return {"name": name, "type": kind, "comment": "", "isNullable": True}
