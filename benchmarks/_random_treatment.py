"""Random heatings for the benchmark of alerts, some of which go wrong, seen through the monitor."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _treatment import Monitor
from numpy.typing import NDArray

from messages import Acquisition, Finding, PowerLog
from realtime.alerts.life_cycle import AlertBook, step
from realtime.clock import MonotonicClock
from realtime.protocol import Protocol, parse_protocol
from realtime.streams.mrd_decoder import Decoder
from simulators.drift import Drift
from simulators.mrd import (
    acquisition_head,
    acquisition_message,
    acquisition_samples,
    header_message,
)
from simulators.phantom import Ellipse
from simulators.readout import Readout
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment
from simulators.truth import TruthLog

LIMIT_C = 60.0
FAULTS = (
    "wrong sign", "lost frame", "patient moves", "table moves", "frequency jumps", "focus is off",
    "no heat",
)  # fmt: skip
_FAULTY = 0.25  # of the treatments
_N_BASELINE, _N_COOLING, _N_COILS = 4, 4, 4
_MATRIX, _FOV_MM = 48, 84.0
_PROTOCOL = Path(__file__).with_name("alerts.toml")

# a limb or a breast rather than a head: whole in a small image
_BODY = (
    Ellipse(0.8, (0, 0), (37, 36)),
    Ellipse(0.15 + 0.05j, (-14, -16), (9, 6), 20),
    Ellipse(-0.3, (17, -14), (5, 7)),
    Ellipse(-0.25, (-20, 13), (4, 6), -30),
    Ellipse(0.2, (14, 20), (8, 4)),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One treatment. fault: empty where all is well; from_frame: when it strikes.

    target_mm: (x, y), where the protocol expects the focus.
    """

    treatment: Treatment
    target_mm: tuple[float, float]
    fault: str
    from_frame: int


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the monitor said of a case, frame by frame, and the truth.

    end_s: scanner time of each verdict: the frame's last readout. took_s: what it took to compute.
    findings: of each frame. alerts: events of the living alerts after it.
    region_c: the band-limited truth's hottest pixel in the target at each frame's k-space centre.
    """

    case: Case
    end_s: tuple[float, ...]
    took_s: tuple[float, ...]
    findings: tuple[tuple[Finding, ...], ...]
    alerts: tuple[frozenset[str], ...]
    frame_time_s: NDArray[np.float64]
    region_c: NDArray[np.float64]
    point_time_s: NDArray[np.float64]
    point_c: NDArray[np.float64]

    @property
    def measured(self) -> range:
        """The frames after the baseline."""
        return range(_N_BASELINE, len(self.end_s))


def draw(seed: int) -> Case:
    """Return the random treatment of a seed."""
    rng = np.random.default_rng([20260501, seed])
    frame_time_s = float(rng.uniform(1.0, 3.5))
    n_heated = int(rng.integers(5, 11))
    target = (float(rng.uniform(-8, 8)), float(rng.uniform(-8, 8)))
    off = rng.uniform(-0.4, 0.4, 2)  # what aiming leaves
    fault = str(rng.choice(FAULTS)) if rng.random() < _FAULTY else ""
    if fault == "focus is off":
        off = 5.0 * np.array([math.cos(seed), math.sin(seed)])
    slopes = rng.uniform(-0.05, 0.05, 2)
    heating = Treatment(
        sequence=GradientEcho(
            matrix=(_MATRIX, _MATRIX),
            fov_mm=(_FOV_MM, _FOV_MM),
            repetition_time_s=frame_time_s / _MATRIX,
            time_stamp_unit="us",
        ),
        anatomy=_BODY,
        n_coils=_N_COILS,
        snr=float(rng.uniform(15, 60)),
        n_frames=_N_BASELINE + n_heated + _N_COOLING,
        n_baseline_frames=_N_BASELINE,
        focus_mm=(target[0] + float(off[0]), target[1] + float(off[1])),
        planned_heating_s=n_heated * frame_time_s - 0.5 * frame_time_s * float(rng.random()),
        planned_peak_c=float(rng.uniform(45, 75)),
        power_w=float(rng.uniform(10, 60)),
        drift=Drift(float(rng.uniform(-0.1, 0.1)), (float(slopes[0]), float(slopes[1]))),
        phase_sign=-1 if fault == "wrong sign" else 1,
        seed=seed,
    )
    if fault == "no heat":
        heating = replace(heating, planned_peak_c=heating.body_c + 0.2)
    from_frame = _N_BASELINE + int(rng.integers(1, n_heated))
    return Case(heating, target, fault, from_frame)


def protocol_of(case: Case) -> Protocol:
    """Return the benchmark's protocol with its regions where the case has them."""
    pixel_mm = _FOV_MM / _MATRIX
    x, y = (at_mm / pixel_mm + _MATRIX // 2 for at_mm in case.target_mm)
    slowest_s = 1.5 * case.treatment.sequence.frame_time_s
    text = _PROTOCOL.read_text(encoding="utf-8")
    return parse_protocol(
        text.replace("0.01, 0.01", f"{y}, {x}")
        .replace("0.02, 0.02", f"{y}, {x + 8}")
        .replace("max_gap_s = 99.0", f"max_gap_s = {slowest_s}")
    )


def see(case: Case) -> Seen:
    """Play the case and fold every frame; the heating follows its plan, whatever is said."""
    protocol, simulator = protocol_of(case), TreatmentSimulator(case.treatment)
    monitor, decoder = Monitor(protocol, simulator.header()), Decoder()
    decoder.feed(header_message(simulator.header()))
    book, clock, end_s, took_s = AlertBook(), MonotonicClock(), [], []
    findings: list[tuple[Finding, ...]] = []
    alerts: list[frozenset[str]] = []
    for readout in _played(case, simulator):
        decoder.feed(readout.message)
        for event in decoder.events():
            if not isinstance(event, Acquisition):
                continue
            monitor.power = _power(simulator.truth)
            begun_ns = clock.now_ns()
            if not monitor.take(event):
                continue
            took_s.append((clock.now_ns() - begun_ns) / 1e9)
            end_s.append(readout.t_s)
            verdict = monitor.verdicts[-1]
            said = verdict.findings
            book, _ = step(
                book, verdict.frame_id, said, protocol_hash=protocol.hash, stream=(0, 0, 0, 0)
            )
            findings.append(said)
            alerts.append(frozenset(one.event for one in book.living))
    return Seen(
        case, tuple(end_s), tuple(took_s), tuple(findings), tuple(alerts), *_truth(case, simulator)
    )


def _played(case: Case, simulator: TreatmentSimulator) -> Iterator[Readout]:
    yield from simulator.noise_readouts()
    while not simulator.is_finished:
        readout = simulator.next_readout(sonicating=simulator.wants_heat)
        if readout.frame < case.from_frame:
            yield readout
        elif case.fault != "lost frame" or readout.frame > case.from_frame:
            yield replace(readout, message=_struck(case, readout.message))


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


def _power(log: TruthLog) -> PowerLog:
    """Return what the device would have said: that it was off at first, then each change."""
    return PowerLog(np.array([-1e9, *log.power_time_s]), np.array([0.0, *log.power_w]))


def _truth(
    case: Case, simulator: TreatmentSimulator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    sequence, log = case.treatment.sequence, simulator.truth
    dx = sequence.columns_mm[None, :] - case.target_mm[0]
    dy = sequence.rows_mm[:, None] - case.target_mm[1]
    near = np.hypot(dx, dy) < 15.0  # all the heat, wherever it is
    region_c = np.array([one[near].max() for one in log.temperature_bandlimited_c], np.float64)
    return (
        np.array(log.frame_time_s),
        region_c,
        np.array(log.sample_time_s),
        np.array(log.peak_c),
    )
