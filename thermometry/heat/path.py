"""The course of the temperature between two frames and after the last, with its uncertainty."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import PowerLog
from thermometry.heat.bank import HeatBank
from thermometry.heat.fit import MEMORY_S, Gain, HeatState, advance_response, gain_at
from thermometry.heat.shape import Shapes, likeliest_process, told

Real = NDArray[np.float64]

MOST_MEMBERS: Final = 6
MOST_CANDIDATES: Final = 30  # of a bank, by what they say before the deposition has a form
LEAST_WEIGHT: Final = 0.01  # of the likeliest
MOST_DIRECTIONS: Final = 40  # of the deposition's error; others are drowned by these
# Modes are not independent where tissue is not uniform: evidence counts by less than half
EVIDENCE: Final = 0.4
MOST_FORGOTTEN: Final = 2.0  # as a deviation
MODEL_ERROR: Final = 0.012  # of the rise: kernels, edges and tissue that is never quite uniform
PLACE_PX: Final = 0.03  # lines of k-space and the deposition's prior move and blur its edges


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The likeliest members of a bank, what they weigh, and the deposition of each."""

    members: NDArray[np.intp]
    weight: Real
    shapes: Shapes


def likeliest(bank: HeatBank, state: HeatState, spacing_mm: tuple[float, float]) -> Chosen:
    """Return the members that carry most of the weight."""
    every = np.argsort(state.log_evidence)[::-1][:MOST_CANDIDATES]
    first = int(every[0])
    one, amplitude = likeliest_process(bank, state, first, spacing_mm)
    said = told(state, every, one)
    likelihood = EVIDENCE * (state.log_evidence[every] + said.evidence(amplitude))
    order = np.argsort(likelihood)[::-1][:MOST_MEMBERS]
    weight = np.exp(likelihood[order] - likelihood[order[0]])
    order, weight = order[weight > LEAST_WEIGHT], weight[weight > LEAST_WEIGHT]
    members = every[order]
    return Chosen(members, weight / weight.sum(), said.shapes(amplitude, order))


