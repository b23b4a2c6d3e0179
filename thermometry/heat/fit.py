"""The on-line fit: where the power goes and how heat spreads, from maps and the power log.

Temperature rise = response to the logged power · deposition map + departure. The deposition, °C/s
for each pixel at the first power that flowed, has any shape that is smooth; the departure is what
the model did not foresee, a random walk that diffuses like heat. In uniform tissue the cosine
modes of both part: each mode is a Kalman filter of two numbers (Kalman 1960,
doi:10.1115/1.3662552). Tissue that is not uniform, or a source that moves, ends up in the
departure.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import PowerLog
from thermometry.heat.bank import HeatBank
from thermometry.heat.bioheat import grown

Real = NDArray[np.float64]

ANY_C_PER_S: Final = 20.0  # deviation of a mode's deposition: nothing is known of it here
BEFORE_C: Final = 0.5  # deviation of the rise at the first frame, when nothing has been heated
SAMPLES_IN_FRAME: Final = 5
# Perfusion, absorption and the focus change while tissue warms: what was learnt of the deposition
# loses weight, as in a filter of fading memory (Sorenson and Sacks 1971)
MEMORY_S: Final = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class HeatState:
    """What is known of a region after some frames.

    time_s: of the last frame, NaN before the first. reference_w: the power that deposition is for.
    response: (tissue, exponential, y, x), heat of a unit deposition now, mode by mode.
    deposition, departure: (member, y, x), means of the modes.
    var_deposition, cov, var_departure: (member, y, x), their second moments.
    log_evidence: (member,), of deposition that may be anything.
    """

    time_s: float
    reference_w: float
    response: Real
    deposition: Real
    departure: Real
    var_deposition: Real
    cov: Real
    var_departure: Real
    log_evidence: Real


def start_heat(bank: HeatBank) -> HeatState:
    """Return what is known before the first frame: nothing has been heated."""
    zeros = np.zeros((bank.n_members, *bank.spectrum.shape))
    share = np.zeros((*bank.share.shape, *bank.spectrum.shape))
    return HeatState(
        time_s=np.nan,
        reference_w=0.0,
        response=share,
        deposition=zeros,
        departure=zeros,
        var_deposition=zeros + ANY_C_PER_S**2,
        cov=zeros,
        var_departure=zeros + BEFORE_C**2 * bank.spectrum,
        log_evidence=np.zeros(bank.n_members),
    )


def advance_response(
    bank: HeatBank,
    response: Real,
    power: PowerLog,
    *,
    start_s: float,
    end_s: float,
    reference_w: float,
) -> Real:
    """Return the response at end_s, exact for power that is constant between its steps."""
    if reference_w <= 0:
        return response
    inside = power.time_s[(power.time_s > start_s) & (power.time_s < end_s)]
    for left_s, right_s in zip([start_s, *inside], [*inside, end_s], strict=True):
        elapsed_s = right_s - left_s
        keep = np.exp(-bank.fading_per_s * elapsed_s)[:, :, None, None]
        keep = keep * np.exp(-bank.spread_per_s * elapsed_s)[:, None]
        response = response * keep
        watts = watts_at(power, left_s)
        if watts > 0:
            rate = bank.fading_per_s[:, :, None, None] + bank.spread_per_s[:, None]
            share = bank.share[:, :, None, None] * (watts / reference_w)
            response += share * grown(rate, elapsed_s)
    return response


def watts_at(power: PowerLog, time_s: float) -> float:
    """Return the power from `time_s` on; 0 before the log begins."""
    index = int(np.searchsorted(power.time_s, time_s, side="right")) - 1
    return float(power.watts[index]) if index >= 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """How deposition and departure add up to a rise at some time; each (member, y, x).

    `roamed`: variance that the departure has taken on since the state's time.
    """

    of_deposition: Real
    of_departure: Real
    roamed: Real


def gain_at(bank: HeatBank, response: Real, elapsed_s: float) -> Gain:
    """Return the gain `elapsed_s` after the state's time; response: at that time."""
    total = response.sum(axis=1)[bank.tissue]
    # the departure's shape across the slice is not known: it fades as slow heat does
    rate = bank.spread_per_s + bank.fading_per_s[:, :1, None]
    roaming = (bank.roaming**2)[:, None, None] * bank.spectrum
    keep, roamed = np.exp(-rate * elapsed_s), grown(2 * rate, elapsed_s)
    return Gain(total, keep[bank.tissue], roaming * roamed[bank.tissue])


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """A state carried to a frame's time, with what the frame is expected to show.

    gain: at the frame's centre. seen: deposition's gain over the frame's duration.
    """

    state: HeatState
    gain: Gain
    seen: Real


