"""Many one-dimensional FFTs at once, planned when a session is admitted."""

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

try:
    import pyfftw
except ImportError:
    pyfftw = None

_ALIGNMENT = 64  # bytes: a cache line, the widest register of any CPU


class InverseLines:
    """Unscaled inverse FFTs of lines that lie one behind the other; FFTW's where it is installed.

    lines: complex64 (block, line, sample), the buffer to fill; a block is transformed at once.
    """

    def __init__(self, n_blocks: int, n_lines: int, n_samples: int) -> None:
        self.lines = _aligned((n_blocks, n_lines, n_samples))
        self._plans: list[Any] = []
        if pyfftw is not None:
            transforms = _aligned((n_lines, n_samples))
            self._plans = [_planned(block, transforms) for block in self.lines]

    def transforms(self, block: int) -> NDArray[np.complex64]:
        """Return those of a block, complex64 (line, sample), there until the next call.

        The block itself is used up. Transforms of n points are not divided by n.
        """
        if not self._plans:
            done: NDArray[np.complex64] = scipy.fft.ifft(
                self.lines[block], norm="forward", overwrite_x=True
            )
            return done
        plan = self._plans[block]
        plan.execute()
        done = plan.output_array
        return done


def _planned(lines: NDArray[np.complex64], transforms: NDArray[np.complex64]) -> Any:  # noqa: ANN401
    # FFTW_ESTIMATE takes no times: each process plans the same, and two replays agree bit for bit.
    # On aligned lines that lie one behind the other, plans that were timed gain only a tenth.
    return pyfftw.FFTW(
        lines,
        transforms,
        direction="FFTW_BACKWARD",
        flags=("FFTW_ESTIMATE", "FFTW_DESTROY_INPUT"),
        threads=1,
        normalise_idft=False,
    )


def _aligned(shape: tuple[int, ...]) -> NDArray[np.complex64]:
    n_bytes = 8 * int(np.prod(shape))
    memory = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + n_bytes].view(np.complex64).reshape(shape)
