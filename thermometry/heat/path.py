"""The course of the temperature between two frames and after the last, with its uncertainty."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import PowerLog
from thermometry.heat.bank import HeatBank
from thermometry.heat.fit import Gain, HeatState, advance_response, gain_at
from thermometry.heat.shape import Shapes, likeliest_process, told

Real = NDArray[np.float64]

MOST_MEMBERS: Final = 6
# Modes are not independent where tissue is not uniform: evidence counts by less than half
EVIDENCE: Final = 0.4
MODEL_ERROR: Final = 0.012  # of the rise: kernels, edges and tissue that is never quite uniform


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The likeliest members of a bank, what they weigh, and the deposition of each."""

    members: NDArray[np.intp]
    weight: Real
    shapes: Shapes


def likeliest(bank: HeatBank, state: HeatState, spacing_mm: tuple[float, float]) -> Chosen:
    """Return the members that carry most of the weight."""
    every = np.arange(bank.n_members)
    first = int(np.argmax(state.log_evidence))
    one, amplitude = likeliest_process(bank, state, first, spacing_mm)
    said = told(state, every, one)
    likelihood = EVIDENCE * (state.log_evidence + said.evidence(amplitude))
    members = np.argsort(likelihood)[::-1][:MOST_MEMBERS]
    weight = np.exp(likelihood[members] - likelihood[members[0]])
    return Chosen(members, weight / weight.sum(), said.shapes(amplitude, members))


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
    rises = np.array([_rise(few, state, gain, chosen) for gain in gains])
    middle = np.tensordot(rises, chosen.weight, (1, 0))
    apart = rises - middle[:, None]
    errors = _Errors(few, state, chosen, gains)
    pairs = [(n, n) for n in range(len(gains))]
    variance = errors.covariance(pairs)
    start = errors.covariance([(0, n) for n in range(len(gains))])
    end = errors.covariance([(n, len(gains) - 1) for n in range(len(gains))])
    never = MODEL_ERROR * middle  # with no part in what frames teach

    def mixed(own: Real, other: int | slice) -> Real:
        among = np.einsum("m,tmyx->tyx", chosen.weight, apart * apart[other])
        return np.asarray(misfit * (own + among) + never * never[other])

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


def _rise(few: HeatBank, state: HeatState, gain: Gain, chosen: Chosen) -> Real:
    """Return the rise of each member, (member, y, x)."""
    some = chosen.members
    deposition = chosen.shapes.deposition
    follows = state.cov[some] / state.var_deposition[some]
    departure = state.departure[some] + follows * (deposition - state.deposition[some])
    modes = gain.of_deposition * deposition + gain.of_departure * departure
    return np.asarray(few.basis_y @ modes @ few.basis_x.T)


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
        process, error = chosen.shapes.process, chosen.shapes.error[0].astype(np.float32)
        along_y = process.along_y[process.rows].astype(np.float32)
        along_x = process.along_x[process.columns].astype(np.float32)
        basis_y, basis_x = few.basis_y.astype(np.float32), few.basis_x.astype(np.float32)
        self._parts = []
        for _, _, whole in self._gains:
            fields = along_y[:, :, None] * along_x[:, None] * whole.astype(np.float32)
            maps = basis_y @ fields @ basis_x.T
            self._parts.append(np.tensordot(error, maps, (0, 0)))

    def covariance(self, pairs: list[tuple[int, int]]) -> Real:
        """Return the covariances of pairs of times, the earlier first; (pair, y, x)."""
        found = []
        for one, other in pairs:
            keep, roamed, _ = self._gains[one]
            later = self._gains[other][0]
            fade = later / np.maximum(keep, 1e-30)
            modes = keep * later * self._own + fade * roamed
            shape = np.einsum("cyx,cyx->yx", self._parts[one], self._parts[other])
            found.append(self._square_y @ modes @ self._square_x.T + shape)
        return np.array(found)
