"""`[oss_config]` and `[odps_config]`: whose account is used, and where.

Values are references (`env:NAME`, `${NAME}`, `file:PATH`) or stand there plainly; every process
that needs one resolves it for itself, in memory, when it opens a connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.secrets import CredentialReferences, Reference
from hpo_nni.stores.base import STORES, find_scheme_problem, open_store
from hpo_nni.trial.part import load_part
from hpo_nni.trial.rehearsal import Rehearsal
from hpo_nni.trial.sections import Reading, SectionReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
    from hpo_nni.secrets import Secret
    from hpo_nni.stores.base import Store
    from hpo_nni.stores.oss import OssConnection

OSS, ODPS = "oss_config", "odps_config"
_TOKENS = ("securityToken", "security_token", "sts_token")
_SPELLINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    OSS: {
        "endpoint": ("endpoint",),
        "key_id": ("accessKeyID",),
        "key_secret": ("accessKeySecret",),
        "sts_token": _TOKENS,
        "region": ("region",),
        "role_arn": ("role_arn",),
    },
    ODPS: {
        "endpoint": ("odps_endpoint", "end_point"),
        "project": ("project_name",),
        "key_id": ("access_id", "accessKeyID"),
        "key_secret": ("access_key", "accessKeySecret"),
        "sts_token": _TOKENS,
        "region": ("region",),
        "log_view_host": ("log_view_host",),
        "role_arn": ("role_arn",),
    },
}
_NO_OSS = "{} needs a section [oss_config]"
_PAIR = ("key_id", "key_secret")
_NEEDED = {OSS: ("endpoint", *_PAIR), ODPS: ("endpoint", "project", *_PAIR)}


@dataclass(frozen=True)
class Account:
    """One section, as the user wrote it.

    Attributes:
        credentials: the key pair.
        values: what else it says, by our names: endpoint, region, project, log_view_host.
        places: name -> `file:line [section] key`.
    """

    credentials: CredentialReferences
    values: Mapping[str, Reference]
    places: Mapping[str, str]

    @property
    def all_places(self) -> Mapping[str, str]:
        """Where what is said, also of a key pair that stands in another section."""
        return {**dict(self.credentials.places), **self.places}

    def get(self, name: str, environ: Mapping[str, str], directory: Path) -> str:
        """A value that is no secret; empty if it is not given.

        Raises:
            SettingsError: it is a reference that leads nowhere.
        """
        reference = self.values.get(name)
        if reference is None:
            return ""
        try:
            return reference.resolve(environ, directory).reveal()
        except SettingsError as error:
            raise error.located(self.places.get(name, name)) from error


@dataclass(frozen=True)
class Accounts:
    """What a settings file says about accounts; holds references, and connects on demand.

    Attributes:
        directory: what the paths of `file:` are relative to.
    """

    directory: Path = field(default_factory=Path)
    oss: Account | None = None
    odps: Account | None = None

    def find_problem(self, uri: str) -> Problem | None:
        """Why a URI cannot be reached, without trying it; None if it may be."""
        if not uri.lower().startswith("oss://"):
            return find_scheme_problem(uri)
        return None if self.oss is not None else Problem("", _NO_OSS.format(uri), "endpoint, keys")

    def secrets(self, environ: Mapping[str, str]) -> Iterator[Secret]:
        """All values that must not be shown.

        Raises:
            SettingsError: with every credential that leads nowhere.
        """
        rehearsal = Rehearsal.of_process(environ)
        if rehearsal is not None:  # the user's own are never asked for
            yield from rehearsal.credentials.secrets()
            return
        problems: list[Problem] = []
        found: list[Secret] = []
        for account in (self.oss, self.odps):
            if account is not None:
                try:
                    found += account.credentials.resolve(environ, self.directory).secrets()
                except SettingsError as error:
                    problems += error.problems
        if problems:
            raise SettingsError(list(dict.fromkeys(problems)))
        yield from found

    def warnings(self) -> list[str]:
        """A sentence for each pair of keys that stands plainly in the settings."""
        given = [account.credentials for account in (self.oss, self.odps) if account]
        return list(filter(None, (one.warning() for one in dict.fromkeys(given))))

    def store(self, uri: str) -> Store:
        """The store of a path or URI, opened with the account it needs."""
        connections = {"oss": self.connect_oss()} if uri.startswith("oss://") and self.oss else {}
        return open_store(uri, connections)

    def connect_oss(self, environ: Mapping[str, str] = os.environ) -> OssConnection:
        """What an `OssStore` is made from; raises SettingsError where references lead nowhere."""
        STORES.load("oss")  # says which extra is missing
        from hpo_nni.stores.oss import OssConnection  # noqa: PLC0415 - the SDK takes its time

        assert self.oss is not None, "settings without [oss_config] name nothing on OSS"
        rehearsal = Rehearsal.of_process(environ)
        if rehearsal is not None:
            return OssConnection(rehearsal.oss_endpoint, rehearsal.credentials)
        return OssConnection(
            endpoint=self.oss.get("endpoint", environ, self.directory),
            credentials=self.oss.credentials.resolve(environ, self.directory),
            region=self.oss.get("region", environ, self.directory),
            places=self.oss.all_places,
        )

    def connect_maxcompute(self, environ: Mapping[str, str] = os.environ) -> MaxComputeConnection:
        """The same for MaxCompute."""
        from hpo_nni.platforms.maxcompute_service import MaxComputeConnection  # noqa: PLC0415

        assert self.odps is not None, "the platform MaxCompute needs [odps_config]"
        project = self.odps.get("project", environ, self.directory)
        rehearsal = Rehearsal.of_process(environ)
        if rehearsal is not None:
            return MaxComputeConnection(project, rehearsal.odps_endpoint, rehearsal.credentials)
        return MaxComputeConnection(
            project=project,
            endpoint=self.odps.get("endpoint", environ, self.directory),
            credentials=self.odps.credentials.resolve(environ, self.directory),
            region=self.odps.get("region", environ, self.directory),
            logview_host=self.odps.get("log_view_host", environ, self.directory),
            places=self.odps.all_places,
        )


def read_accounts(reading: Reading, directory: Path) -> Accounts:
    """Read both sections as far as they are there; faults go to `reading`."""
    oss = _read_account(reading, OSS, None)
    odps = _read_account(reading, ODPS, oss)
    accounts = Accounts(directory, oss, odps)
    reading.warnings += accounts.warnings()
    return accounts


def load_accounts(path: Path) -> Accounts:
    """Read only the accounts of a settings file, for a process that has to cancel a job.

    Raises:
        SettingsError: the file cannot be read, or the accounts have faults.
    """
    return load_part(path, read_accounts)


def is_credential(section: str, key: str) -> bool:
    """Whether a key of one of these sections holds a credential, or the reference to one."""
    meanings = ("key_id", "key_secret", "sts_token")
    return any(key in _SPELLINGS.get(section, {}).get(meaning, ()) for meaning in meanings)


def unusable_credentials(path: Path, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Every credential of a settings file that leads nowhere; other faults are for its reader."""
    try:
        accounts = load_accounts(path)
    except SettingsError:
        return ()
    try:
        list(accounts.secrets(environ))
    except SettingsError as error:
        return error.problems
    return ()


