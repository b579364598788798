"""This machine: Python, the system, ports, proxies, power, and what is installed."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import NniError
from hpo_nni.inspection.finding import Finding, fail, ok, warn
from hpo_nni.nni_api.launch import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PYTHONS = ((3, 10), (3, 12))
FIRST_PORT = 8080
_REQUIREMENT = re.compile(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]")
_POWER = Path("/sys/class/power_supply")


def python(version: tuple[Any, ...] = tuple(sys.version_info)) -> Finding:
    """Whether this Python is one that we and NNI run on."""
    text = f"{'.'.join(map(str, version[:3]))} ({sys.executable})"
    if PYTHONS[0] <= version[:2] <= PYTHONS[1]:
        return ok("Python", text)
    return fail("Python", text, "make an environment with Python 3.10, 3.11 or 3.12")


def system(name: str = "", machine: str = "", libc: str = "") -> Finding:
    """Whether NNI has a manager for this system."""
    name, machine = name or platform.system(), machine or platform.machine()
    libc = libc or platform.libc_ver()[0]
    text = " ".join(word for word in (name, machine, libc) if word)
    if (name, machine, libc) == ("Linux", "x86_64", "glibc"):
        return ok("system", text)
    if name == "Darwin":
        return warn("system", text, "NNI is said to run on macOS; local jobs need Linux")
    return fail("system", text, "use Linux on x86_64 with glibc, in a container if need be")


def ports(first: int = FIRST_PORT) -> Finding:
    """Where the web page would listen."""
    try:
        port = free_port(first)
    except NniError as error:
        return fail("port", error.message, "end old experiments: nnictl stop --all")
    if port == first:
        return ok("port", f"{first} is free")
    message = f"{first} is taken: `hpo-nni run` takes {port}, `nnictl create` wants --port={port}"
    return ok("port", message)


def proxies(environ: Mapping[str, str]) -> Finding:
    """Whether what NNI says to itself over HTTP would go through a proxy.

    `nnictl` and trials reach the manager through `requests`, which reads these variables.
    """
    values = {name.lower(): value for name, value in environ.items()}
    given = [name for name in ("http_proxy", "all_proxy") if values.get(name)]
    if not given:
        return ok("proxy", "none")
    direct = {part.strip() for part in values.get("no_proxy", "").split(",")}
    if "*" in direct or {"localhost", "127.0.0.1"} <= direct:
        return ok("proxy", f"{given[0]} is set, and left out for this machine")
    return fail(
        "proxy",
        f"{given[0]} is set, so what NNI says to itself would go to the proxy",
        "export no_proxy=localhost,127.0.0.1",
    )


def power(folder: Path = _POWER) -> Finding | None:
    """Whether this looks like a laptop, which sleeps; None where it does not."""
    for supply in sorted(folder.glob("*")):
        if _word(supply / "type") == "Battery" and _word(supply / "scope") != "Device":
            hint = "keep it awake, or use a server: a machine that sleeps follows no jobs"
            return warn("power", "this machine has a battery", hint)
    return None


def extras(needed: Mapping[str, str]) -> Iterator[Finding]:
    """What of the optional parts is installed.

    Args:
        needed: extra -> who needs it in this experiment.
    """
    try:
        requirements = importlib.metadata.requires("hpo-nni") or []
    except importlib.metadata.PackageNotFoundError:
        yield warn("hpo-nni", "is used from a checkout and not installed", "pip install -e .")
        return
    parts: dict[str, list[str]] = {}
    for requirement in requirements:
        found = _REQUIREMENT.match(requirement)
        if found:
            parts.setdefault(found[2], []).append(found[1])
    for extra, names in parts.items():
        yield one_extra(extra, names, needed.get(extra, ""))


def one_extra(extra: str, names: Sequence[str], who: str) -> Finding:
    """Whether all distributions of one extra are installed; `who` needs them, or nobody does."""
    versions = {name: _version(name) for name in names}
    missing = [name for name, version in versions.items() if not version]
    subject = f"extra {extra}"
    if not missing:
        return ok(subject, ", ".join(f"{name} {version}" for name, version in versions.items()))
    message = f"{' and '.join(missing)} not installed"
    command = f"pip install 'hpo-nni[{extra}]'"
    if who:
        return fail(subject, f"{message}, and {who} needs it", command)
    return ok(subject, f"{message}; nothing here needs it ({command})")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _word(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
