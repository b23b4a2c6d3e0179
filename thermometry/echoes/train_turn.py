"""By how much a whole train has turned: a field that turns each echo by its time, and a phase."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

STEPS_PER_TURN: Final = 8.0  # of the last echo against the first, in the search


def shared_turn(sums: NDArray[np.complex128], lever: Real) -> tuple[float, float]:
    """Return the turn that grows with the lever, in rad for a lever of 1, and the constant one.

    sums: (echo,), Σ of each echo's phasors over pixels; its size is its weight, so that an echo in
    which water and fat cancel leads nowhere. lever: echo times over any one of them. The field may
    jump by 1 / (2 ΔTE) of the closest echoes. A single echo's turn is taken to grow.
    """
    with_signal = np.abs(sums) > 0
    sums, lever = sums[with_signal], lever[with_signal]
    if len(sums) < 2:
        return (float(np.angle(sums[0]) / lever[0]), 0.0) if len(sums) else (0.0, 0.0)
    most = math.pi / float(np.min(np.diff(np.sort(lever))))
    n_side = math.ceil(most * float(np.ptp(lever)) * STEPS_PER_TURN / (2 * math.pi))
    slopes = most * np.arange(-n_side, n_side + 1) / n_side
    found = np.exp(-1j * np.multiply.outer(slopes, lever)) @ sums
    best = int(np.argmax(np.abs(found)))
    rest = np.angle(sums * np.exp(-1j * slopes[best] * lever) * np.conj(found[best]))
    slope = slopes[best] + np.polyfit(lever, rest, 1, w=np.sqrt(np.abs(sums)))[0]
    # at the end of the search the other end looks as good
    slope = math.remainder(float(slope), 2 * most)
    return slope, float(np.angle(np.exp(-1j * slope * lever) @ sums))


def field_and_common(drifts: tuple[Real, ...], lever: Real) -> tuple[Real, float]:
    """Return the field's polynomial (term,), for a lever of 1, and the phase common to all echoes.

    drifts: of each echo its own polynomial (term,), order 0 first; only that may hold the phase.
    """
    stacked = np.stack(drifts)
    field = lever @ stacked / (lever @ lever)
    if len(lever) == 1:
        return field, 0.0
    line = np.stack([lever, np.ones_like(lever)], axis=1)
    field[0], common = np.linalg.lstsq(line, stacked[:, 0], rcond=None)[0]
    return field, float(common)
