"""What the gate lets through when the beam reacts late, on real traces."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import _path  # noqa: F401 - the repository first
import numpy as np
from _gating_metrics import Gated, beam, calibration_percent, reliability
from _gating_prediction import traces
from _table import Table, Target
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from messages import Displacement, FrameKey, Prediction
from motion import PREDICTORS
from motion.gating import Gate, GatePlan, decision_horizon_s, make_gate, outside_percent
from realtime.clock import MonotonicClock

Real = NDArray[np.float64]
Flags = NDArray[np.bool_]

RATE_HZ, TRUTH_HZ, NOISE_MM = 8.0, 100.0, 0.3
BURN_IN_S, WINDOW_MM, PREDICTOR = 30.0, 3.0, "rls"
LATENCIES_S = (0.25, 0.5)
MOST_SHARE = 0.5  # of what the beam hits outside without prediction
MEASURED_BEFORE = {0.25: (12.9, 6.1), 0.5: (22.9, 9.2)}
RADIUS_MM, PIXELS, MOST_OUTSIDE_PERCENT = 15.0, 96, 5.0
LIMITS = (0.5, 0.2)  # on the probability
N_NOISES = 4
WINDOWS = {"SI": np.array([1.0, 0.0]), "in-plane": np.array([1.0, 1.0])}
"""Which axes (y, x) count: the reference's window is one of SI, the gate's own one of the area."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One trace at one latency, after the burn-in.

    decided_s: of the images. now_mm: distance of the measured place from end-exhale.
    probability: that the window is left in the middle of the time for which the decision stands;
        has_left: whether it was.
    time_s, distance_mm: of the truth.
    """

    decided_s: Real
    now_mm: Real
    probability: Real
    has_left: Flags
    time_s: Real
    distance_mm: Real
    step_ms: Real


def target_mask() -> Flags:
    y, x = np.mgrid[:PIXELS, :PIXELS] - 0.5 * (PIXELS - 1)
    return np.asarray(np.hypot(y, x) <= RADIUS_MM)


def window_margin_mm() -> float:
    """Return the margin at which the gate's own share is reached by a displacement of the window.

    So that ±3 mm means the same for the gate by area and for the truth by place.
    """
    mask = target_mask()
    low_mm, high_mm = 0.0, WINDOW_MM
    for _ in range(20):
        margin_mm = 0.5 * (low_mm + high_mm)
        gate = make_gate(GatePlan(mask, (1.0, 1.0), margin_mm, MOST_OUTSIDE_PERCENT))
        share = outside_percent(gate.exit_line, gate.target, (WINDOW_MM, 0.0))
        low_mm, high_mm = (
            (margin_mm, high_mm) if share > MOST_OUTSIDE_PERCENT else (low_mm, margin_mm)
        )
    return margin_mm


def followed(
    place: CubicSpline,
    gate: Gate,
    *,
    latency_s: float,
    seed: int,
    rate_hz: float = RATE_HZ,
    noise_mm: float = NOISE_MM,
) -> dict[str, Course]:
    """Return what the gate said of one trace by each window; the places have noise."""
    rng = np.random.default_rng(seed)
    first_s, last_s = float(place.x[0]), float(place.x[-1])
    images_s = np.arange(first_s, last_s - latency_s - 0.5 / rate_hz, 1.0 / rate_hz)
    seen_mm = -place(images_s)  # rows y: SI downwards in the image; x: AP
    seen_mm = seen_mm + noise_mm * rng.standard_normal(seen_mm.shape)
    predictor = PREDICTORS[PREDICTOR]()
    predicting = predictor.start()
    horizon_s = decision_horizon_s(latency_s, interval_s=1.0 / rate_hz)
    predictions = []
    for now_s, seen in zip(images_s.tolist(), seen_mm.tolist(), strict=True):
        predicting, prediction = predictor.step(
            predicting, time_s=now_s, position_mm=tuple(seen), horizon_s=horizon_s
        )
        predictions.append(prediction)
    used = images_s >= first_s + BURN_IN_S
    time_s = np.arange(first_s + BURN_IN_S + latency_s, last_s, 1.0 / TRUTH_HZ)
    courses = {}
    for window, axes in WINDOWS.items():
        probability, center, step_ms = _judged(gate, images_s, seen_mm * axes, predictions, axes)

        def off_mm(place_mm: Real, axes: Real = axes, center: Real = center) -> Real:
            return np.asarray(np.hypot(*((place_mm - center) * axes).T))

        courses[window] = Course(
            images_s[used],
            off_mm(seen_mm[used]),
            probability[used],
            off_mm(-place(images_s[used] + horizon_s)) > WINDOW_MM,
            time_s,
            off_mm(-place(time_s)),
            step_ms,
        )
    return courses


def _judged(
    gate: Gate, images_s: Real, seen_mm: Real, predictions: list[Prediction | None], axes: Real
) -> tuple[Real, Real, Real]:
    """Return the gate's probability at each image, its centre (y, x), and what a step took, ms."""
    clock, mask = MonotonicClock(), target_mask()
    state, probability, step_ms = gate.start(), [], []
    for now_s, seen, prediction in zip(
        images_s.tolist(), seen_mm.tolist(), predictions, strict=True
    ):
        place = (seen[0], seen[1])
        displacement = Displacement(0, FrameKey(), now_s, place, mask, 707.0, 3535.0, 0.95)
        along = None if prediction is None else _along(prediction, axes)
        began_ns = clock.now_ns()
        state, reading = gate.step(state, displacement, along)
        step_ms.append((clock.now_ns() - began_ns) / 1e6)
        probability.append(reading.probability)
    return np.array(probability), np.array(reading.center_mm), np.array(step_ms)


