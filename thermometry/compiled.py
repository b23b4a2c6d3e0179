"""How the kernels are compiled: one pass over the pixels instead of one for each operation."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a kernel at its first call, with IEEE arithmetic: no reordering, NaN stays NaN.

    The kernel sees every array contiguous and read-only, so that the compiler itself refuses to
    change an input, and so that one compilation serves all frames: a state that comes back from
    a checkpoint is writeable, and a second compilation in the middle of a treatment takes seconds.
    """
    kernel = numba.njit(cache=True, nogil=True, error_model="numpy")(function)

    @functools.wraps(function)
    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        result: Result = kernel(*map(_read_only, arguments), **named)
        return result

    return call


def _read_only(argument: Any) -> Any:  # noqa: ANN401 - numbers pass through
    if not isinstance(argument, np.ndarray):
        return argument
    view = np.ascontiguousarray(argument).view()
    view.flags.writeable = False
    return view
