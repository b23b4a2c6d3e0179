"""Where the target will be when the beam reacts: error and coverage on real traces of the liver."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import _path  # noqa: F401 - the repository first
import numpy as np
from _moving_picture import data_folder
from _table import MeasurementError, Table, Target
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from motion import PREDICTORS
from realtime.clock import MonotonicClock

Real = NDArray[np.float64]

NOISE_MM, BURN_IN_S = 0.3, 30.0
MOST_MM = {0.25: 0.8, 0.5: 1.4}  # by horizon in s
LEAST_COVER, MOST_COVER = 0.87, 0.93
JUDGED, JUDGED_HZ = "rls", 8.0
BREATH_S, IRREGULAR = 4.0, 0.3  # a breath's depth, and how far from the median is irregular
SI = 0


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """One predictor on one trace, after burn-in.

    error_mm: (frame, axis), of the true position; covers_true, covers_seen: (frame, axis), the
    interval and the true position, and one measured with the same noise. is_irregular: (frame,),
    the breath just gone was unlike the others.
    """

    trace: str
    error_mm: Real
    covers_true: NDArray[np.bool_]
    covers_seen: NDArray[np.bool_]
    is_irregular: NDArray[np.bool_]
    is_trusted: NDArray[np.bool_]
    step_us: Real

    @property
    def rmse_mm(self) -> Real:
        """Root mean square error, (axis,)."""
        return np.asarray(np.sqrt(np.mean(self.error_mm**2, axis=0)))


def traces() -> dict[str, CubicSpline]:
    """Return the motion (SI, AP) in mm of each trace, as a smooth function of time."""
    found = {}
    for path in sorted((data_folder() / "traces").glob("liver_*.txt")):
        table = np.loadtxt(path)
        found[path.stem.removeprefix("liver_")] = CubicSpline(table[:, 0], table[:, 2:4])
    if not found:
        raise MeasurementError(f"no traces in {data_folder() / 'traces'}; set MRMONITOR_DATA")
    return found


def followed(
    name: str, trace: str, path: CubicSpline, *, rate_hz: float, horizon_s: float, seconds: float
) -> Followed:
    """Return what a predictor made of a trace sampled with noise."""
    times = np.arange(0.0, min(seconds, float(path.x[-1]) - horizon_s), 1 / rate_hz)
    rng = np.random.default_rng([round(rate_hz), round(1000 * horizon_s), *trace.encode()])
    seen = path(times) + NOISE_MM * rng.standard_normal((len(times), 2))
    predictor, clock = PREDICTORS[name](), MonotonicClock()
    state, said, took = predictor.start(), [], []
    for time_s, position in zip(times.tolist(), seen.tolist(), strict=True):
        begun_ns = clock.now_ns()
        state, one = predictor.step(
            state, time_s=time_s, position_mm=tuple(position), horizon_s=horizon_s
        )
        took.append(clock.now_ns() - begun_ns)
        if one is None:
            raise MeasurementError(f"{name}: no prediction of {trace} at {time_s} s")
        said.append(one)
    kept = times >= BURN_IN_S
    true = path(times + horizon_s)
    noisy = true + NOISE_MM * rng.standard_normal(true.shape)
    low, high = (np.array([getattr(one, end) for one in said]) for end in ("low_mm", "high_mm"))
    return Followed(
        trace,
        (true - np.array([one.position_mm for one in said]))[kept],
        ((true >= low) & (true <= high))[kept],
        ((noisy >= low) & (noisy <= high))[kept],
        _irregular(path, times)[kept],
        np.array([one.is_trusted for one in said])[kept],
        1e-3 * np.array(took)[kept],
    )


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised, and the figures of all predictors."""
    paths = traces()
    chosen = dict(itertools.islice(paths.items(), 2)) if quick else paths
    rates, seconds = ((JUDGED_HZ,), 60.0) if quick else ((4.0, JUDGED_HZ), np.inf)
    names = ("hold", JUDGED) if quick else tuple(sorted(PREDICTORS))
    cases = {
        (rate_hz, horizon_s, name): [
            followed(name, trace, path, rate_hz=rate_hz, horizon_s=horizon_s, seconds=seconds)
            for trace, path in chosen.items()
        ]
        for rate_hz, horizon_s, name in itertools.product(rates, MOST_MM, names)
    }
    return _targets(cases), _table(cases, n_traces=len(chosen))


