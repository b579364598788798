"""MaxCompute's routes: which request means what, and how its answer looks to a client."""

from __future__ import annotations

import base64
import json
import re
import secrets
from email.utils import formatdate
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hpo_nni.testing.cloud.http import Request, Response, ServiceError
from hpo_nni.testing.cloud.instances import TaskStatus
from hpo_nni.testing.cloud.table_routes import TableRoutes
from hpo_nni.testing.cloud.xflow import XFLOWS
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.testing.cloud.instances import Instance
    from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
    from hpo_nni.testing.cloud.tables import Catalog

_XML = {"Content-Type": "application/xml"}
_CREATED = 1655424000.0
_PAGE = 1000


class Routes:
    """Who asks has been checked before."""

    def __init__(self, server: MaxComputeServer) -> None:
        self._server = server
        self._tables = TableRoutes(server)
        self._routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("GET", r"/logview/host", self._logview_host),
            ("GET", r"/projects/([^/]+)", self._project),
            ("PUT", r"/projects/([^/]+)/logs", self._survey),
            ("POST", r"/projects/([^/]+)/authorization", self._authorize),
            ("GET", r"/projects/([^/]+)/tunnel", self._tunnel),
            ("GET", r"/projects/([^/]+)/xflows/([^/]+)", self._xflow),
            ("POST", r"/projects/([^/]+)/instances", self._submit),
            ("GET", r"/projects/([^/]+)/instances", self._list),
            ("PUT", r"/projects/([^/]+)/instances/([^/]+)", self._stop),
            ("GET", r"/projects/([^/]+)/instances/([^/]+)", self._instance),
            ("POST", r"/projects/([^/]+)/instances/([^/]+)", self._tables.open_result),
            ("GET", r"/projects/([^/]+)/tables", self._tables.list_all),
            ("GET", r"/projects/([^/]+)/tables/([^/]+)", self._tables.table),
            ("POST", r"/projects/([^/]+)/tables/([^/]+)", self._tables.open_table),
        ]
        self._views: list[tuple[str, Callable[[Request, Instance], Response]]] = [
            ("downloadid", self._tables.result_data),
            ("taskstatus", self._task_status),
            ("result", self._result),
            ("xresult", self._xresult),
            ("source", self._source),
            ("xsource", self._xsource),
            ("instanceprogress", self._progress),
            ("instancedetail", self._detail),
            ("detail", self._detail),
            ("log", self._log),
        ]

    def respond(self, request: Request, owner: str) -> Response:
        """Find the route; the tunnel is reached without `/api`."""
        path = request.path.removeprefix("/api")
        for method, pattern, route in self._routes:
            found = re.fullmatch(pattern, path)
            if method == request.method and found:
                names = found.groups()
                if names and (names[0], names[-1]) not in XFLOWS:
                    self._catalog(names[0])
                return route(request, owner, *names)
        raise ServiceError(404, "NoSuchObject", f"ODPS-0420111: no such route - {path}")

    def _catalog(self, project: str) -> Catalog:
        catalog = self._server.catalogs.get(project)
        if catalog is None:
            raise ServiceError(
                404, "NoSuchProject", f"ODPS-0420111: Project not found - '{project}'"
            )
        return catalog

    def _logview_host(self, _: Request, __: str) -> Response:
        return Response(200, f"http://127.0.0.1:{self._server.port}".encode())

    def _project(self, _: Request, owner: str, project: str) -> Response:
        content = [text("Name", project), text("Comment", ""), text("State", "AVAILABLE")]
        return Response(200, document("Project", content), _dated(owner))

    def _survey(self, _: Request, __: str, ___: str) -> Response:
        return Response(200)

    def _authorize(self, request: Request, _: str, __: str) -> Response:
        policy = json.loads(request.body or b"{}").get("policy")
        if not policy:
            raise ServiceError(400, "InvalidParameter", "ODPS-0410001: no policy")
        token = base64.b64encode(secrets.token_bytes(24)).decode()
        return Response(200, document("Authorization", [text("Result", token)]), dict(_XML))

    def _tunnel(self, _: Request, __: str, ___: str) -> Response:
        return Response(200, f"127.0.0.1:{self._server.port}".encode())

    def _xflow(self, _: Request, owner: str, project: str, name: str) -> Response:
        if (project, name) not in XFLOWS:
            raise ServiceError(404, "NoSuchObject", f"ODPS-0420111: xflow not found - {name}")
        return Response(200, document("odpsalgo", [text("name", name)]), _dated(owner))

    def _submit(self, request: Request, owner: str, project: str) -> Response:
        instance = self._server.submit(project, owner, request.body.decode("utf-8"))
        place = f"{self._server.endpoint}/projects/{project}/instances/{instance.id}"
        return Response(201, b"", {"Location": place})

    def _list(self, request: Request, owner: str, project: str) -> Response:
        query = request.query
        first, _, last = query.get("daterange", ":").partition(":")
        found = [
            one
            for one in self._server.instances
            if one.project == project
            and query.get("status", _status(one)) == _status(one)
            and (query.get("onlyowner") != "yes" or one.owner == owner)
            and query.get("jobname", one.task) == one.task
            and (not first or one.submitted >= int(first))
            and (not last or one.submitted < int(last) + 1)
        ]
        found.reverse()  # the newest first
        start = int(query.get("marker") or 0)
        size = min(int(query.get("maxitems") or _PAGE), _PAGE)
        marker = str(start + size) if start + size < len(found) else ""
        content = [text("Marker", marker), text("MaxItems", size)]
        content += [
            element(
                "Instance",
                text("Name", one.id),
                text("Owner", f"ALIYUN${one.owner}"),
                text("StartTime", _rfc822(one.submitted)),
                *([text("EndTime", _rfc822(one.ended))] if one.ended else []),
                text("Status", _status(one)),
            )
            for one in found[start : start + size]
        ]
        return Response(200, document("Instances", content), dict(_XML))

    def _stop(self, request: Request, owner: str, project: str, instance_id: str) -> Response:
        instance = self._find(project, instance_id)
        wanted = ET.fromstring(request.body).findtext("Status")  # noqa: S314 - our own machine
        if wanted != "Terminated":
            raise ServiceError(400, "InvalidArgument", f"ODPS-0420411: no such state {wanted}")
        if not self._server.instances.end(instance, TaskStatus.CANCELLED, by=owner):
            raise ServiceError(
                409,
                "InvalidStateSetting",
                f"ODPS-0420021: Invalid state setting - {instance_id} is terminated already",
            )
        return Response(200)

    def _instance(self, request: Request, _: str, project: str, instance_id: str) -> Response:
        instance = self._find(project, instance_id)
        for action, view in self._views:
            if action in request.query:
                return view(request, instance)
        headers = dict(_XML) | {
            "x-odps-owner": f"ALIYUN${instance.owner}",
            "x-odps-start-time": _rfc822(instance.submitted),
            "x-odps-end-time": _rfc822(instance.ended),
        }
        return Response(200, document("Instance", [text("Status", _status(instance))]), headers)

    def _task_status(self, _: Request, instance: Instance) -> Response:
        task = element(
            "Task",
            text("Name", instance.task),
            *([text("StartTime", _rfc822(instance.started))] if instance.started else []),
            *([text("EndTime", _rfc822(instance.ended))] if instance.ended else []),
            text("Status", instance.status.value),
            element("Histories"),
            Type=instance.kind,
        )
        content = [text("Status", _status(instance)), element("Tasks", task)]
        return Response(200, document("Instance", content), dict(_XML))

    def _result(self, _: Request, instance: Instance) -> Response:
        encoded = base64.b64encode(instance.result.encode()).decode()
        task = element(
            "Task",
            text("Name", instance.task),
            text("Status", instance.status.value),
            text("Result", encoded, Transform="Base64", Format="text"),
            Type=instance.kind,
        )
        return Response(200, document("Instance", [element("Tasks", task)]), dict(_XML))

    def _xresult(self, _: Request, instance: Instance) -> Response:
        if instance.kind != "XFLOW":
            raise ServiceError(400, "InvalidParameter", "ODPS-0410001: not an XFlow")
        with self._server.instances.lock:
            actions = [
                element(
                    "Action",
                    text("InstanceId", sub_id),
                    text("Name", name),
                    text("Result", "", Format="text"),
                    NodeType=self._node_type(sub_id),
                )
                for name, sub_id in instance.sub_instances.items()
            ]
        local = element("Action", text("InstanceId", ""), text("Name", "end"), NodeType="Local")
        content = [element("Actions", *actions, local)]
        return Response(200, document("XflowResult", content), dict(_XML))

    def _node_type(self, sub_id: str) -> str:
        return "SubWorkflow" if self._server.instances[sub_id].kind == "XFLOW" else "Instance"

    def _source(self, _: Request, instance: Instance) -> Response:
        root = ET.fromstring(instance.source) if instance.source else None  # noqa: S314 - ours
        job = root.find("Job") if root is not None else None
        if job is not None:
            return Response(200, ET.tostring(job, "utf-8"), dict(_XML))
        if root is not None:
            return Response(200, instance.source.encode(), dict(_XML))
        task = element(instance.kind, text("Name", instance.task))
        return Response(200, document("Job", [element("Tasks", task)]), dict(_XML))

    def _xsource(self, _: Request, instance: Instance) -> Response:
        if not instance.source or instance.kind != "XFLOW":
            raise ServiceError(400, "InvalidParameter", "ODPS-0410001: not an XFlow")
        return Response(200, instance.source.encode(), dict(_XML))

    def _progress(self, _: Request, instance: Instance) -> Response:
        is_running = instance.status is TaskStatus.RUNNING
        stage = element(
            "Stage",
            text("BackupWorkers", 0),
            text("TerminatedWorkers", int(instance.is_final)),
            text("RunningWorkers", int(is_running)),
            text("TotalWorkers", 1),
            text("InputRecords", 0),
            text("OutputRecords", 0),
            text("FinishedPercentage", 100 if instance.is_final else 0),
            ID=f"{instance.task}_job_0",
        )
        return Response(200, document("Progress", [stage]), dict(_XML))

    def _detail(self, _: Request, instance: Instance) -> Response:
        worker = {"id": "Worker#0", "logId": f"log-{instance.id}", "status": instance.status.value}
        stage = {"name": "worker", "instances": [worker] if instance.log else []}
        body = json.dumps({"mapReduce": {"jobs": [{"tasks": [stage]}]}})
        return Response(200, body.encode(), {"Content-Type": "application/json"})

    def _log(self, request: Request, instance: Instance) -> Response:
        if request.query.get("id") != f"log-{instance.id}":
            raise ServiceError(404, "NoSuchObject", "ODPS-0420111: no such log")
        said = "".join(f"{line}\n" for line in list(instance.log))
        if request.query.get("logtype") == "stderr":
            said = ""
        size = int(request.query.get("size") or 0)
        return Response(200, (said[-size:] if size else said).encode())

    def _find(self, project: str, instance_id: str) -> Instance:
        instance = self._server.instances.get(instance_id)
        if instance is None or instance.project != project:
            raise ServiceError(
                404, "NoSuchObject", f"ODPS-0420111: Instance not found - {instance_id}"
            )
        return instance


def _status(instance: Instance) -> str:
    return "Terminated" if instance.is_final else "Running"


def _rfc822(seconds: float | None) -> str:
    return "" if seconds is None else formatdate(seconds, usegmt=True)


def _dated(owner: str) -> dict[str, str]:
    return dict(_XML) | {
        "x-odps-owner": f"ALIYUN${owner}",
        "x-odps-creation-time": _rfc822(_CREATED),
        "Last-Modified": _rfc822(_CREATED),
    }
