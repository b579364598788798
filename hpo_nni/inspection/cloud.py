"""The accounts of a settings file: references, endpoints, clocks, and whether keys are accepted.

Each service gets two small requests: one without a signature, whose answer tells the time, and one
that only a good key gets a good answer to. Nothing is changed there.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, PlatformError, Problem, SettingsError, StoreError
from hpo_nni.inspection.finding import Finding, Level, fail, ok, warn
from hpo_nni.platforms.maxcompute_service import MaxComputeService
from hpo_nni.platforms.maxcompute_tables import MaxComputeTables
from hpo_nni.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hpo_nni.trial.accounts import Accounts

SECONDS = 10.0
REFUSED_SKEW = 15 * 60.0  # beyond it, both services refuse signatures
ODD_SKEW = 60.0


def accounts(
    given: Accounts, environ: Mapping[str, str], now: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Look at every account that the settings name."""
    told: set[Problem] = set()  # MaxCompute may use the keys of OSS: they are wrong once
    for name, account, ask in (
        ("OSS", given.oss, _ask_oss),
        ("MaxCompute", given.odps, _ask_maxcompute),
    ):
        if account is None:
            continue
        reached: list[Finding] = []
        faults: list[Problem] = []
        try:
            reached = _reach(name, account.get("endpoint", environ, given.directory), now)
        except SettingsError as error:
            faults += error.problems
        yield from reached
        try:
            account.credentials.resolve(environ, given.directory)
        except SettingsError as error:
            faults += error.problems
        for problem in faults:
            if problem not in told:
                told.add(problem)
                yield fail(f"{name} keys", f"{problem.where}: {problem.message}", problem.hint)
        if not faults and all(one.level is not Level.FAIL for one in reached):
            redact = Redactor(account.credentials.resolve(environ, given.directory).secrets())
            yield _asked(name, lambda: ask(given, environ), redact)  # noqa: B023  (called at once)


def _asked(name: str, ask: Callable[[], str], redact: Redactor) -> Finding:
    """What the service says, without what it may repeat of the keys."""
    try:
        return ok(f"{name} keys", ask())
    except HpoNniError as error:
        return fail(f"{name} keys", redact(error.message), redact(error.hint))


def _reach(name: str, endpoint: str, now: Callable[[], float]) -> list[Finding]:
    """Whether something answers, and what time it is there."""
    address = endpoint if "://" in endpoint else f"http://{endpoint}"
    if not address.startswith(("http://", "https://")):
        return [fail(f"{name} endpoint", f"{endpoint} is no address", "as in http://host")]
    before = now()
    try:
        stated = _date(address)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        hint = "is it spelt right, and can this machine reach it?"
        if "-internal." in endpoint:
            hint += " Endpoints with -internal answer only inside Alibaba Cloud"
        return [fail(f"{name} endpoint", f"{endpoint} does not answer: {reason}", hint)]
    found = [ok(f"{name} endpoint", f"{endpoint} answers")]
    if stated:
        found.append(_clock(name, stated - (before + now()) / 2))
    return found


def _date(address: str) -> float:
    """The time that a server states, in seconds since the epoch; 0 where it states none."""
    request = urllib.request.Request(address, method="GET")  # noqa: S310  (http or https)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            headers = answer.headers
    except urllib.error.HTTPError as error:  # it wants a signature: an answer all the same
        headers = error.headers
        error.close()
    text = headers.get("Date")
    return parsedate_to_datetime(text).timestamp() if text else 0.0


def _clock(name: str, skew: float) -> Finding:
    subject = f"{name} clock"
    where = "behind" if skew > 0 else "ahead"
    text = f"this machine is {abs(skew):.0f} s {where}"
    if abs(skew) > REFUSED_SKEW:
        return fail(subject, f"{text}: signatures are refused beyond 15 minutes", _SET_CLOCK)
    if abs(skew) > ODD_SKEW:
        return warn(subject, text, _SET_CLOCK)
    return ok(subject, "within a minute of the server's")


_SET_CLOCK = "switch on time synchronisation: timedatectl set-ntp true"


def _ask_oss(given: Accounts, environ: Mapping[str, str]) -> str:
    connection = given.connect_oss(environ)  # says which extra is missing
    from hpo_nni.stores.oss_probes import DENIED, OssProbes  # noqa: PLC0415 - the SDK, late

    try:
        OssProbes(connection).check_keys()
    except StoreError as error:
        if DENIED in error.message:
            return "accepted; they may not list buckets, which nothing here needs"
        raise
    return "accepted"


def _ask_maxcompute(given: Accounts, environ: Mapping[str, str]) -> str:
    connection = given.connect_maxcompute(environ)
    try:
        MaxComputeTables(MaxComputeService(connection)).check_project(connection.project)
    except PlatformError as error:
        if type(error.__cause__).__name__ == "NoPermission":
            return f"accepted; they may not read the project {connection.project}"
        raise
    return f"accepted; the project {connection.project} is there"
