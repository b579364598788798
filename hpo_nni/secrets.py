"""Credentials: references to them, their values at the last moment, and their removal from texts.

What users write is a reference, and only the reference is kept: in settings, plans and the ledger.
A process that needs a value resolves it in memory, and what it writes goes through a Redactor.
This module must not put a value into any text, nor remember one.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote, quote_plus

from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN = "[secret]"
SHORTEST = 6  # characters; anything shorter occurs in innocent text
_PLACEHOLDER = re.compile(r"x{2,}|\*{2,}|<.*>|your[-_ ]?.*|TODO|", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)|env:\s*([A-Za-z_]\w*)")


class Secret:
    """A value that shows itself only to those who ask by name.

    >>> secret = Secret("p4ssw0rd")
    >>> f"{secret} {secret!r}", secret.reveal()
    ('[secret] Secret([secret])', 'p4ssw0rd')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; only for the call that sends it."""
        return self._value

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: pass the reference and resolve it over there")


@dataclass(frozen=True)
class Reference:
    """Where a secret is: in the environment, in a file, or, against our advice, in the settings.

    Attributes:
        kind: `env`, `file` or `plain`.
        name: the variable or the path; empty for a plain value.
        plain: a plain value; `str` of the reference does not show it.
    """

    kind: str
    name: str = ""
    plain: Secret | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read what a user wrote: `env:NAME`, `${NAME}`, `$NAME`, `file:PATH`, or the value.

        >>> print(Reference.parse("${AK}"), Reference.parse("file:~/.ak"), Reference.parse("LTAI5"))
        env:AK file:~/.ak [secret]
        """
        text = text.strip()
        variable = _VARIABLE.fullmatch(text)
        if variable:
            return cls("env", variable[1] or variable[2] or variable[3])
        if text.startswith("file:"):
            return cls("file", text.removeprefix("file:").strip())
        return cls("plain", plain=Secret(text))

    @property
    def is_placeholder(self) -> bool:
        """Whether it stands for nothing yet: empty, `xxx`, `<your key>` and the like.

        A variable may have any name.
        """
        if self.kind == "env":
            return not self.name
        value = self.plain.reveal() if self.plain is not None else self.name
        return _PLACEHOLDER.fullmatch(value) is not None

    def resolve(self, environment: Mapping[str, str], directory: Path) -> Secret:
        """Return the value now.

        Args:
            environment: where `env:` looks.
            directory: what paths of `file:` are relative to.

        Raises:
            SettingsError: there is no such variable or file, or nothing in it; `where` is empty.
        """
        if self.is_placeholder:
            hint = (
                "write env:NAME, ${NAME} or file:PATH; "
                "`hpo-nni rehearse CONFIG` runs the experiment here, without an account"
            )
            raise _fault("this is a placeholder, not a credential", hint)
        if self.plain is not None:
            return self.plain
        if self.kind == "env":
            return Secret(self._from_environment(environment))
        return Secret(self._from_file(directory))

    def _from_environment(self, environment: Mapping[str, str]) -> str:
        value = environment.get(self.name, "").strip()
        if not value:
            state = "empty" if self.name in environment else "not set"
            hint = f"export {self.name}=... in the shell that starts the experiment"
            raise _fault(f"the environment variable {self.name} is {state}", hint)
        return value

    def _from_file(self, directory: Path) -> str:
        path = directory / Path(self.name).expanduser()
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            hint = "is the path right? A relative one starts at the folder of the settings"
            raise _fault(f"the file {path} cannot be read: {reason}", hint) from error
        if not value:
            raise _fault(f"the file {path} is empty", "it holds the value and nothing else")
        return value

    def __str__(self) -> str:
        return str(self.plain) if self.plain is not None else f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Credentials:
    """A key pair in memory, and the token that belongs to a temporary one."""

    key_id: Secret
    key_secret: Secret
    sts_token: Secret | None = None

    def secrets(self) -> Iterator[Secret]:
        """All values, for a Redactor."""
        yield from (self.key_id, self.key_secret)
        if self.sts_token is not None:
            yield self.sts_token


