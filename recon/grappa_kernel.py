"""GRAPPA's kernel: fitted to calibration lines, applied to rows in image space along x."""

import numpy as np
from numpy.typing import NDArray

from recon.calibration_lines import CalibrationLines
from recon.compiled import compiled

N_SOURCES = 4  # lines along ky
N_TAPS = 5  # samples along kx
FIRST_SOURCE = -1  # sources lie at -1, 0, 1 and 2 times the acceleration from the line before
_FEWEST_LINES = 8  # with equations; by fewer (12 lines, R = 3) a hot spot read 1 to 3 °C wrong
_RIDGE = 1e-5  # of the largest eigenvalue, see `fit_kernel`


def run_length(acceleration: int) -> int:
    """Return how many neighbouring lines one equation spans."""
    return (N_SOURCES - 1) * acceleration + 1


def fit_kernel(lines: CalibrationLines, acceleration: int) -> NDArray[np.complex64] | None:
    """Return the kernel (target, coil, coil of source, source, x), or None for too few lines.

    target: R - 1 missing lines after each measured one.
    Griswold 2002 (doi:10.1002/mrm.10171), a kernel of 4 x 5 (ky x kx), by least squares with a
    Tikhonov term; the ridge is chosen so that the fit of noisy lines does not amplify noise while
    a clean phantom loses nothing. Since the kernel is a convolution along kx, it is a product along
    x, and its normal equations follow from sums over the lines at each x: no sample is copied
    twenty times. Sums and solution are in float64, since squaring doubles the digits needed.
    """
    sources, targets = _equations(lines, acceleration)
    n_equations, n_coils = sources.shape[1], lines.rows.shape[0]
    n_x = lines.rows.shape[-1]
    n_unknown = N_SOURCES * N_TAPS * n_coils
    if n_equations < _FEWEST_LINES or n_equations * n_x < 2 * n_unknown:
        return None
    gram = sources.conj().transpose(0, 2, 1) @ sources  # (x, source, source)
    right = sources.conj().transpose(0, 2, 1) @ targets  # (x, source, target)
    taps = np.arange(N_TAPS) - N_TAPS // 2
    pixels = np.arange(n_x) - n_x // 2
    lags = np.arange(-(N_TAPS - 1), N_TAPS)
    turns = np.exp(2j * np.pi / n_x * np.outer(lags, pixels))
    by_lag = (turns @ gram.reshape(n_x, -1)).reshape(len(lags), *gram.shape[1:])
    normal = by_lag[taps[:, None] - taps + N_TAPS - 1]  # (tap, tap, source, source)
    normal = normal.transpose(0, 2, 1, 3).reshape(n_unknown, n_unknown)
    wanted = np.exp(2j * np.pi / n_x * np.outer(taps, pixels)) @ right.reshape(n_x, -1)
    wanted = wanted.reshape(n_unknown, -1)
    ridge = _RIDGE * float(np.linalg.norm(normal, 2))
    if not np.isfinite(ridge) or ridge == 0:
        return None
    solved = np.linalg.solve(normal + ridge * np.eye(n_unknown), wanted)
    along_x = np.exp(-2j * np.pi / n_x * np.outer(taps, pixels))
    kernel = np.einsum("tsm,tx->msx", solved.reshape(N_TAPS, -1, wanted.shape[1]), along_x)
    kernel = kernel.reshape(acceleration - 1, n_coils, N_SOURCES, n_coils, n_x)
    return np.ascontiguousarray(kernel.transpose(0, 1, 3, 2, 4), dtype=np.complex64)


def _equations(
    lines: CalibrationLines, acceleration: int
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return (x, equation, source and coil) and (x, equation, target and coil)."""
    sources = (np.arange(N_SOURCES) + FIRST_SOURCE) * acceleration
    targets = np.arange(1, acceleration)
    steps = np.concatenate([sources, targets])
    found = [
        (partition, line)
        for partition, measured in enumerate(lines.measured)
        for line in range(acceleration, len(measured) - 2 * acceleration)
        if measured[line + steps].all()
    ]
    n_coils, n_x = lines.rows.shape[0], lines.rows.shape[-1]
    if not found:
        empty = np.zeros((n_x, 0, 0), np.complex64)
        return empty, empty
    at, line = np.array(found).T
    picked = lines.rows[:, at[:, None], line[:, None] + steps]  # (coil, equation, step, x)
    picked = picked.transpose(3, 1, 2, 0)
    shape = (n_x, len(found))
    first = picked[:, :, :N_SOURCES].reshape(*shape, N_SOURCES * n_coils)
    return first, picked[:, :, N_SOURCES:].reshape(*shape, len(targets) * n_coils)


@compiled
def synthesise(
    kernel: NDArray[np.complex64], rows: NDArray[np.complex64], sources: NDArray[np.int64]
) -> NDArray[np.complex64]:
    """Return one missing line (coil, x).

    kernel: (coil, coil of source, source, x). rows: (coil, line, x). sources: of the rows, -1
    where there is none.
    """
    n_coils, n_x = kernel.shape[0], kernel.shape[3]
    line = np.zeros((n_coils, n_x), np.complex64)
    for coil in range(n_coils):
        for other in range(n_coils):
            for number in range(len(sources)):
                source = sources[number]
                if source >= 0:
                    for x in range(n_x):
                        line[coil, x] += kernel[coil, other, number, x] * rows[other, source, x]
    return line
