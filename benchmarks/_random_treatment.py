"""Random heatings for the benchmark of alerts, some of which go wrong, seen through the monitor."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _struck_treatment import Case, power_of, readouts
from _treatment import Monitor
from numpy.typing import NDArray

from messages import Acquisition, Finding, Maps
from realtime.alerts.life_cycle import AlertBook, step
from realtime.clock import MonotonicClock
from realtime.protocol import Protocol, parse_protocol
from realtime.streams.mrd_decoder import Decoder
from simulators.drift import Drift
from simulators.mrd import header_message
from simulators.phantom import Ellipse
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment

LIMIT_C = 60.0
FAULTS = (
    "wrong sign", "lost frame", "patient moves", "table moves", "frequency jumps", "focus is off",
    "no heat", "heat goes elsewhere", "boiling", "signal void", "near field builds up",
)  # fmt: skip
_FAULTY = 0.25  # of the treatments
_N_BASELINE, _N_COOLING = 4, 2
_MATRIX, _N_COILS = 48, 4
_SMALL_MATRIX, _SMALL_N_COILS = 32, 2
_FOV_MM = 84.0
_BESIDE_MM, _NEAR_MM = 14.0, 5.5  # from the focus: across the beam, along it
_FOCUS_RADII_MM, _BESIDE_RADIUS_MM, _MARGIN_MM = (8.75, 7.0), 3.5, 10.5
_SIGMA = 2.0
_PROTOCOL = Path(__file__).with_name("alerts.toml")

# a limb or a breast rather than a head: whole in a small image
_BODY = (
    Ellipse(0.8, (0, 0), (37, 36)),
    Ellipse(0.15 + 0.05j, (-14, -16), (9, 6), 20),
    Ellipse(-0.3, (17, -14), (5, 7)),
    Ellipse(-0.25, (-20, 13), (4, 6), -30),
    Ellipse(0.2, (14, 20), (8, 4)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the monitor said of a case, frame by frame, and the truth.

    end_s: scanner time of each verdict: the frame's last readout. took_s: what it took to compute.
    findings: of each frame. alerts: events of the living alerts after it.
    upper_c: the hottest upper bound of the target's pixels.
    region_c: the band-limited truth's hottest pixel in the target at each frame's k-space centre.
    """

    case: Case
    end_s: tuple[float, ...]
    took_s: tuple[float, ...]
    findings: tuple[tuple[Finding, ...], ...]
    alerts: tuple[frozenset[str], ...]
    upper_c: tuple[float, ...]
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
    rng = np.random.default_rng([20261123, seed])
    n_heated, n_cold = int(rng.integers(5, 11)), int(rng.integers(0, 3))
    fault = str(rng.choice(FAULTS)) if rng.random() < _FAULTY else ""
    treatment = _treatment(rng, seed, n_heated=n_heated, n_cold=n_cold, n_px=_MATRIX)
    target = treatment.focus_mm
    off = rng.uniform(-0.4, 0.4, 2)  # what aiming leaves
    from_frame = treatment.n_baseline_frames + int(rng.integers(1, n_heated))
    if fault == "wrong sign":
        treatment = replace(treatment, phase_sign=-1)
    elif fault == "no heat":
        treatment = replace(treatment, planned_peak_c=treatment.body_c + 0.2)
    elif fault == "focus is off":
        off = 5.0 * np.array([math.cos(seed), math.sin(seed)])
    elif fault == "heat goes elsewhere":
        from_frame = treatment.n_baseline_frames + n_heated // 2
    elif fault == "near field builds up":
        # heated, a pause of about as long, heated again
        peak_c = min(treatment.planned_peak_c, 56.0)
        n_frames = treatment.n_baseline_frames + 3 * max(n_heated, 8)
        treatment = replace(treatment, planned_peak_c=peak_c, n_frames=n_frames)
    focus = (target[0] + float(off[0]), target[1] + float(off[1]))
    return Case(replace(treatment, focus_mm=focus), target, fault, from_frame)


def draw_good(seed: int) -> Case:
    """Return a random treatment of a small image in which nothing goes wrong."""
    rng = np.random.default_rng([20261124, seed])
    n_heated, n_cold = int(rng.integers(5, 8)), int(rng.integers(0, 3))
    treatment = _treatment(rng, seed, n_heated=n_heated, n_cold=n_cold, n_px=_SMALL_MATRIX)
    off = rng.uniform(-0.4, 0.4, 2)
    target = treatment.focus_mm
    cool = replace(
        treatment,
        planned_peak_c=float(rng.uniform(45.0, LIMIT_C - 0.2)),
        focus_mm=(target[0] + float(off[0]), target[1] + float(off[1])),
    )
    return Case(cool, target, "", _N_BASELINE)


