"""For all tests: signals, what runs when it is asked for, and what must not be left."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure() -> None:
    """Heed signals, whoever started us: what `&` and `nohup` ignore, our processes would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes and proves much, unless asked for it: `make prove`."""
    if "prove" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("prove")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def no_reaper_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reapers never give up a job whose platform is out of reach, as that of an ended test is."""
    yield
    words = [b"reaper/__main__", os.fsencode(tmp_path_factory.getbasetemp())]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            line = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            if all(word in line for word in words):
                os.kill(int(entry.name), signal.SIGKILL)
