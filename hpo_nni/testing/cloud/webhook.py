"""A webhook on this machine, which by default answers like a DingTalk robot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hpo_nni.testing.cloud.http import LoopbackServer, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.testing.cloud.http import Request, ServiceError

TOKEN = "t0ken-of-the-robot"  # noqa: S105  (nobody else's)
OK = b'{"errcode": 0, "errmsg": "ok"}'


class WebhookServer(LoopbackServer):
    """Takes messages.

    Attributes:
        answers: what it answers, one after the other, the last one for ever.
        requests: all that came.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.answers: list[Response] = [Response(200, OK)]
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        """Its address, with a token in it."""
        return f"http://127.0.0.1:{self.port}/robot/send?access_token={TOKEN}"

    @property
    def bodies(self) -> Sequence[Any]:
        """The messages, decoded."""
        return [json.loads(request.body) for request in self.requests]

    def respond(self, request: Request) -> Response:
        """Keep the message and answer what is next."""
        self.requests.append(request)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return Response(answer.status, answer.body, dict(answer.headers))

    def refusal(self, _: Request, error: ServiceError) -> Response:
        """Refuse with the status alone."""
        return Response(error.status)

    def trouble(self, status: int) -> str:
        """There are no codes here."""
        return f"HTTP {status}"