def _along(prediction: Prediction, axes: Real) -> Prediction:
    """Return a prediction on the axes that a window counts; on the others nothing moves."""

    def kept(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple((np.array(values) * axes).tolist())

    return replace(
        prediction,
        position_mm=kept(prediction.position_mm),
        low_mm=kept(prediction.low_mm),
        high_mm=kept(prediction.high_mm),
        std_mm=kept(prediction.std_mm),
    )


def gated(courses: list[Course], decide: Callable[[Course], Flags], *, latency_s: float) -> Gated:
    """Return what the beam did over all traces under a rule."""
    parts = [
        (
            beam(one.time_s, one.decided_s, decide(one), latency_s=latency_s),
            one.distance_mm > WINDOW_MM,
            one.distance_mm,
        )
        for one in courses
    ]
    is_on, is_outside, distance_mm = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Gated(is_on, is_outside, distance_mm)


def at_duty(courses: list[Course], duty_percent: float, *, latency_s: float) -> tuple[float, Gated]:
    """Return the limit on the probability that gives this duty over all traces, and the result."""
    low, high = 0.0, 1.0
    for _ in range(12):
        limit = 0.5 * (low + high)
        found = gated(courses, _below(limit), latency_s=latency_s)
        low, high = (low, limit) if found.duty_percent > duty_percent else (limit, high)
    return limit, found


def left_out(courses: list[Course], *, n_traces: int, latency_s: float) -> Gated:
    """Return the result where each trace has the limit that suits the others at their duty."""
    parts = []
    for left in range(n_traces):
        others = [one for number, one in enumerate(courses) if number % n_traces != left]
        late = gated(others, _inside_now, latency_s=latency_s)
        limit, _ = at_duty(others, late.duty_percent, latency_s=latency_s)
        parts.append(gated(courses[left::n_traces], _below(limit), latency_s=latency_s))
    return Gated(
        np.concatenate([one.is_on for one in parts]),
        np.concatenate([one.is_outside for one in parts]),
        np.concatenate([one.distance_mm for one in parts]),
    )


def by_noise(courses: list[Course], *, n_traces: int, latency_s: float) -> list[float]:
    """Return for each noise how much of the beam on outside is left at equal duty."""
    shares = []
    for first in range(0, len(courses), n_traces):
        seen = courses[first : first + n_traces]
        late = gated(seen, _inside_now, latency_s=latency_s)
        _, equal = at_duty(seen, late.duty_percent, latency_s=latency_s)
        shares.append(equal.outside_percent / late.outside_percent)
    return shares


def _inside_now(one: Course) -> Flags:
    return one.now_mm <= WINDOW_MM


def _below(limit: float) -> Callable[[Course], Flags]:
    return lambda one: one.probability < limit


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised, and the figures by window, rule and latency."""
    places = traces()
    if quick:
        places = dict(list(places.items())[:1])
    margin_mm = window_margin_mm()
    plan = GatePlan(
        target_mask(),
        (1.0, 1.0),
        margin_mm,
        MOST_OUTSIDE_PERCENT,
        gate_center="end-exhale",
        learn_places=int(BURN_IN_S * RATE_HZ) - 8,
        cranial=(-1.0, 0.0),
    )
    gate = make_gate(plan)
    targets: list[Target] = []
    rows: list[tuple[str, ...]] = []
    for latency_s in LATENCIES_S[:1] if quick else LATENCIES_S:
        seen = [
            followed(place, gate, latency_s=latency_s, seed=1000 * repeat + number)
            for repeat in range(1 if quick else N_NOISES)
            for number, place in enumerate(places.values())
        ]
        for window in WINDOWS:
            courses = [one[window] for one in seen]
            rows += _rows(courses, latency_s, window, targets, n_traces=len(places))
    return tuple(targets), _table(rows, names=tuple(places), margin_mm=margin_mm)


def _rows(
    courses: list[Course],
    latency_s: float,
    window: str,
    targets: list[Target],
    *,
    n_traces: int,
) -> list[tuple[str, ...]]:
    late = gated(courses, _inside_now, latency_s=latency_s)
    limit, equal = at_duty(courses, late.duty_percent, latency_s=latency_s)
    probability = np.concatenate([one.probability for one in courses])
    has_left = np.concatenate([one.has_left for one in courses])
    error = calibration_percent(probability, has_left)
    each = by_noise(courses, n_traces=n_traces, latency_s=latency_s)
    before, after = MEASURED_BEFORE[latency_s]
    targets.append(
        Target(
            f"gate, 8 Hz, {1e3 * latency_s:.0f} ms, window {window}: beam on outside at most half "
            f"of that without prediction at equal duty (along SI {before} → {after} % were "
            "measured on 51 traces)",
            f"{late.outside_percent:.1f} → {equal.outside_percent:.1f} %, "
            f"{equal.outside_percent / late.outside_percent:.3f} of it ({min(each):.2f} to "
            f"{max(each):.2f} by noise), at duty {late.duty_percent:.1f} and "
            f"{equal.duty_percent:.1f} %",
            equal.outside_percent <= MOST_SHARE * late.outside_percent,
        )
    )
    told = "; ".join(
        f"{100 * mean:.0f}:{100 * share:.0f}"
        for mean, share, _ in reliability(probability, has_left, np.linspace(0.0, 1.0, 6))
    )
    name = (f"{1e3 * latency_s:.0f} ms", window)
    step_ms = f"{np.median(np.concatenate([one.step_ms for one in courses])):.2f}"
    rows = [
        (*name, "none: inside now", *_figures(late), "", ""),
        (*name, f"P < {100 * limit:.0f} %: equal duty", *_figures(equal), "", ""),
    ]
    if n_traces > 1:
        held_out = left_out(courses, n_traces=n_traces, latency_s=latency_s)
        rows.append((*name, "P < limit of the other traces", *_figures(held_out), "", ""))
    for most in LIMITS:
        found = gated(courses, _below(most), latency_s=latency_s)
        said = (f"{error:.1f} % ({told})", step_ms) if most == LIMITS[0] else ("", "")
        rows.append((*name, f"P < {100 * most:.0f} %", *_figures(found), *said))
    return rows


def _figures(found: Gated) -> tuple[str, ...]:
    return (
        f"{found.duty_percent:.1f} %",
        f"{found.outside_percent:.1f} %",
        f"{found.accuracy_percent:.1f} %",
        f"{found.p95_mm:.1f} mm",
    )


def _table(rows: list[tuple[str, ...]], *, names: tuple[str, ...], margin_mm: float) -> Table:
    return Table(
        f"The gate on {len(names)} real liver traces, {RATE_HZ:g} Hz images, {NOISE_MM} mm noise, "
        f"±{WINDOW_MM:g} mm about end-exhale, {PREDICTOR}, truth at {TRUTH_HZ:g} Hz",
        (
            "latency", "window", "gate", "duty", "beam on outside", "accuracy", "p95 distance",
            "calibration error (predicted : happened, %)", "gate ms, median",
        ),
        tuple(rows),
        f"The window is one of the target's area: a disc of {RADIUS_MM:g} mm leaves the margin of "
        f"{margin_mm:.2f} mm with {MOST_OUTSIDE_PERCENT:g} % of its area where it is displaced by "
        f"{WINDOW_MM:g} mm. End-exhale is learned by the gate in the first {BURN_IN_S:g} s, which "
        "are not judged. A decision acts one latency after its image's centre and stands until the "
        "next. Equal duty: the limit on the probability is set so that the beam is on as long over "
        "all traces as without prediction; the limit of the other traces leaves out the trace that "
        "is judged. The predictor's constants were chosen on these traces and on made ones. Beam "
        "on outside is of the time with the beam on, accuracy of all time, the distance with the "
        "beam on. The calibration error is that of P(outside) in the middle of the time for which "
        "a decision stands, over ten bins. SI counts that axis alone, as "
        "the figures measured before did; AP is predicted with it in both.",
    )  # fmt: skip