@dataclass(frozen=True)
class CredentialReferences:
    """A key pair as the user wrote it.

    Attributes:
        places: field -> `file:line [section] key`, for messages.
    """

    key_id: Reference
    key_secret: Reference
    sts_token: Reference | None = None
    places: tuple[tuple[str, str], ...] = ()

    def _fields(self) -> Iterator[tuple[str, Reference]]:
        yield from (("key_id", self.key_id), ("key_secret", self.key_secret))
        if self.sts_token is not None:
            yield "sts_token", self.sts_token

    def resolve(self, environment: Mapping[str, str], directory: Path) -> Credentials:
        """Return the values now.

        Raises:
            SettingsError: with every reference that leads nowhere.
        """
        found, problems, places = {}, [], dict(self.places)
        for name, reference in self._fields():
            try:
                found[name] = reference.resolve(environment, directory)
            except SettingsError as error:
                problems += [
                    Problem(places.get(name, name), problem.message, problem.hint)
                    for problem in error.problems
                ]
        if problems:
            raise SettingsError(problems)
        return Credentials(**found)

    def warning(self) -> str:
        """One sentence about values that stand in the settings themselves; empty if none do."""
        places = dict(self.places)
        plain = [
            places.get(name, name)
            for name, reference in self._fields()
            if reference.plain is not None and not reference.is_placeholder
        ]
        if not plain:
            return ""
        return f"{', '.join(plain)}: plain credentials; env:NAME or file:PATH keeps them elsewhere"


class Redactor:
    """Takes values out of texts, whichever way they are written there.

    Found are the value itself, URL-encoded, JSON-escaped, and in base64 (also in the middle of
    something longer that was encoded as a whole, as NNI does with its config). Values shorter than
    `SHORTEST` characters are left alone.

    >>> Redactor([Secret("a/b+c=d!")])("key=a%2Fb%2Bc%3Dd%21, key=a/b+c=d!")
    'key=[secret], key=[secret]'
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        values = {secret.reveal() for secret in secrets}
        forms = {form for value in values if len(value) >= SHORTEST for form in _spellings(value)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """Return the text with every value hidden."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


_NAME = r"""(?:passw(?:or)?d|secret|access[_-]?(?:key|id)|api[_-]?key|credential
    |(?:auth|sts|security|bearer)[_-]?token)[\w-]*"""
_NAMED = re.compile(
    rf"""(?P<head>{_NAME}\\?["']?\s*[:=]\s*|--[\w-]{{0,40}}{_NAME}[ ]+)
    (?!\\?["']?(?:env:|file:|[$\[{{]))
    (?:(?P<quote>\\?["']).*?(?P=quote)|[^\s,;}}\]"'\\]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_IN_ADDRESS = re.compile(r"(?<=://)([^/\s:@\"']+):[^/\s@\"']+@")


def hide_named(text: str) -> str:
    """Hide what the text itself calls a credential, for values that nobody could look up.

    References stay, and a value in quotes stays in quotes, so that what could be parsed still can.

    >>> hide_named('api_key: "sk-123", lr: 0.1, --password hunter2 db://me:pw@host')
    'api_key: "[secret]", lr: 0.1, --password [secret] db://me:[secret]@host'
    """
    hidden = _NAMED.sub(
        lambda found: f"{found['head']}{found['quote'] or ''}{HIDDEN}{found['quote'] or ''}", text
    )
    return _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", hidden)


class RedactingFilter(logging.Filter):
    """Hides values in log records, tracebacks included; to be added to handlers."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redact = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it always passes."""
        record.msg, record.args = self._redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        return True


def _spellings(value: str) -> Iterator[str]:
    yield value
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield re.sub("%..", lambda found: found[0].lower(), encoded)
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
    data = value.encode()
    yield from _aligned(data)
    yield from _aligned(json.dumps(value)[1:-1].encode())


def _aligned(data: bytes) -> Iterator[str]:
    """The base64 characters that are the same whatever stands before and behind the data."""
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data).decode()
        first = (shift * 8 + 5) // 6  # characters that hold bits of what stands before
        last = (shift + len(data)) * 8 // 6  # and the one that holds bits of what comes behind
        whole = text[first:last]
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))


def _fault(message: str, hint: str = "") -> SettingsError:
    return SettingsError([Problem("", message, hint)])