Cases = dict[tuple[float, float, str], list[Followed]]


def _targets(cases: Cases) -> tuple[Target, ...]:
    targets = []
    for horizon_s, most_mm in MOST_MM.items():
        judged, held = cases[JUDGED_HZ, horizon_s, JUDGED], cases[JUDGED_HZ, horizon_s, "hold"]
        rmse_mm, hold_mm = _si_mm(judged), _si_mm(held)
        targets.append(
            Target(
                f"prediction {1000 * horizon_s:.0f} ms ahead: RMSE ≤ {most_mm} mm",
                f"{rmse_mm:.2f} mm; hold {hold_mm:.2f} mm, ratio {rmse_mm / hold_mm:.2f}",
                rmse_mm <= most_mm,
            )
        )
        cover = _share(judged, "covers_seen")
        each = [one.covers_seen.mean() for one in judged]
        targets.append(
            Target(
                f"intervals {1000 * horizon_s:.0f} ms ahead cover 90 ± 3 %",
                f"{cover:.1%} of the measured positions to come, by trace {min(each):.1%} to "
                f"{max(each):.1%}; {_share(judged, 'covers_true'):.1%} of the true ones",
                LEAST_COVER <= cover <= MOST_COVER,
            )
        )
    return tuple(targets)


def _table(cases: Cases, *, n_traces: int) -> Table:
    rows = [
        (
            f"{rate_hz:.0f} Hz",
            f"{1000 * horizon_s:.0f} ms",
            name,
            f"{_si_mm(parts):.2f}",
            f"{np.mean([one.rmse_mm[1 - SI] for one in parts]):.2f}",
            f"{_si_mm(parts) / _si_mm(cases[rate_hz, horizon_s, 'hold']):.2f}",
            f"{_share(parts, 'covers_seen'):.1%}",
            f"{_share(parts, 'covers_true'):.1%}",
            f"{_after_irregular(parts):.1%}",
            f"{_share(parts, 'is_trusted'):.1%}",
            f"{float(np.median(np.concatenate([one.step_us for one in parts]))):.0f} µs",
        )
        for (rate_hz, horizon_s, name), parts in cases.items()
    ]
    judged = [
        f"{1000 * horizon_s:.0f} ms: " + ", ".join(_one(one) for one in parts)
        for (rate_hz, horizon_s, name), parts in cases.items()
        if (rate_hz, name) == (JUDGED_HZ, JUDGED)
    ]
    return Table(
        f"Prediction on {n_traces} real liver traces, {NOISE_MM} mm of noise",
        (
            "samples", "ahead", "predictor", "RMSE SI mm", "RMSE AP mm", "of hold",
            "covers measured", "covers true", "measured, after irregular", "trusted", "median step",
        ),
        tuple(rows),
        "RMSE against the true position, mean over the traces, one of them a breath-hold; the "
        "first 30 s are not counted. Intervals are calibrated on what can be seen, a measured "
        "position with its own noise: they cover the true one more often. Irregular: the depth of "
        f"the last {BREATH_S:.0f} s was off the trace's median by {IRREGULAR:.0%}. {JUDGED}, "
        f"{JUDGED_HZ:.0f} Hz, by trace (RMSE SI, coverage of measured SI and AP): "
        + "; ".join(judged) + ".",
    )  # fmt: skip


def _one(one: Followed) -> str:
    return f"{one.trace} {one.rmse_mm[SI]:.2f} mm {one.covers_seen.mean():.0%}"


def _si_mm(parts: Sequence[Followed]) -> float:
    return float(np.mean([one.rmse_mm[SI] for one in parts]))


def _share(parts: Sequence[Followed], field: str) -> float:
    return float(np.mean([getattr(one, field).mean() for one in parts]))


def _after_irregular(parts: Sequence[Followed]) -> float:
    """Return the coverage of measured positions after breaths unlike the others."""
    return float(np.concatenate([one.covers_seen[one.is_irregular] for one in parts]).mean())


def _irregular(path: CubicSpline, times: Real) -> NDArray[np.bool_]:
    """Return whether the depth of the breath before each time was far from the trace's median."""
    back_s = np.linspace(-BREATH_S, 0.0, 41)
    depth_mm = np.ptp(path(np.maximum(times[:, None] + back_s, 0.0))[..., SI], axis=1)
    return np.asarray(np.abs(depth_mm / np.median(depth_mm) - 1) > IRREGULAR)