def earlier(state: HeatState, chosen: Chosen) -> Chosen:
    """Return the same members as an earlier state knew them."""
    before = chosen.shapes
    said = told(state, chosen.members, before.process)
    return replace(chosen, shapes=said.shapes(before.amplitude_c_per_s, slice(None)))


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Rises at some times and how their errors hang together; each (1 + time, y, x), °C and °C².

    with_start: covariance with the error at the state's own time. with_end: with that at the last
    of the times.
    """

    rise_c: Real
    variance: Real
    with_start: Real
    with_end: Real

    def doubted(self, factor: float) -> "Course":
        """Return the course with variances so many times as large."""
        return Course(
            self.rise_c,
            factor * self.variance,
            factor * self.with_start,
            factor * self.with_end,
        )


def course(
    bank: HeatBank,
    state: HeatState,
    power: PowerLog,
    times_s: Real,
    chosen: Chosen,
    *,
    misfit: float = 1.0,
) -> Course:
    """Return the rise from the state's time on, the chosen members mixed.

    times_s: rising, none before the state's time; the first entry of the result is at that time.
    The spread among the members is in the covariances; what each of them leaves open is taken from
    the likeliest. misfit: by how much the frames scatter more than foretold, as a variance.
    """
    few = _few(bank, chosen)
    gains = _gains(few, bank.tissue[chosen.members], state, power, np.append(state.time_s, times_s))
    rises = _rises(few, state, gains, chosen)
    middle = np.tensordot(rises, chosen.weight, (1, 0))
    apart = rises - middle[:, None]
    errors = _Errors(few, state, chosen, gains)
    pairs = [(n, n) for n in range(len(gains))]
    variance = errors.covariance(pairs)
    start = errors.covariance([(0, n) for n in range(len(gains))])
    end = errors.covariance([(n, len(gains) - 1) for n in range(len(gains))])
    across, along = np.gradient(middle, axis=(1, 2))
    # with no part in what frames teach
    never = np.sqrt((MODEL_ERROR * middle) ** 2 + PLACE_PX**2 * (across**2 + along**2))
    # what the filter forgets from frame to frame, a forecast does not know either
    forgot = np.exp(misfit * (np.append(state.time_s, times_s) - state.time_s) / (2 * MEMORY_S))
    doubt = np.sqrt(misfit) * np.minimum(forgot, MOST_FORGOTTEN)[:, None, None]

    def mixed(own: Real, other: int | slice) -> Real:
        among = np.einsum("m,tmyx->tyx", chosen.weight, apart * apart[other])
        return np.asarray(doubt * doubt[other] * (own + among) + never * never[other])

    return Course(middle, mixed(variance, slice(None)), mixed(start, 0), mixed(end, -1))


def _few(bank: HeatBank, chosen: Chosen) -> HeatBank:
    """Return the bank of the chosen members alone."""
    tissues, tissue = np.unique(bank.tissue[chosen.members], return_inverse=True)
    return HeatBank(
        bank.basis_y,
        bank.basis_x,
        bank.spread_per_s[tissues],
        bank.fading_per_s[tissues],
        bank.share[tissues],
        tissue,
        bank.spectrum,
        bank.roaming[chosen.members],
        bank.across_mm[tissues],
    )


def _gains(
    few: HeatBank, tissues: NDArray[np.intp], state: HeatState, power: PowerLog, times_s: Real
) -> list[Gain]:
    response, at_s = state.response[np.unique(tissues)], state.time_s
    gains = []
    for time_s in times_s:
        response = advance_response(
            few, response, power, start_s=at_s, end_s=time_s, reference_w=state.reference_w
        )
        at_s = time_s
        gains.append(gain_at(few, response, time_s - state.time_s))
    return gains


def _rises(few: HeatBank, state: HeatState, gains: list[Gain], chosen: Chosen) -> Real:
    """Return the rise of each member at each time, (time, member, y, x)."""
    some = chosen.members
    deposition = chosen.shapes.deposition
    follows = state.cov[some] / state.var_deposition[some]
    departure = state.departure[some] + follows * (deposition - state.deposition[some])
    modes = np.array(
        [one.of_deposition * deposition + one.of_departure * departure for one in gains],
        np.float32,
    )
    basis_y, basis_x = few.basis_y.astype(np.float32), few.basis_x.astype(np.float32)
    return np.asarray(basis_y @ modes @ basis_x.T, np.float64)


class _Errors:
    """Covariances of the rise at two times, as maps, under the likeliest member."""

    def __init__(self, few: HeatBank, state: HeatState, chosen: Chosen, gains: list[Gain]) -> None:
        first = chosen.members[0]
        follows = state.cov[first] / state.var_deposition[first]
        self._own = state.var_departure[first] - follows * state.cov[first]
        self._gains = [
            (
                one.of_departure[0],
                one.roamed[0],
                one.of_deposition[0] + one.of_departure[0] * follows,
            )
            for one in gains
        ]
        self._square_y, self._square_x = few.basis_y**2, few.basis_x**2
        wholes = np.array([whole for _, _, whole in self._gains])
        shapes = _directions(chosen.shapes, np.sqrt(np.mean(wholes**2, axis=0)))
        self._parts = [_maps(few, shapes, whole) for whole in wholes.astype(np.float32)]

    def covariance(self, pairs: list[tuple[int, int]]) -> Real:
        """Return the covariances of pairs of times, the earlier first; (pair, y, x)."""
        found = []
        for one, other in pairs:
            keep, roamed, _ = self._gains[one]
            later = self._gains[other][0]
            fade = later / np.maximum(keep, 1e-30)
            modes = keep * later * self._own + fade * roamed
            shape = np.einsum("ycx,ycx->yx", self._parts[one], self._parts[other])
            found.append(self._square_y @ modes @ self._square_x.T + shape)
        return np.array(found)


def _directions(shapes: Shapes, weight: Real) -> NDArray[np.float32]:
    """Return the likeliest member's error as few independent maps of modes, the largest it makes.

    Returns modes (y, direction, x). weight: (y, x), what a mode of the deposition adds to the rise.
    """
    error = shapes.error[0]
    modes = shapes.process.modes(error.T) * weight
    flat = modes.reshape(len(modes), -1).astype(np.float32)
    _, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    few = vectors[:, ::-1][:, :MOST_DIRECTIONS]
    found = shapes.process.modes((error @ few).T).astype(np.float32)
    return np.ascontiguousarray(found.transpose(1, 0, 2))


def _maps(
    few: HeatBank, shapes: NDArray[np.float32], whole: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return modes (y, direction, x), weighted by `whole`, as maps (y, direction, x)."""
    basis_y, basis_x = few.basis_y.astype(np.float32), few.basis_x.astype(np.float32)
    n = shapes.shape[1]
    rows = (shapes * whole[:, None]).reshape(-1, shapes.shape[2]) @ basis_x.T
    maps = basis_y @ rows.reshape(len(shapes), -1)
    return np.asarray(maps.reshape(len(basis_y), n, -1), np.float32)
