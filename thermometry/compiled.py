"""How the kernels are compiled: one pass over the pixels instead of one for each operation."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Generic, ParamSpec, TypeVar

import numba
import numpy as np

# NumPy's error model, because Python's tests every division and cannot be vectorised
OPTIONS: Final = {"nogil": True, "error_model": "numpy"}
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Kernel(Generic[Arguments, Result]):
    """A function that is compiled at its first call, with IEEE arithmetic: NaN stays NaN.

    It sees every array contiguous and read-only, so that the compiler itself refuses to change an
    input, and so that one compilation serves all frames: a state that comes back from a
    checkpoint is writeable, and a second compilation in the middle of a treatment takes seconds.
    The compiled code is kept on disk until its own file changes, so its constants belong there too.
    """

    def __init__(self, function: Callable[Arguments, Result]) -> None:
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self._function = function

    @cached_property
    def dispatcher(self) -> Any:  # noqa: ANN401 - numba has no types
        """The compiler's own object, made when first wanted: the gateway imports, never calls."""
        try:
            return numba.njit(**OPTIONS, cache=True)(self._function)
        except RuntimeError:
            # no folder that may be written: compiled anew for each process
            return numba.njit(**OPTIONS)(self._function)

    def __call__(self, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        """Run the kernel; scalars go as they are."""
        result: Result = self.dispatcher(*map(_read_only, arguments), **named)
        return result


def compiled(function: Callable[Arguments, Result]) -> Kernel[Arguments, Result]:
    """Make a kernel of a function of contiguous arrays and numbers."""
    return Kernel(function)


def inner(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a part of a kernel, which only kernels of the same file call."""
    part: Callable[Arguments, Result] = Kernel(function).dispatcher
    return part


def _read_only(argument: Any) -> Any:  # noqa: ANN401 - numbers pass through
    if not isinstance(argument, np.ndarray):
        return argument
    if argument.flags.c_contiguous and not argument.flags.writeable:
        return argument
    view = np.ascontiguousarray(argument).view()
    view.setflags(write=False)
    return view
