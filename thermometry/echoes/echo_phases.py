"""The phases of an echo train: unwrapped from echo to echo, and joined to one."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled
from thermometry.drift import fit_drift
from thermometry.phase import ONE, TURN, ZERO, Observation, Volume

# A wrap cannot be told from its complement well beyond this.
DOUBTFUL_RAD: Final = np.float32(0.8 * np.pi)
BEYOND_CHANCE: Final = 5.0  # standard deviations of χ² above its mean


@dataclass(frozen=True, slots=True, eq=False)
class TrainPhases:
    """What each echo shows against its baseline, in order of echo time. Arrays: (echo, pixel).

    ratio: float32 (echo,), echo time over that of the first.
    """

    phase_rad: Volume
    total_rad2: Volume
    common_rad2: Volume
    usable: NDArray[np.bool_]
    ratio: Volume


def stack(observations: tuple[Observation, ...], ratio: Volume) -> TrainPhases:
    """Return the observations of all echoes as one."""
    return TrainPhases(
        np.stack([one.phase_rad.ravel() for one in observations]),
        np.stack([one.total_rad2.ravel() for one in observations]),
        np.stack([one.common_rad2.ravel() for one in observations]),
        np.stack([one.usable.ravel() for one in observations]),
        ratio,
    )


def phasor_sums(
    train: TrainPhases, expected: Volume, pixels: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Return Σ of each echo's phasors beyond what is expected, over the noise; (echo,).

    expected: float32 (pixel,), phase at the first echo.
    """
    weight = train.usable[:, pixels] / train.total_rad2[:, pixels]
    residual = train.phase_rad[:, pixels] - train.ratio[:, None] * expected[pixels]
    sums: NDArray[np.complex128] = np.sum(weight * np.exp(1j * residual), axis=1)
    return sums


def fit_offset(
    residual: Volume, train: TrainPhases, pixels: NDArray[np.intp], *, start: float
) -> float:
    """Return the phase that all pixels and echoes share: the robust mean of lines' intercepts.

    residual: float32 (echo, pixel), unwrapped. `start` where the pixels are too few to tell.
    Heat and field grow with the echo time, so heated pixels count as well as any.
    """
    weight = train.usable[:, pixels] / train.total_rad2[:, pixels].astype(np.float64)
    ratio, phase = train.ratio.astype(np.float64)[:, None], residual[:, pixels]
    s0, s1, s2 = (np.sum(weight * ratio**power, axis=0) for power in range(3))
    determinant = s0 * s2 - s1 * s1
    told = determinant > 1e-6 * s0 * s2
    if np.count_nonzero(told) == 0:
        return start
    s1, s2, determinant = s1[told], s2[told], determinant[told]
    constant = s2 * np.sum(weight * phase, axis=0)[told]
    constant -= s1 * np.sum(weight * ratio * phase, axis=0)[told]
    fit = fit_drift(
        np.ones((1, determinant.size), np.float32),
        (constant / determinant).astype(np.float32),
        variance_rad2=(s2 / determinant).astype(np.float32),
        start=np.array([start]),
    )
    return start if fit is None else float(fit.coefficients[0])


@compiled
def unwrap_along(
    phase_rad: Volume,
    total_rad2: Volume,
    usable: NDArray[np.bool_],
    expected: Volume,
    ratio: Volume,
    turns: Volume,
    step_rad2: np.float32,
) -> tuple[Volume, NDArray[np.bool_]]:
    """Each echo's phase less what is expected of it, unwrapped by the echoes before it.

    phase_rad, total_rad2, usable: (echo, pixel), wrapped. expected: (pixel,), at the first echo;
    an echo is expected at ratio times it, plus its turn. step_rad2: variance of what a frame may
    add, at the first echo: it holds the estimate where the first echoes say little, as those of an
    ultrashort echo time do.
    Returns the residuals (echo, pixel), and where an echo was so far off that it may have wrapped.
    """
    residual = np.zeros_like(phase_rad)
    doubtful = np.zeros(expected.size, np.bool_)
    for i in range(expected.size):
        moment, weight = ZERO, ONE / step_rad2
        for echo in range(ratio.size):
            if not usable[echo, i]:
                continue
            off = moment / weight * ratio[echo]
            rest = phase_rad[echo, i] - expected[i] * ratio[echo] - turns[echo] - off
            rest -= TURN * np.rint(rest / TURN)
            doubtful[i] |= abs(rest) >= DOUBTFUL_RAD
            residual[echo, i] = turns[echo] + off + rest
            per_variance = ratio[echo] / total_rad2[echo, i]
            moment += (off + rest) * per_variance
            weight += ratio[echo] * per_variance
    return residual, doubtful


@compiled
def combine(
    residual: Volume,
    total_rad2: Volume,
    common_rad2: Volume,
    usable: NDArray[np.bool_],
    expected: Volume,
    ratio: Volume,
    offset_rad: np.float32,
) -> tuple[Volume, Volume, Volume, NDArray[np.bool_]]:
    """Phase at the first echo from all of them, its variance, the common part, what is usable.

    Each echo gives an estimate of variance v / ratio² with v its phase variance, so the weights
    are ratio² / v: magnitude² · TE², since v goes as 1 / magnitude². Where an echo has decayed, its
    weight has too. Marx 2016, doi:10.1002/mrm.25914. Where the echoes disagree by more than noise,
    as in fat that heat has passed by, the variance grows by their χ² per degree of freedom.
    """
    n_pixels = expected.size
    phase, total = np.zeros_like(expected), np.ones_like(expected)
    common, is_usable = np.zeros_like(expected), np.zeros(n_pixels, np.bool_)
    for i in range(n_pixels):
        moment, weight, shared = ZERO, ZERO, ZERO
        for echo in range(ratio.size):
            if usable[echo, i]:
                per_variance = ratio[echo] / total_rad2[echo, i]
                moment += (residual[echo, i] - offset_rad) * per_variance
                weight += ratio[echo] * per_variance
                shared += common_rad2[echo, i] * per_variance * per_variance
        if weight > ZERO:
            is_usable[i] = True
            phase[i] = expected[i] + moment / weight
            total[i], common[i] = ONE / weight, shared / (weight * weight)
            chi2, n_free = ZERO, -1
            for echo in range(ratio.size):
                if usable[echo, i]:
                    rest = residual[echo, i] - offset_rad - ratio[echo] * (moment / weight)
                    chi2 += rest * rest / total_rad2[echo, i]
                    n_free += 1
            if n_free > 0 and chi2 > n_free + BEYOND_CHANCE * math.sqrt(2.0 * n_free):
                total[i] *= chi2 / np.float32(n_free)
    return phase, total, common, is_usable
