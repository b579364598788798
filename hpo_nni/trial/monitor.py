"""`[monitor_config]`: where notices about an experiment are sent, and whom they call."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.secrets import Reference, Secret
from hpo_nni.trial.part import load_part
from hpo_nni.trial.sections import Reading, SectionReader
from hpo_nni.trial.webhooks import Form, Mentions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECTION = "monitor_config"
KEYS = ("url", "secret", "format", "keyword", "at_mobiles", "at_user_ids", "is_at_all")
_DINGTALK_ONLY = ("keyword", "at_mobiles", "at_user_ids", "is_at_all")


@dataclass(frozen=True)
class Monitor:
    """One webhook, as the user wrote it.

    Attributes:
        url: a reference, for who knows a robot's address can speak in its name.
        secret: signs the messages, or travels with them; None without one.
        directory: what the paths of `file:` are relative to.
        places: key -> `file:line [section] key`.
    """

    url: Reference
    secret: Reference | None = None
    form: Form = Form.DINGTALK
    mentions: Mentions = field(default_factory=Mentions)
    directory: Path = field(default_factory=Path)
    places: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, environ: Mapping[str, str]) -> tuple[Secret, Secret | None]:
        """The address and the secret, now.

        Raises:
            SettingsError: one of them leads nowhere, or the address is none of HTTP's.
        """
        url = self._value("url", self.url, environ)
        if not _is_http(url.reveal()):
            message = "this is no address that begins with https:// or http://"
            raise SettingsError([Problem(self.places.get("url", "url"), message)])
        secret = None if self.secret is None else self._value("secret", self.secret, environ)
        return url, secret

    def secrets(self, environ: Mapping[str, str]) -> Iterator[Secret]:
        """What must not be shown, as far as it can be found: the address, its token, the secret."""
        try:
            url, secret = self.resolve(environ)
        except SettingsError:
            return
        yield url
        for _, value in parse_qsl(urlsplit(url.reveal()).query):
            yield Secret(value)
        if secret is not None:
            yield secret

    def _value(self, key: str, reference: Reference, environ: Mapping[str, str]) -> Secret:
        try:
            return reference.resolve(environ, self.directory)
        except SettingsError as error:
            raise error.located(self.places.get(key, key)) from error


def read_monitor(reading: Reading, directory: Path) -> Monitor | None:
    """Read the section; None where the file has none. Faults go to `reading`."""
    if SECTION not in reading.ini.sections:
        return None
    section = SectionReader(reading, SECTION)
    url = section.reference("url")
    if url.is_placeholder:
        hint = "url = env:NAME, a variable that holds the webhook's address"
        section.fault("url" if "url" in section.entries else "", "url is missing", hint)
    elif url.plain is not None and not _is_http(url.plain.reveal()):
        section.fault("url", "this is no address that begins with https:// or http://")
    elif url.plain is not None:
        section.warn("url", "plain credentials; env:NAME or file:PATH keeps them elsewhere")
    secret = section.reference("secret") if "secret" in section.entries else None
    if secret is not None and secret.is_placeholder:
        section.fault("secret", "this is a placeholder", "env:NAME, or leave the key out")
    form = section.choice("format", Form.DINGTALK)
    mentions = Mentions(
        keyword=section.text("keyword"),
        mobiles=_list(section, "at_mobiles"),
        user_ids=_list(section, "at_user_ids"),
        everybody=section.boolean("is_at_all", default=False),
    )
    for key in _DINGTALK_ONLY:
        if form is not Form.DINGTALK and key in section.entries:
            section.fault(key, "only DingTalk has this", "leave it out, or format = dingtalk")
    section.finish(KEYS)
    places = {
        key: reading.ini.where(entry.line, SECTION, key) for key, entry in section.entries.items()
    }
    return Monitor(url, secret, form, mentions, directory, places)


def load_monitor(path: Path) -> Monitor | None:
    """Read only this section of a settings file, for a process that has something to say.

    Raises:
        SettingsError: the file cannot be read, or the section has faults.
    """
    return load_part(path, read_monitor)


def _list(section: SectionReader, key: str) -> tuple[str, ...]:
    """`[]`, `['13800000000']`, `[13800000000]`, or words with commas between them."""
    words = re.split(r"[\s,]+", section.text(key).strip().strip("[]()"))
    return tuple(bare for word in words if (bare := word.strip("'\"")))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:  # brackets that are no IPv6 address
        return False
