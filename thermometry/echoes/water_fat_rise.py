"""Temperature of one pixel from its echoes and its baseline, by Gauss-Newton.

Drift removed, a pixel that is ΔT warmer than its baseline b_n, whose water is w_n, reads

    exp(ε + (iκΔT - ρ)·TE_n)·w_n + (1 + η)·(b_n - w_n),

κ in rad/(°C·s). Of the baseline as measured only the water turns, so whatever is constant (a wrong
fat spectrum, eddy currents, the coils) cancels without heat. ε and η let the signal of water and
fat change, as magnetisation and T1 do, and ρ the R2* of water. In water alone they are orthogonal
to ΔT and cost no precision.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled, inner

Volume = NDArray[np.float32]
Echoes = NDArray[np.complex64]
Real = NDArray[np.float64]  # float64 within a pixel: its normal equations are ill-conditioned
Work = NDArray[np.complex128]

ROUNDS: Final = 4
STEPS_PER_TURN: Final = 8.0  # of the last echo, in the search for the right turn
# How much may change beside temperature, as standard deviations: signals by half, R2* by 40 /s.
# Weak on purpose: they only decide where the echoes cannot, as for the fat of a pixel without any.
PRIOR_STD: Final = (np.inf, 0.5, 40.0, 0.5)
AMBIGUOUS_CHI2: Final = 25.0  # another turn explains the pixel as well but for 5 σ
N_UNKNOWN: Final = 4  # ΔT, ε, ρ, η
MODEL, WATER, REST, ANSWER, N_ROWS = 0, 1, 2, 3, 4


@compiled
def measure_rise(
    echoes: Echoes,
    baseline: Echoes,
    water: Echoes,
    gain: Echoes,
    usable: NDArray[np.bool_],
    held_c: Volume,
    rad_per_c: Real,
    echo_times_s: Real,
    half_noise: float,
    per_reference: Volume,
) -> NDArray[np.float32]:
    """Rise of each pixel, how sure it is and how well it fits, float32 (8, pixel).

    echoes, baseline, water: (echo, pixel), drift removed. gain: (pixel, 4, echo), see `fit_echoes`.
    held_c: the last rise, around which the right turn is sought. rad_per_c: κ·TE, (echo,).
    half_noise: variance of the noise's real part; per_reference: its share in the baseline.
    Rows: rise in °C; its variance by the frame's noise, and by the baseline's, °C²; °C that it
    moves by for 1 rad of phase in proportion to TE (at the mean TE), and for 1 rad in all echoes
    alike; χ² per degree of freedom; water's signal over that of the baseline; by how much χ² is
    better than that of another turn.
    """
    n_echoes, n_pixels = echoes.shape
    found = np.zeros((8, n_pixels), np.float32)
    work = np.zeros((N_ROWS, n_echoes), np.complex128)
    jacobian = np.zeros((N_UNKNOWN, n_echoes), np.complex128)
    unknown, prior = np.zeros(N_UNKNOWN), np.zeros(N_UNKNOWN)
    inverse = np.zeros((N_UNKNOWN, N_UNKNOWN))
    for k in range(N_UNKNOWN):
        prior[k] = half_noise / PRIOR_STD[k] ** 2
    for i in range(n_pixels):
        if not usable[i]:
            continue
        y, b, w = echoes[:, i], baseline[:, i], water[:, i]
        unknown[:] = 0.0
        unknown[0], advantage = _search(y, b, w, rad_per_c, float(held_c[i]))
        for _ in range(ROUNDS):
            _linearise(work, jacobian, unknown, y, b, w, rad_per_c, echo_times_s)
            _invert(inverse, jacobian, prior)
            _step(unknown, inverse, jacobian, work, prior)
        _linearise(work, jacobian, unknown, y, b, w, rad_per_c, echo_times_s)
        n_spent = _invert(inverse, jacobian, prior)
        squares, kept, before = 0.0, 0.0, 0.0
        for n in range(n_echoes):
            work[ANSWER, n] = 0.0
            for k in range(N_UNKNOWN):
                work[ANSWER, n] += inverse[0, k] * jacobian[k, n]
            squares += work[REST, n].real ** 2 + work[REST, n].imag ** 2
            kept += work[WATER, n].real ** 2 + work[WATER, n].imag ** 2
            before += w[n].real ** 2 + w[n].imag ** 2
        noise = half_noise * (1.0 + per_reference[i])
        found[0, i] = unknown[0]
        found[1, i] = half_noise * inverse[0, 0]
        by_reference = _by_reference(work, w, gain[i], echo_times_s, 1.0 + unknown[3])
        found[2, i] = half_noise * per_reference[i] * by_reference
        found[3, i], found[4, i] = _by_drift(work, echo_times_s)
        found[5, i] = squares / (noise * (2.0 * n_echoes - n_spent))
        found[6, i] = math.sqrt(kept / before)
        found[7, i] = 2.0 * advantage / half_noise
    return found


@inner
def _search(y: Echoes, b: Echoes, w: Echoes, rad_per_c: Real, held_c: float) -> tuple[float, float]:
    """Return the best rise within one turn of the mean echo, and its advantage over another turn.

    Echoes of different times turn by different angles, so that only one turn suits all of them.
    The second figure is the gain in half the squared residual over anything half a turn away; 0 at
    the end of the search, beyond which the best may lie.
    """
    n_echoes = len(y)
    matched, turn = np.empty(n_echoes, np.complex128), np.empty(n_echoes, np.complex128)
    largest, mean = 0.0, 0.0
    for n in range(n_echoes):
        largest = max(largest, abs(rad_per_c[n]))
        mean += abs(rad_per_c[n]) / n_echoes
    step_c = 2.0 * math.pi / STEPS_PER_TURN / largest
    n_side = math.ceil(2.0 * math.pi / mean / step_c)
    for n in range(n_echoes):
        start = np.exp(complex(0.0, -rad_per_c[n] * (held_c - n_side * step_c)))
        matched[n] = np.conj(w[n]) * (y[n] - (b[n] - w[n])) * start
        turn[n] = np.exp(complex(0.0, -rad_per_c[n] * step_c))
    scores = np.empty(2 * n_side + 1)
    best = 0
    for k in range(2 * n_side + 1):
        scores[k] = 0.0
        for n in range(n_echoes):
            scores[k] += matched[n].real
            matched[n] *= turn[n]
        if scores[k] > scores[best]:
            best = k
    rival = -np.inf
    for k in range(2 * n_side + 1):
        if 2 * abs(k - best) >= n_side:
            rival = max(rival, scores[k])
    is_inside = 0 < best < 2 * n_side
    return held_c + (best - n_side) * step_c, (scores[best] - rival) if is_inside else 0.0


@inner
def _linearise(
    work: Work,
    jacobian: Work,
    unknown: Real,
    y: Echoes,
    b: Echoes,
    w: Echoes,
    rad_per_c: Real,
    echo_times_s: Real,
) -> None:
    """Model, water, residual and derivatives at the unknowns ΔT, ε, ρ, η."""
    rise_c, scale, decay, fat_scale = unknown
    for n in range(len(y)):
        turned = np.exp(complex(scale - decay * echo_times_s[n], rad_per_c[n] * rise_c)) * w[n]
        fat = complex(b[n]) - complex(w[n])
        work[WATER, n] = turned
        work[MODEL, n] = turned + (1.0 + fat_scale) * fat
        work[REST, n] = y[n] - work[MODEL, n]
        jacobian[0, n] = 1j * rad_per_c[n] * turned
        jacobian[1, n] = turned
        jacobian[2, n] = -echo_times_s[n] * turned
        jacobian[3, n] = fat


@inner
def _invert(inverse: Real, jacobian: Work, prior: Real) -> float:
    """Invert the normal matrix by Cholesky, in place; return how many unknowns the data settle."""
    size = len(prior)
    for k in range(size):
        for m in range(k + 1):
            value = prior[k] if k == m else 0.0
            for n in range(jacobian.shape[1]):
                value += jacobian[k, n].real * jacobian[m, n].real
                value += jacobian[k, n].imag * jacobian[m, n].imag
            for p in range(m):
                value -= inverse[k, p] * inverse[m, p]
            # water that is none at all has no temperature: a huge variance instead of a NaN
            inverse[k, m] = math.sqrt(max(value, 1e-30)) if k == m else value / inverse[m, m]
    # the lower triangle L becomes L⁻¹, then L⁻ᵀ·L⁻¹
    for k in range(size):
        inverse[k, k] = 1.0 / inverse[k, k]
        for m in range(k):
            value = 0.0
            for p in range(m, k):
                value -= inverse[k, p] * inverse[p, m]
            inverse[k, m] = value * inverse[k, k]
    n_settled = float(size)
    for k in range(size):
        for m in range(k + 1):
            value = 0.0
            for p in range(k, size):
                value += inverse[p, k] * inverse[p, m]
            inverse[m, k] = value
        n_settled -= inverse[k, k] * prior[k]
    for k in range(size):
        for m in range(k):
            inverse[k, m] = inverse[m, k]
    return n_settled


@inner
def _step(unknown: Real, inverse: Real, jacobian: Work, work: Work, prior: Real) -> None:
    """One step of Gauss and Newton."""
    downhill = np.empty(len(unknown))
    for k in range(len(unknown)):
        downhill[k] = -prior[k] * unknown[k]
        for n in range(jacobian.shape[1]):
            downhill[k] += (np.conj(jacobian[k, n]) * work[REST, n]).real
    for k in range(len(unknown)):
        for m in range(len(unknown)):
            unknown[k] += inverse[k, m] * downhill[m]


@inner
def _by_reference(
    work: Work, w: Echoes, gain: Echoes, echo_times_s: Real, fat_scale: float
) -> float:
    """Variance of the rise for unit variance of the baseline's noise.

    Noise δb stands in the baseline itself, and through the fit in what of it is water.
    """
    by_size, by_phase, by_field, by_decay = 0.0, 0.0, 0.0, 0.0
    for n in range(len(w)):
        moved = np.conj(work[ANSWER, n]) * (work[WATER, n] - fat_scale * w[n])
        by_size += moved.real
        by_phase -= moved.imag
        by_field -= 2.0 * math.pi * echo_times_s[n] * moved.imag
        by_decay -= echo_times_s[n] * moved.real
    variance = 0.0
    for n in range(len(w)):
        total = fat_scale * work[ANSWER, n] + by_size * gain[0, n] + by_phase * gain[1, n]
        total += by_field * gain[2, n] + by_decay * gain[3, n]
        variance += total.real**2 + total.imag**2
    return variance


@inner
def _by_drift(work: Work, echo_times_s: Real) -> tuple[float, float]:
    """Rise in °C for 1 rad of phase in proportion to TE, at the mean TE, and for 1 rad anyhow."""
    field, common, mean_s = 0.0, 0.0, 0.0
    for n in range(len(echo_times_s)):
        mean_s += echo_times_s[n] / len(echo_times_s)
    for n in range(len(echo_times_s)):
        moved = (np.conj(work[ANSWER, n]) * 1j * work[MODEL, n]).real
        field += moved * echo_times_s[n] / mean_s
        common += moved
    return field, common
