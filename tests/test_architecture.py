"""The arrows of ARCHITECTURE.md, checked against the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hpo_nni"
BASE = {"errors", "registry", "secrets", "direction", "bundle", "failures"}
ROW = {
    "documents",
    "space",
    "optimizers",
    "stopping",
    "metrics",
    "costs",
    "stores",
    "platforms",
    "ledger",
    "nni_api",
}
ALLOWED: dict[str, set[str]] = {
    **{name: {"errors"} for name in sorted(BASE)},
    "errors": set(),
    **dict.fromkeys(ROW, BASE),
    "optimizers": BASE | {"space"},
    "drafts": BASE | ROW,
    "inspection": BASE | ROW | {"trial"},
    "reaper": {"errors", "ledger"},
    "trial": BASE | ROW | {"reaper"},
    "dialects": BASE | ROW | {"trial"},
    "core": BASE | ROW | {"trial", "dialects"},
    "reports": BASE | ROW | {"trial", "dialects", "inspection", "core", "daily"},
    "daily": BASE | ROW | {"trial", "dialects"},
    "cli": BASE
    | ROW
    | {"reports", "trial", "dialects", "drafts", "inspection", "core", "daily", "testing"},
    "testing": BASE | ROW | {"trial"},
}
SDKS = {
    "nni": {"nni_api"},
    "nni_node": {"nni_api"},
    "optuna": {"optimizers"},
    "odps": {"platforms"},
    "oss2": {"stores"},
    "fsspec": {"stores"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    part = parts[0]
    if part == "__init__":
        return
    for name in imports(path):
        root, _, rest = name.partition(".")
        if root == "hpo_nni" and rest:
            target = rest.split(".")[0]
            if target[0].isupper() or target.startswith("__"):
                continue
            assert target == part or target in ALLOWED[part], f"{part} must not import {target}"
        if root in SDKS:
            assert part in SDKS[root], f"{root} is imported by {' and '.join(SDKS[root])} only"
