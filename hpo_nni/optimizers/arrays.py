"""What all array code here shares: the type, and how many threads it may take."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Array = npt.NDArray[Any]


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra on one thread: the same rounding on any machine, and no fight for its cores.

    Matrices of some hundred rows gain nothing from more, and training runs beside.
    """
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - it looks through all libraries

    return ThreadpoolController()