def _read_account(reading: Reading, name: str, fallback: Account | None) -> Account | None:
    if name not in reading.ini.sections:
        return None
    section = SectionReader(reading, name)
    values: dict[str, Reference] = {}
    places: dict[str, str] = {}
    for meaning, spellings in _SPELLINGS[name].items():
        given = [key for key in spellings if key in section.entries]
        for key in given:
            values[meaning] = section.reference(key)
            places[meaning] = reading.ini.where(section.entries[key].line, name, key)
        if len(given) > 1:
            section.fault(given[1], f"{given[0]} says the same: one of them is enough")
    section.finish([key for keys in _SPELLINGS[name].values() for key in keys])
    if values.pop("role_arn", None) is not None:
        message = (
            "the role is not assumed here: jobs get theirs by -Darn, and requests are made with"
        )
        hint = f"for a role, give temporary keys of it, with their {_TOKENS[0]}"
        section.warn("role_arn", f"{message} the keys of this section (hint: {hint})")
    borrows = fallback is not None and not {*_PAIR, "sts_token"} & values.keys()
    needed = [key for key in _NEEDED[name] if not (borrows and key in _PAIR)]
    for meaning in needed:
        if meaning not in values:
            hint = " or ".join(_SPELLINGS[name][meaning])
            section.fault("", f"{_SPELLINGS[name][meaning][0]} is missing", f"the key is {hint}")
    if borrows and fallback is not None:
        return Account(fallback.credentials, values, places)
    empty = Reference("env")
    credentials = CredentialReferences(
        values.pop("key_id", empty),
        values.pop("key_secret", empty),
        values.pop("sts_token", None),
        tuple(places.items()),
    )
    return Account(credentials, values, places)
