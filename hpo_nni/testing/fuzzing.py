"""Bad input, and what may come of it: a result, or one of our errors in few words.

A traceback, a hang and memory without bounds are faults. `HPO_NNI_FUZZ` is how many examples each
test tries; `make fuzz` sets it high.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from hpo_nni.errors import LONGEST_LINE, HpoNniError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from hypothesis.strategies import DrawFn, SearchStrategy

Answer = TypeVar("Answer")
Text = TypeVar("Text", str, bytes)

EXAMPLES = int(os.environ.get("HPO_NNI_FUZZ", "40"))
SECONDS = 60  # for one input of a few kilobytes, also on a machine that is busy
MEGABYTES = 400
SPECIAL = list("{}[]()<>:;,#\"'\\\n\r\t -+.*&!|%@`~$=/?^0e_x\0\ufeff\u2028\u0085\ud800é中")


def examples(share: float = 1.0) -> settings:
    """How many inputs a test tries, where `share` is less for one that takes its time."""
    return settings(
        max_examples=max(5, round(EXAMPLES * share)),
        deadline=None,
        derandomize="HPO_NNI_FUZZ" not in os.environ,  # the same inputs in each run of the tests
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=(Phase.explicit, Phase.generate),  # what hangs, hangs anew each time it is shrunk
    )


def survives(call: Callable[[], Answer]) -> Answer | None:
    """The answer, or None where it was refused in one of our errors; everything else is a fault."""
    try:
        with _no_longer_than(SECONDS), _no_larger_than(MEGABYTES):
            return call()
    except HpoNniError as error:
        longest = max(str(error).split("\n"), key=len)
        assert len(longest) <= LONGEST_LINE, f"{len(longest)} characters: {longest[:300]}..."
        return None


@st.composite
def damaged(draw: DrawFn, texts: Sequence[str], words: Sequence[str] = ()) -> str:
    """One of the texts after a few cuts, insertions, repetitions and moves."""
    text = draw(st.sampled_from(list(texts)))
    for _ in range(draw(st.integers(1, 5))):
        text = draw(_cut(text, _noise(words)))
    return text


@st.composite
def damaged_bytes(draw: DrawFn, data: Sequence[bytes]) -> bytes:
    """The same of bytes."""
    found = draw(st.sampled_from(list(data)))
    for _ in range(draw(st.integers(1, 5))):
        found = draw(_cut(found, st.binary(max_size=12)))
    return found


@st.composite
def _cut(draw: DrawFn, text: Text, noise: SearchStrategy[Text]) -> Text:
    at = draw(st.integers(0, len(text)))
    end = min(len(text), at + draw(st.integers(0, 1) | st.integers(0, 60)))
    kind = draw(st.sampled_from(["replace", "replace", "repeat", "move", "truncate"]))
    if kind == "replace":
        return text[:at] + draw(noise) + text[end:]
    if kind == "repeat":
        return text[:at] + text[at:end] * draw(st.integers(2, 30)) + text[end:]
    if kind == "truncate":
        return text[:at]
    to = draw(st.integers(0, len(text)))
    return text[:to] + text[at:end] + text[to:]


def _noise(words: Sequence[str]) -> SearchStrategy[str]:
    special = st.text(alphabet=st.sampled_from(SPECIAL) | st.characters(), max_size=6)
    return special | st.sampled_from(list(words)) if words else special


@contextlib.contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    def give_up(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"one input took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _no_larger_than(megabytes: int) -> Iterator[None]:
    """What needs so much more memory than there is now gets a MemoryError."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  (it is no path's)
        pages = int(file.read().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
