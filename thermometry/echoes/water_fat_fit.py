"""Water, fat, field and R2* of one pixel's echoes, by variable projection.

The signal of echo n is b_n = (W + F·φ_n)·exp((i·2πf - R2*)·TE_n), φ_n the spectrum of fat.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled, inner

Volume = NDArray[np.float32]
Echoes = NDArray[np.complex64]
Seconds = NDArray[np.float64]
Work = NDArray[np.complex128]  # float64 within a pixel: its normal equations are ill-conditioned

ROUNDS: Final = 6
NEAR: Final = 0.02  # of a step of the search, and of R2*: the next step is a hundred times smaller
LEAST_R2_HZ, MOST_R2_HZ = -20.0, 500.0  # R2* of tissue: 10 to 100 /s; below 0 is noise
LEAST_DETERMINANT: Final = 1e-9  # below it the echoes do not tell f from R2*
WATER, FAT, DECAY, REST, TURNED, DECAYED, N_ROWS = 0, 1, 2, 3, 4, 5, 6


@compiled
def fit_echoes(
    echoes: Echoes,
    fat: Work,
    echo_times_s: Seconds,
    usable: NDArray[np.bool_],
    start_hz: Volume,
    start_r2_hz: float,
    most_step_hz: float,
) -> tuple[Echoes, Volume, Volume, Echoes, Volume]:
    """Fit W, F, f and R2* to echoes (echo, pixel), from f and R2* nearby.

    Returns water's part of each echo (echo, pixel); f in Hz; the fat fraction |F| / (|W| + |F|);
    `gain` (pixel, 4, echo): noise δb_n changes ln|W|, arg W, f and R2* by Σ Re(conj(gain_n)·δb_n);
    Σ|residual|². Golub and Pereyra 1973, doi:10.1137/0710036, with the Jacobian of Kaufman 1975,
    doi:10.1007/BF01932995.
    """
    n_echoes, n_pixels = echoes.shape
    water = np.zeros((n_echoes, n_pixels), np.complex64)
    field_hz, fraction = np.zeros(n_pixels, np.float32), np.zeros(n_pixels, np.float32)
    gain = np.zeros((n_pixels, 4, n_echoes), np.complex64)
    squares = np.zeros(n_pixels, np.float32)
    work = np.zeros((N_ROWS, n_echoes), np.complex128)
    measured = np.zeros(n_echoes, np.complex128)
    for i in range(n_pixels):
        if not usable[i]:
            continue
        measured[:] = echoes[:, i]
        hz, r2 = float(start_hz[i]), start_r2_hz
        size_w, size_f, overlap = _span(work, fat, echo_times_s, hz, r2)
        part_w, part_f, a, b, c, u, v, turned_w, decayed_w = _derive(work, measured, echo_times_s)
        for _ in range(ROUNDS):
            step_hz, step_r2 = _solved(a, b, c, u, v)
            is_near = abs(step_hz) < NEAR * most_step_hz and abs(step_r2) < NEAR * start_r2_hz
            hz += min(max(step_hz, -most_step_hz), most_step_hz)
            r2 = min(max(r2 + step_r2, LEAST_R2_HZ), MOST_R2_HZ)
            size_w, size_f, overlap = _span(work, fat, echo_times_s, hz, r2)
            part_w, part_f, a, b, c, u, v, turned_w, decayed_w = _derive(
                work, measured, echo_times_s
            )
            if is_near:
                break
        amount_w = part_w / size_w
        amount_f = (part_f - overlap * amount_w) / size_f
        if not 0.0 < abs(amount_w) < np.inf:
            continue
        field_hz[i] = hz
        fraction[i] = abs(amount_f) / (abs(amount_w) + abs(amount_f))
        # δW/W = Σ conj(water direction)·δb / (size·W), less what f and R2* take of it
        per_water = 1.0 / (size_w * amount_w)
        by_turn, by_decay = turned_w * per_water, decayed_w * per_water
        for n in range(n_echoes):
            squares[i] += work[REST, n].real ** 2 + work[REST, n].imag ** 2
            water[n, i] = amount_w * work[DECAY, n]
            to_f, to_r2 = _solved(a, b, c, work[TURNED, n], work[DECAYED, n])
            direct = work[WATER, n] * np.conj(per_water)
            gain[i, 0, n] = direct - by_turn.real * to_f - by_decay.real * to_r2
            gain[i, 1, n] = 1j * direct - by_turn.imag * to_f - by_decay.imag * to_r2
            gain[i, 2, n], gain[i, 3, n] = to_f, to_r2
    return water, field_hz, fraction, gain, squares


@inner
def _span(
    work: Work, fat: Work, echo_times_s: Seconds, hz: float, r2: float
) -> tuple[float, float, complex]:
    """Lay an orthonormal pair through all that W and F can make: fat, then the rest of water."""
    size_f, size_w, overlap = 0.0, 0.0, 0j
    for n in range(len(echo_times_s)):
        time_s = echo_times_s[n]
        work[DECAY, n] = np.exp(complex(-r2 * time_s, 2.0 * math.pi * hz * time_s))
        work[FAT, n] = fat[n] * work[DECAY, n]
        size_f += work[FAT, n].real ** 2 + work[FAT, n].imag ** 2
    size_f = math.sqrt(size_f)
    for n in range(len(echo_times_s)):
        work[FAT, n] /= size_f
        overlap += np.conj(work[FAT, n]) * work[DECAY, n]
    for n in range(len(echo_times_s)):
        work[WATER, n] = work[DECAY, n] - overlap * work[FAT, n]
        size_w += work[WATER, n].real ** 2 + work[WATER, n].imag ** 2
    # where fat looks like water at every echo, its direction is rounding
    size_w = max(math.sqrt(size_w), 1e-12)
    for n in range(len(echo_times_s)):
        work[WATER, n] /= size_w
    return size_w, size_f, overlap


@inner
def _derive(
    work: Work, measured: Work, echo_times_s: Seconds
) -> tuple[complex, complex, float, float, float, float, float, complex, complex]:
    """Residual and derivatives by f and R2*, without what W and F can make of them.

    Returns the parts along water and fat, the normal equations (a, b; b, c | u, v), and how much of
    either derivative lies along water.
    """
    part_w, part_f = 0j, 0j
    for n in range(len(echo_times_s)):
        part_w += np.conj(work[WATER, n]) * measured[n]
        part_f += np.conj(work[FAT, n]) * measured[n]
    turned_w, turned_f, decayed_w, decayed_f = 0j, 0j, 0j, 0j
    for n in range(len(echo_times_s)):
        signal = part_w * work[WATER, n] + part_f * work[FAT, n]
        work[REST, n] = measured[n] - signal
        work[TURNED, n] = 2j * math.pi * echo_times_s[n] * signal
        work[DECAYED, n] = -echo_times_s[n] * signal
        turned_w += np.conj(work[WATER, n]) * work[TURNED, n]
        turned_f += np.conj(work[FAT, n]) * work[TURNED, n]
        decayed_w += np.conj(work[WATER, n]) * work[DECAYED, n]
        decayed_f += np.conj(work[FAT, n]) * work[DECAYED, n]
    a, b, c, u, v = 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(len(echo_times_s)):
        work[TURNED, n] -= turned_w * work[WATER, n] + turned_f * work[FAT, n]
        work[DECAYED, n] -= decayed_w * work[WATER, n] + decayed_f * work[FAT, n]
        a += work[TURNED, n].real ** 2 + work[TURNED, n].imag ** 2
        b += (np.conj(work[TURNED, n]) * work[DECAYED, n]).real
        c += work[DECAYED, n].real ** 2 + work[DECAYED, n].imag ** 2
        u += (np.conj(work[TURNED, n]) * work[REST, n]).real
        v += (np.conj(work[DECAYED, n]) * work[REST, n]).real
    return part_w, part_f, a, b, c, u, v, turned_w, decayed_w


@inner
def _solved(a, b, c, u, v):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - real or complex
    """Solve (a, b; b, c) x = (u, v); 0 where it is not determined."""
    determinant = a * c - b * b
    if not determinant > LEAST_DETERMINANT * a * c:
        return 0.0 * u, 0.0 * v
    return (c * u - b * v) / determinant, (a * v - b * u) / determinant