def predict(
    bank: HeatBank,
    state: HeatState,
    power: PowerLog,
    *,
    time_s: float,
    exposure_s: float,
    misfit: float = 1.0,
) -> Predicted:
    """Carry the state to `time_s`. exposure_s: a frame shows the mean over so long around it.

    misfit: 1 where the model holds; the more, the sooner it forgets.
    """
    reference_w = state.reference_w or _first_power(power)
    half_s = exposure_s / 2
    # a new reference finds a response of nothing: what flowed before the log is a departure
    began_s = state.time_s if np.isfinite(state.time_s) else time_s
    response, at_s = state.response, began_s
    seen, centre = [], response
    for sample_s in np.linspace(-half_s, half_s, SAMPLES_IN_FRAME) + time_s:
        if sample_s > at_s:
            response = advance_response(
                bank, response, power, start_s=at_s, end_s=sample_s, reference_w=reference_w
            )
            at_s = sample_s
        seen.append(response.sum(axis=1))
        if len(seen) == SAMPLES_IN_FRAME // 2 + 1:
            centre = response
    gain = gain_at(bank, centre, time_s - began_s)
    faded = np.exp((time_s - began_s) * misfit / (2 * MEMORY_S))
    faded = np.clip(ANY_C_PER_S / np.sqrt(state.var_deposition), 1.0, faded)
    simpson = np.array([1, 4, 2, 4, 1]) / 12
    carried = replace(
        state,
        time_s=time_s,
        reference_w=reference_w,
        response=centre,
        departure=gain.of_departure * state.departure,
        var_deposition=faded**2 * state.var_deposition,
        cov=gain.of_departure * faded * state.cov,
        var_departure=gain.of_departure**2 * state.var_departure + gain.roamed,
    )
    return Predicted(carried, gain, np.tensordot(simpson, np.array(seen), 1)[bank.tissue])


def update(
    bank: HeatBank, predicted: Predicted, rise_c: Real, *, usable: NDArray[np.bool_], std_c: float
) -> HeatState:
    """Return the state after a frame. rise_c: (y, x); pixels that are not usable are foretold.

    std_c: of a pixel's own noise, the same in all.
    """
    state, seen = predicted.state, predicted.seen
    expected = seen * state.deposition + state.departure
    if not usable.all():
        foretold = bank.basis_y @ expected[np.argmax(state.log_evidence)] @ bank.basis_x.T
        rise_c = np.where(usable, rise_c, foretold)
    modes = bank.basis_y.T @ rise_c @ bank.basis_x
    innovation = modes - expected
    with_deposition = seen * state.var_deposition + state.cov
    with_departure = seen * state.cov + state.var_departure
    variance = seen * with_deposition + with_departure + std_c**2
    evidence = -0.5 * np.sum(np.log(variance) + innovation**2 / variance, axis=(1, 2))
    kept = innovation / variance
    return replace(
        state,
        deposition=state.deposition + with_deposition * kept,
        departure=state.departure + with_departure * kept,
        var_deposition=state.var_deposition - with_deposition**2 / variance,
        cov=state.cov - with_deposition * with_departure / variance,
        var_departure=state.var_departure - with_departure**2 / variance,
        log_evidence=state.log_evidence + evidence,
    )


def _first_power(power: PowerLog) -> float:
    flowing = power.watts[power.watts > 0]
    return float(flowing[0]) if flowing.size else 0.0
