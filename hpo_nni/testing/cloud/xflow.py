"""How the service runs an XFlow: a queue, sub-instances, and a trainer in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.testing.cloud.faults import Fate, JobFault
from hpo_nni.testing.cloud.instances import Instance, Instances, TaskStatus

if TYPE_CHECKING:
    from hpo_nni.testing.cloud.oss_server import OssServer
    from hpo_nni.testing.cloud.tables import Catalog, Table

XFLOWS = {("algo_public", "easy_rec_ext")}
_TABLE = re.compile(r"odps://([^/]+)/tables/([^/]+)(?:/(.*))?")
_POLITE_SECONDS = 2.0


@dataclass(frozen=True)
class Training:
    """How the trainer of every job is set.

    Attributes:
        evaluations: at most so many per job; a job has one for each checkpoint that its config
            asks for, and those are cut to this number.
        seconds_per_evaluation: how long a job takes at least between two evaluations.
        rows: of a training table that holds none of its own.
        appends: whether event files grow by appending; by default the object is replaced whole
            at every evaluation, as a writer that closes and uploads does it.
        seed: of what is random in training.
        directory: below the model's, where event files go; EasyRec falls back to `eval`.
    """

    evaluations: int = 8
    seconds_per_evaluation: float = 0.05
    rows: int = 4000
    appends: bool = False
    seed: int = 0
    directory: str = "eval_val"


@dataclass(frozen=True)
class Cluster:
    """What jobs meet.

    Attributes:
        training: how the trainer of every job is set.
        queue_seconds: how long every job waits for its resources.
        slots: how many jobs run at once; the others wait. 0 for any number.
        any_table: whether tables that nobody declared exist.
        nests: whether the sub-instances are one level further down, below a sub-workflow.
        skips_statements: whether statements other than `select` count as done.
    """

    training: Training = field(default_factory=Training)
    queue_seconds: float = 0.0
    slots: int = 0
    any_table: bool = False
    nests: bool = False
    skips_statements: bool = False


class Xflows:
    """The jobs of a server: one thread follows each of them."""

    def __init__(
        self,
        instances: Instances,
        catalogs: dict[str, Catalog],
        oss: OssServer,
        cluster: Cluster,
    ) -> None:
        self._instances = instances
        self._catalogs = catalogs
        self._oss = oss
        self._cluster = cluster
        self._closing = False
        self._threads: list[threading.Thread] = []

    def run(self, instance: Instance, fault: JobFault | None) -> None:
        """Run the job of an instance that was accepted; returns at once."""
        thread = threading.Thread(target=self._follow, args=(instance, fault), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """End every process and every thread; jobs that still ran have no end in the record."""
        self._closing = True
        self._instances.wake()
        for thread in self._threads:
            thread.join()

    def _follow(self, instance: Instance, fault: JobFault | None) -> None:
        if not self._queued(instance, fault):
            return
        missing = self._missing(instance)
        if missing:
            self._instances.end(instance, TaskStatus.FAILED, missing)
            return
        holder = instance
        if self._cluster.nests:
            holder = self._instances.add_sub_instance(instance, "flow", "XFLOW")
        checking = self._instances.add_sub_instance(holder, "check", "SQL")
        self._instances.end(checking, TaskStatus.SUCCESS)
        training = self._instances.add_sub_instance(holder, "train", "PS")
        self._train(instance, training, fault)
        self._conclude(instance, holder, training)

    def _queued(self, instance: Instance, fault: JobFault | None) -> bool:
        """Wait for resources; false if the job never gets them."""
        instances = self._instances

        def is_over() -> bool:
            return self._closing or instance.is_final

        def is_free() -> bool:
            busy = sum(
                not one.parent for one in instances.running() if one.started and one.kind == "XFLOW"
            )
            return is_over() or not self._cluster.slots or busy < self._cluster.slots

        if fault and fault.fate is Fate.WAITS:
            instances.await_change(is_over)
            return False
        if self._cluster.queue_seconds:
            instances.await_change(is_over, self._cluster.queue_seconds)
        with instances.lock:
            instances.await_change(is_free)
            return not self._closing and instances.start(instance)

    def _missing(self, instance: Instance) -> str:
        """What the service says of a table that is not there; empty if all are."""
        for part in ("train_tables", "eval_tables", "tables"):
            for uri in _uris(instance.parameters.get(part, "")):
                found = _TABLE.fullmatch(uri)
                if not found:
                    return f"ODPS-0420411: Invalid argument - {part} has no table: {uri}"
                if not self._cluster.any_table and self._partitions(uri) is None:
                    return f"ODPS-0130131:[0,0] Table not found - table {uri} cannot be resolved"
        return ""

    def _partitions(self, uri: str) -> tuple[Table, list[str]] | None:
        found = _TABLE.fullmatch(uri)
        catalog = self._catalogs.get(found[1]) if found else None
        table = catalog.get(found[2]) if catalog and found else None
        if not table or not found:
            return None
        partitions = table.matching(found[3] or "")
        return (table, partitions) if partitions else None

    def _train(self, instance: Instance, training: Instance, fault: JobFault | None) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo_nni.testing.cloud.trainer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
            encoding="utf-8",
        )
        watcher = threading.Thread(target=self._watch, args=(training, process), daemon=True)
        watcher.start()
        self._talk(instance, training, process, fault)
        code = process.wait()
        self._instances.wake()
        watcher.join()
        if fault and fault.fate is Fate.VANISHES:
            self._instances.await_change(lambda: self._closing or training.is_final)
        elif fault and fault.fate is Fate.DIES:
            self._instances.end(training, TaskStatus.FAILED)
        elif fault and fault.fate is Fate.FAILS:
            self._instances.end(training, TaskStatus.FAILED, fault.message)
        elif code == 0:
            self._instances.end(training, TaskStatus.SUCCESS)
        elif not self._closing:
            tail = "\n".join(training.log[-20:])
            self._instances.end(
                training, TaskStatus.FAILED, f"ODPS-0010000:System internal error - {tail}"
            )

    def _talk(
        self,
        instance: Instance,
        training: Instance,
        process: subprocess.Popen[str],
        fault: JobFault | None,
    ) -> None:
        """Hand the job over, and take down what the process says until it ends."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the trainer has no pipes")
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            # secrets go neither into arguments nor the environment; it may have been stopped
            json.dump(self._order(instance), stdin)
        with process.stdout as stdout:
            for line in stdout:
                training.log.append(line.rstrip("\n"))
                if fault and line.startswith("eval"):
                    process.kill()

    def _watch(self, training: Instance, process: subprocess.Popen[str]) -> None:
        """End the process as soon as somebody stops its instance."""

        def is_over() -> bool:
            return self._closing or training.is_final or process.poll() is not None

        self._instances.await_change(is_over)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_POLITE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _order(self, instance: Instance) -> dict[str, Any]:
        key_id, secret = self._oss.internal
        tables = {
            part: [self._sized(uri) for uri in _uris(instance.parameters.get(part, ""))]
            for part in ("train_tables", "eval_tables")
        }
        return {
            "endpoint": self._oss.endpoint,
            "key_id": key_id,
            "secret": secret,
            "parameters": dict(instance.parameters),
            "training": asdict(self._cluster.training),
            **tables,
        }

    def _sized(self, uri: str) -> tuple[str, int]:
        found = self._partitions(uri)
        rows = sum(len(found[0].rows[name]) for name in found[1]) if found else 0
        return uri, rows or self._cluster.training.rows

    def _conclude(self, instance: Instance, holder: Instance, training: Instance) -> None:
        """The end of all; the last sub-instance is first seen when the parent has ended."""
        if self._closing:
            return
        status, text = TaskStatus.FAILED, training.result
        if training.status is TaskStatus.CANCELLED:
            text = f"ODPS-0010000:System internal error - sub instance {training.id} was stopped"
        with self._instances.lock:
            if training.status is TaskStatus.SUCCESS:
                status, text = TaskStatus.SUCCESS, ""
                if not holder.is_final:
                    report = self._instances.add_sub_instance(holder, "report", "SQL")
                    self._instances.end(report, TaskStatus.SUCCESS)
            self._instances.end(holder, status, text)
            self._instances.end(instance, status, text)


def _uris(listed: str) -> list[str]:
    return [uri.strip() for uri in listed.split(",") if uri.strip()]


def _environment() -> dict[str, str]:
    """What a child needs to start and no more: a cloud's worker knows nothing of its client."""
    kept = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "COVERAGE_PROCESS_CONFIG")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    path = [entry for entry in sys.path if entry]
    return found | {
        "PYTHONPATH": os.pathsep.join(path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }
