"""The process that delivers one notice: `python -m hpo_nni.trial.delivery DIRECTORY SETTINGS`.

It reads the notice from its standard input, ends within `DEADLINE` whatever the webhook does, and
leaves in the ledger what became of it. Nobody waits for it.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import NoticeRecord
from hpo_nni.secrets import Redactor
from hpo_nni.trial.accounts import load_accounts
from hpo_nni.trial.monitor import load_monitor
from hpo_nni.trial.notices import Kind, Notice
from hpo_nni.trial.webhooks import Form, Message, dingtalk_request, json_request, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hpo_nni.secrets import Secret
    from hpo_nni.trial.monitor import Monitor
    from hpo_nni.trial.webhooks import HttpRequest

DEADLINE = 60  # seconds of this process
TIMEOUT = 8.0  # seconds that an answer may take
PAUSES = (1.0, 4.0)  # seconds before the second and the third try
ANSWER = 64_000  # bytes of it that are read
TITLES = {
    Kind.FAILED: "A trial failed",
    Kind.BEST: "A new best score",
    Kind.UNCANCELLED: "A job could not be cancelled and may still cost money",
    Kind.PAUSED: "The experiment is paused",
    Kind.CREDENTIALS: "Credentials are missing: jobs cannot be watched",
}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A webhook's address is a secret: it is not carried to where an answer points."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def main(arguments: Sequence[str], text: str) -> int:
    """Deliver the notice; 0 also where there is no webhook, or it was said before."""
    directory, settings_file = map(Path, arguments)
    try:
        monitor = load_monitor(settings_file)
        if monitor is None:
            return 0
        secrets = [*_account_secrets(settings_file), *monitor.secrets(os.environ)]
        with Ledger.open(directory) as ledger:
            return deliver(Notice.parse(text), monitor, ledger, Redactor(secrets))
    except HpoNniError:
        return 1


def deliver(
    notice: Notice,
    monitor: Monitor,
    ledger: Ledger,
    redact: Callable[[str], str],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send a notice unless the ledger knows it; 1 where it did not go out."""
    now = time.time()
    text = redact(notice.text)
    record = NoticeRecord(notice.key, notice.experiment_id, notice.kind.value, text, now)
    claim = ledger.claim_notice(record)
    if claim is None:
        return 0
    try:
        message = compose(notice, text, claim, now)
        fault = _send(lambda: _request(monitor, message), monitor.form, sleep)
    except SettingsError as error:
        fault = str(error)
    ledger.settle_notice(notice.key, "failed" if fault else "sent", redact(fault))
    return 1 if fault else 0


def try_out(monitor: Monitor) -> str:
    """Send a message that says nothing; return what is wrong, empty if it arrived.

    Raises:
        SettingsError: a reference leads nowhere.
    """
    host = socket.gethostname()
    text = f"[hpo_nni] A test: notices about experiments on {host} arrive here"
    facts = {"event": "test", "host": host, "time": time.time()}
    message = Message(text, facts)
    redact = Redactor(monitor.secrets(os.environ))
    return redact(_send(lambda: _request(monitor, message), monitor.form, time.sleep))


def compose(notice: Notice, text: str, claim: tuple[int, int], now: float) -> Message:
    """What is said, for people and for programs.

    Args:
        notice: what happened.
        text: its text without credentials.
        claim: what the ledger answered, see `claim_notice`.
        now: seconds since the epoch.
    """
    held, left = claim
    subject = f" ({notice.trial_id})" if notice.trial_id else ""
    lines = [f"[hpo_nni] {TITLES[notice.kind]}{subject}", text]
    lines.append(f"experiment {notice.experiment_id} on {socket.gethostname()}")
    if held:
        lines.append(f"{held} earlier messages were held back: there were too many at once")
    if left == 0:
        lines.append("further messages are held back for a minute")
    facts = {
        "event": notice.kind.value,
        "experiment": notice.experiment_id,
        "trial": notice.trial_id,
        "host": socket.gethostname(),
        "time": now,
        "held_back": held,
    }
    return Message("\n".join(lines), facts)


def _request(monitor: Monitor, message: Message) -> HttpRequest:
    url, secret = monitor.resolve(os.environ)
    word = secret.reveal() if secret is not None else ""
    if monitor.form is Form.DINGTALK:
        return dingtalk_request(url.reveal(), word, message, monitor.mentions, time.time())
    return json_request(url.reveal(), word, message)


def _send(request: Callable[[], HttpRequest], form: Form, sleep: Callable[[float], None]) -> str:
    """Try up to three times; return what is wrong in the end, empty if it went well."""
    fault = ""
    for pause in (0.0, *PAUSES):
        sleep(pause)
        fault, may_pass = _post(request(), form)
        if not may_pass:
            break
    return fault


def _post(request: HttpRequest, form: Form) -> tuple[str, bool]:
    """Send once; return what is wrong, and whether it may pass."""
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        post = urllib.request.Request(  # noqa: S310  (Monitor.resolve lets only HTTP through)
            request.url, data=request.body, headers=dict(request.headers), method="POST"
        )
        with opener.open(post, timeout=TIMEOUT) as answer:
            status, body = answer.status, answer.read(ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, b""
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"it does not answer: {reason}", not isinstance(error, ValueError)
    return refusal(form, status, body), status in {408, 429} or status >= 500


def _account_secrets(settings_file: Path) -> Iterator[Secret]:
    try:
        yield from load_accounts(settings_file).secrets(os.environ)
    except SettingsError:
        return  # what cannot be found cannot stand in the text


if __name__ == "__main__":
    signal.alarm(DEADLINE)
    sys.exit(main(sys.argv[1:], sys.stdin.read()))
