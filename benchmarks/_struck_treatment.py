"""One simulated treatment, and what its fault does to heat, signal, raw data and power log."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from messages import PowerLog
from simulators.mrd import acquisition_head, acquisition_message, acquisition_samples
from simulators.phantom import Ellipse, image
from simulators.readout import Readout
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment
from simulators.truth import TruthLog

_LEFT = 0.2  # of the signal, in a void
_VOID_MM = (3.2, 4.2)  # semi-axes
_ASIDE_MM = 4.5  # of a void that was there before


@dataclass(frozen=True, slots=True)
class Case:
    """One treatment. fault: empty where all is well; from_frame: when it strikes.

    target_mm: (x, y), where the protocol expects the focus.
    """

    treatment: Treatment
    target_mm: tuple[float, float]
    fault: str
    from_frame: int


def readouts(case: Case, simulator: TreatmentSimulator) -> Iterator[Readout]:
    """Yield the noise scan and what the scanner sends, the fault included."""
    dark = _darkened(case)
    yield from simulator.noise_readouts()
    while not simulator.is_finished:
        is_on = _is_on(case, simulator)
        readout = simulator.next_readout(sonicating=is_on)
        is_struck = readout.frame >= case.from_frame
        if dark is not None:
            darker = dark.next_readout(sonicating=is_on)
            yield darker if is_struck or case.fault == "signal void" else readout
        elif not is_struck:
            yield readout
        elif case.fault != "lost frame" or readout.frame > case.from_frame:
            yield replace(readout, message=_struck(case, readout.message))


def power_of(case: Case, log: TruthLog, *, now_s: float) -> PowerLog:
    """Return what the device would have said: that it was off at first, then each change."""
    times_s, watts = log.power_time_s, log.power_w
    if case.fault == "heat goes elsewhere" and any(watts):
        # its power flows on, but does not arrive
        on_s = times_s[watts.index(case.treatment.power_w)]
        off_s = on_s + case.treatment.planned_heating_s
        steps = [(on_s, case.treatment.power_w), (off_s, 0.0)]
        times_s, watts = (list(one) for one in zip(*steps, strict=True))
        n_past = sum(at_s <= now_s for at_s in times_s)
        times_s, watts = times_s[:n_past], watts[:n_past]
    return PowerLog(np.array([-1e9, *times_s]), np.array([0.0, *watts]))


def _is_on(case: Case, simulator: TreatmentSimulator) -> bool:
    treatment = case.treatment
    frame = int(simulator.next_echo_s / treatment.sequence.frame_time_s)
    if case.fault == "heat goes elsewhere" and frame >= case.from_frame:
        return False
    if case.fault == "near field builds up":
        third = (treatment.n_frames - treatment.n_baseline_frames) // 3
        return (frame - treatment.n_baseline_frames) // third in (0, 2)
    return simulator.wants_heat


def _darkened(case: Case) -> TreatmentSimulator | None:
    """Return the same treatment of a body that has hardly any signal at, or beside, the focus."""
    treatment = case.treatment
    x_mm, y_mm = treatment.focus_mm
    if case.fault == "signal void":
        x_mm += _ASIDE_MM
    elif case.fault != "boiling":
        return None
    signal = complex(image(treatment.anatomy, np.array(x_mm), np.array(y_mm)))
    void = Ellipse((_LEFT - 1.0) * signal, (x_mm, y_mm), _VOID_MM)
    dark = replace(treatment, anatomy=(*treatment.anatomy, void))
    if case.fault == "boiling":
        # SNR counts at the focus: the noise stays what it was
        dark = replace(dark, snr=_LEFT * treatment.snr)
    return TreatmentSimulator(dark)


def _struck(case: Case, message: bytes) -> bytes:
    """Return a readout as the fault leaves it."""
    head, samples = acquisition_head(message).copy(), acquisition_samples(message)
    if case.fault == "patient moves":
        turns = case.treatment.sequence.fx_per_mm * 4.0  # mm along the readout
        samples = (samples * np.exp(-2j * np.pi * turns)).astype(np.complex64)
    elif case.fault == "frequency jumps":
        samples = samples * np.complex64(np.exp(1.0j))  # 12 Hz at TE 13 ms, 10 °C
    elif case.fault == "table moves":
        head["patient_table_position"] = (0.0, 0.0, 3.0)
    else:
        return message
    return acquisition_message(head, samples)