def _treatment(
    rng: np.random.Generator, seed: int, *, n_heated: int, n_cold: int, n_px: int
) -> Treatment:
    """Return a heating after a baseline and some frames without power."""
    frame_time_s = float(rng.uniform(1.0, 3.5))
    slopes = rng.uniform(-0.05, 0.05, 2)
    return Treatment(
        sequence=GradientEcho(
            matrix=(n_px, n_px),
            fov_mm=(_FOV_MM, _FOV_MM),
            repetition_time_s=frame_time_s / n_px,
            time_stamp_unit="us",
        ),
        anatomy=_BODY,
        n_coils=_N_COILS if n_px == _MATRIX else _SMALL_N_COILS,
        snr=float(rng.uniform(15, 60)),
        n_frames=_N_BASELINE + n_cold + n_heated + _N_COOLING,
        n_baseline_frames=_N_BASELINE + n_cold,
        focus_mm=(float(rng.uniform(-8, 8)), float(rng.uniform(-8, 8))),
        planned_heating_s=n_heated * frame_time_s - 0.5 * frame_time_s * float(rng.random()),
        planned_peak_c=float(rng.uniform(45, 75)),
        power_w=float(rng.uniform(10, 60)),
        drift=Drift(float(rng.uniform(-0.1, 0.1)), (float(slopes[0]), float(slopes[1]))),
        seed=seed,
    )


def protocol_of(case: Case) -> Protocol:
    """Return the benchmark's protocol with its regions where the case has them."""
    sequence = case.treatment.sequence
    n_px = sequence.matrix[0]
    pixel_mm = _FOV_MM / n_px
    x, y = (at_mm / pixel_mm + n_px // 2 for at_mm in case.target_mm)
    beside = f"{y}, {x + _BESIDE_MM / pixel_mm}"
    changes = {
        "max_gap_s = 99.0": f"max_gap_s = {1.5 * sequence.frame_time_s}",
        # a sonication shorter than that would never be judged
        "within_s = 10.0": f"within_s = {min(10.0, 0.6 * case.treatment.planned_heating_s)}",
        "[5.0, 4.0]": f"[{_FOCUS_RADII_MM[0] / pixel_mm}, {_FOCUS_RADII_MM[1] / pixel_mm}]",
        "[2.0, 2.0]": f"[{_BESIDE_RADIUS_MM / pixel_mm}, {_BESIDE_RADIUS_MM / pixel_mm}]",
        "heated_margin_px = 6.0": f"heated_margin_px = {_MARGIN_MM / pixel_mm}",
    }
    if case.fault == "near field builds up":
        # on the beam's way, and only what is left over from before may tell
        beside = f"{y + _NEAR_MM / pixel_mm}, {x}"
        rule = 'rule = "near-field"\n'
        changes[rule] = f"{rule}warn_above_c = 90.0\nhold_above_c = 91.0\n"
    text = _PROTOCOL.read_text(encoding="utf-8")
    for old, new in {**changes, "0.01, 0.01": f"{y}, {x}", "0.02, 0.02": beside}.items():
        text = text.replace(old, new)
    return parse_protocol(text)


def see(case: Case) -> Seen:
    """Play the case and fold every frame; the heating follows its plan, whatever is said."""
    protocol, simulator = protocol_of(case), TreatmentSimulator(case.treatment)
    monitor, decoder = Monitor(protocol, simulator.header()), Decoder()
    decoder.feed(header_message(simulator.header()))
    book, clock = AlertBook(), MonotonicClock()
    end_s, took_s, upper_c = [], [], []
    findings: list[tuple[Finding, ...]] = []
    alerts: list[frozenset[str]] = []
    for readout in readouts(case, simulator):
        decoder.feed(readout.message)
        for event in decoder.events():
            if not isinstance(event, Acquisition):
                continue
            monitor.power = power_of(case, simulator.truth, now_s=readout.t_s)
            begun_ns = clock.now_ns()
            maps = monitor.take(event)
            if not maps:
                continue
            took_s.append((clock.now_ns() - begun_ns) / 1e9)
            end_s.append(readout.t_s)
            upper_c.append(_upper_c(case, maps[0]))
            verdict = monitor.verdicts[-1]
            said = verdict.findings
            book, _ = step(
                book, verdict.frame_id, said, protocol_hash=protocol.hash, stream=(0, 0, 0, 0)
            )
            findings.append(said)
            alerts.append(frozenset(one.event for one in book.living))
    return Seen(
        case, tuple(end_s), tuple(took_s), tuple(findings), tuple(alerts), tuple(upper_c),
        *_truth(case, simulator),
    )  # fmt: skip


def _upper_c(case: Case, maps: Maps) -> float:
    """Return the hottest upper bound in the target: what would stop with `stop_by` so."""
    sequence = case.treatment.sequence
    across = (sequence.columns_mm[None, :] - case.target_mm[0]) / _FOCUS_RADII_MM[1]
    along = (sequence.rows_mm[:, None] - case.target_mm[1]) / _FOCUS_RADII_MM[0]
    inside = maps.valid[0] & (across**2 + along**2 <= 1.0)
    bounds_c = (maps.temperature_c + _SIGMA * maps.temperature_std_c)[0][inside]
    return float(bounds_c.max()) if bounds_c.size else -math.inf


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
