"""How the kernels are compiled: numba, each argument contiguous and read-only."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Only contraction (a fused multiply and add) is let loose: NaN stays NaN and sums keep their order.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled at its first call, kept on disk where that can be written.

    One compilation serves all calls: a state that comes back from a checkpoint is writeable, and a
    second compilation in the middle of a treatment would take seconds.
    """
    kernel: Any = inner(function)

    def run(*arguments: Any) -> Result:  # noqa: ANN401 - numbers pass through
        result: Result = kernel(*map(_read_only, arguments))
        return result

    return run  # type: ignore[return-value]


def inner(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a part of a kernel, which only kernels call."""
    try:
        part: Callable[Arguments, Result] = numba.njit(**_OPTIONS, cache=True)(function)
    except RuntimeError:
        part = numba.njit(**_OPTIONS)(function)
    return part


def _read_only(argument: Any) -> Any:  # noqa: ANN401 - numbers pass through
    if not isinstance(argument, np.ndarray):
        return argument
    if argument.flags.c_contiguous and not argument.flags.writeable:
        return argument
    view = np.ascontiguousarray(argument).view()
    view.setflags(write=False)
    return view
