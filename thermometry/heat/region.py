"""The heat model of one region around a target: what a frame teaches, and what follows from it."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import PowerLog
from thermometry.heat.bank import HeatBank
from thermometry.heat.fit import HeatState, predict, start_heat, update
from thermometry.heat.model_dose import Lesson, ModelDose, add_course, start_model_dose, taught
from thermometry.heat.path import Chosen, Course, course, earlier, likeliest

Real = NDArray[np.float64]

NODES: Final = 4  # of Gauss and Legendre, between two frames
MOST_COMMON_FRAMES: Final = 5.0
REMEMBERED: Final = 0.7  # of the misfit, from frame to frame
HOT: Final = 0.3  # of the peak: from here on a pixel counts for the misfit
LEAST_HOT_C: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class RegionFrame:
    """A frame as a region sees it; maps (y, x).

    std_c, common_std_c: a pixel's own noise, and that of the reference which all frames share.
    exposure_s: over how long around time_s the frame looks.
    """

    time_s: float
    exposure_s: float
    rise_c: Real
    usable: NDArray[np.bool_]
    std_c: float
    common_std_c: float


@dataclass(frozen=True, slots=True, eq=False)
class RegionState:
    """What is carried from frame to frame.

    peak_c, peak_std_c: highest rise so far, between frames too, float32 (y, x). misfit: mean square
    of the standardised innovations in the heat, 1 where the model holds; worst: the highest so far.
    n_frames: since the start; n_heated: of them since power first flowed. expected_c, z: of the
    latest frame's hottest place.
    """

    heat: HeatState
    dose: ModelDose
    peak_c: NDArray[np.float32]
    peak_std_c: NDArray[np.float32]
    chosen: Chosen | None = None
    misfit: float = 1.0
    worst: float = 1.0
    n_frames: int = 0
    n_heated: int = 0
    expected_c: float = np.nan
    z: float = np.nan


def start_region(bank: HeatBank) -> RegionState:
    """Return what is known before the first frame."""
    shape = (len(bank.basis_y), len(bank.basis_x))
    none = np.zeros(shape, np.float32)
    return RegionState(start_heat(bank), start_model_dose(shape), none, none)


def learn(
    bank: HeatBank,
    state: RegionState,
    frame: RegionFrame,
    power: PowerLog,
    *,
    spacing_mm: tuple[float, float],
    body_c: float,
) -> RegionState:
    """Return the state after a frame that was measured."""
    foretold = predict(
        bank,
        state.heat,
        power,
        time_s=frame.time_s,
        exposure_s=frame.exposure_s,
        misfit=state.misfit,
    )
    is_heated = foretold.state.reference_w > 0 and bool(foretold.state.response.any())
    n_heated = state.n_heated + is_heated
    # what frames share is not averaged away: so many of them would otherwise seem to agree
    n_common = min(max(n_heated, 1), MOST_COMMON_FRAMES)
    std_c = float(np.hypot(frame.std_c, np.sqrt(n_common) * frame.common_std_c))
    heat = update(bank, foretold, frame.rise_c, usable=frame.usable, std_c=std_c)
    chosen = likeliest(bank, heat, spacing_mm)
    before, state = state, replace(state, n_frames=state.n_frames + 1, n_heated=n_heated)
    if not np.isfinite(before.heat.time_s):
        coming = course(bank, heat, power, np.zeros(0), chosen)
    else:
        start = replace(before.heat, reference_w=heat.reference_w)
        times_s, weights_s = _between(start.time_s, frame.time_s, power)
        known = earlier(start, chosen)
        between = course(bank, start, power, times_s, known, misfit=before.misfit)
        state = _judged(state, between, frame, total_std_c=std_c)
        # what the frame says of the model holds for the time that led to it
        between = between.doubted(max(state.misfit / before.misfit, 1.0))
        after = course(bank, heat, power, np.zeros(0), chosen, misfit=state.misfit)
        lesson = Lesson(
            after.rise_c[0] - between.rise_c[-1], between.variance[-1], after.variance[0]
        )
        dose = add_course(
            state.dose, between, weights_s, body_c=body_c, lesson=lesson, misfit=state.misfit
        )
        state, coming = replace(state, dose=dose), taught(between, lesson)
    peak_c, peak_std_c = highest(state, coming)
    return replace(state, heat=heat, chosen=chosen, peak_c=peak_c, peak_std_c=peak_std_c)


def _between(start_s: float, end_s: float, power: PowerLog) -> tuple[Real, Real]:
    """Return the times between two frames, the last one and power steps included, and weights.

    The weights begin with that of start_s, 0. The temperature bends where the power changes: there
    the quadrature is cut, at the first and the last of many changes.
    """
    inside = power.time_s[(power.time_s > start_s) & (power.time_s < end_s)]
    ends_s = [start_s, *inside[[0, -1][: inside.size]].tolist(), end_s]
    nodes, weights = quadrature(ends_s, NODES if inside.size == 0 else NODES - 1)
    times = np.concatenate([nodes, ends_s[1:]])
    weights = np.concatenate([weights, np.zeros(len(ends_s) - 1)])
    order = np.argsort(times, kind="stable")
    return times[order], np.concatenate([[0.0], weights[order]])


def quadrature(ends_s: list[float], n_nodes: int) -> tuple[Real, Real]:
    """Return times and weights of Gauss and Legendre over intervals that follow each other."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    starts, lengths = np.array(ends_s[:-1]), np.diff(ends_s)
    times = starts[:, None] + lengths[:, None] * (nodes + 1) / 2
    return times.ravel(), (lengths[:, None] * weights / 2).ravel()


def highest(state: RegionState, coming: Course) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the highest rise so far and of a course, and its standard deviation."""
    at = np.argmax(coming.rise_c, axis=0)[None]
    rise_c = np.take_along_axis(coming.rise_c, at, 0)[0]
    std_c = np.sqrt(np.maximum(np.take_along_axis(coming.variance, at, 0)[0], 0))
    is_higher = rise_c > state.peak_c
    return (
        np.where(is_higher, rise_c, state.peak_c).astype(np.float32),
        np.where(is_higher, std_c, state.peak_std_c).astype(np.float32),
    )


def _judged(
    state: RegionState, between: Course, frame: RegionFrame, *, total_std_c: float
) -> RegionState:
    """Return the state with what the frame says of the model that foretold it."""
    expected_c, variance = between.rise_c[-1], between.variance[-1]
    off_c = frame.rise_c - expected_c
    z = off_c / np.sqrt(variance + total_std_c**2)
    hottest = np.unravel_index(np.argmax(np.where(frame.usable, expected_c, -np.inf)), z.shape)
    hot = frame.usable & (expected_c > max(HOT * expected_c.max(), LEAST_HOT_C))
    misfit = state.misfit
    if hot.any():
        # a model that is wrong is wrong all over the heat, where noise has no common sign
        weight = expected_c[hot]
        common = (weight @ np.sqrt(variance[hot])) ** 2 + total_std_c**2 * (weight @ weight)
        together = (weight @ off_c[hot]) ** 2 / common
        now = max(float(np.mean(z[hot] ** 2)), float(together))
        misfit = REMEMBERED * misfit + (1 - REMEMBERED) * now
    return replace(
        state,
        misfit=max(misfit, 1.0),
        worst=max(misfit, state.worst),
        expected_c=float(expected_c[hottest]),
        z=float(z[hottest]),
    )
