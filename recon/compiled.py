"""How kernels are compiled: numba with NumPy's error model, so that loops can be vectorised."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Only contraction (a fused multiply and add) is let loose: NaN stays NaN and sums keep their order.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled at its first call, kept on disk where that can be written."""
    try:
        kernel: Callable[Arguments, Result] = numba.njit(**_OPTIONS, cache=True)(function)
    except RuntimeError:
        kernel = numba.njit(**_OPTIONS)(function)
    return kernel
