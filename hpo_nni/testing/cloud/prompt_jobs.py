"""A MaxCompute whose jobs do not train: they write their metrics at once, and end when told.

For tests of hundreds of trials, where a trainer's process for each of them would cost minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.instances import TaskStatus
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.trainer import events
from hpo_nni.testing.cloud.xflow import Xflows

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.testing.cloud.faults import JobFault
    from hpo_nni.testing.cloud.instances import Instance
    from hpo_nni.testing.cloud.oss_server import OssServer

REFUSED = "ODPS-0420061: Invalid parameter in HTTP request - the parameter does not fit"
PAUSE = 0.02  # seconds between two looks at whether the metrics were read


class PromptXflows(Xflows):
    """Jobs that write one event and wait until somebody has read it.

    Attributes:
        score: the `auc` of a job; None for one that fails.
    """

    score: Callable[[Instance], float | None]

    def _train(self, instance: Instance, training: Instance, fault: JobFault | None) -> None:
        score = self.score(instance)
        if score is None:
            self._instances.end(training, TaskStatus.FAILED, REFUSED)
            return
        place = instance.parameters["model_dir"].rstrip("/").removeprefix("oss://")
        bucket, _, directory = place.partition("/")
        key = f"{directory}/eval_val/events.out.tfevents.1.prompt"
        data = events.header() + events.scalars(10, {"auc": score})
        self._oss.write(bucket, key, data)
        training.log.append("the metrics are written")

        def is_over() -> bool:
            return self._closing or training.is_final or instance.is_final or self._was_read(key)

        while not is_over():
            self._instances.await_change(
                lambda: self._closing or training.is_final or instance.is_final, PAUSE
            )
        if fault is not None:
            self._instances.end(training, TaskStatus.FAILED, fault.message)
        elif self._was_read(key) and not self._closing:
            self._instances.end(training, TaskStatus.SUCCESS)
        else:
            self._instances.await_change(lambda: self._closing or training.is_final)

    def _was_read(self, key: str) -> bool:
        return any(
            one.method == "GET" and one.path.endswith(key) and 200 <= one.status < 300
            for one in reversed(list(self._oss.exchanges))
        )


class PromptMaxCompute(MaxComputeServer):
    """See above; `score` tells the `auc` of a job from its instance."""

    def __init__(
        self,
        oss: OssServer,
        credentials: dict[str, str],
        project: str,
        score: Callable[[Instance], float | None],
    ) -> None:
        self._score = score
        super().__init__(oss, credentials, project)

    def _new_xflows(self) -> Xflows:
        flows = PromptXflows(self.instances, self.catalogs, self._oss, self._cluster)
        flows.score = self._score
        return flows
