"""Dose between slow frames: along the model's course against the trapezoid rule."""

import math
from dataclasses import dataclass

import numpy as np
from _heat_truth import (
    BODY_C,
    HEATINGS,
    N_PX,
    PIXEL_MM,
    SLICE_MM,
    Course,
    Seen,
    happened,
    seen,
)
from _table import Table, Target

from messages import Forecast, PowerLog, ThermalDose
from thermometry import Forecaster, accumulate_dose, start_dose
from thermometry.heat.tissue import tissue

FRAMES_S = (3.4, 5.9, 8.0)
STD_C = 0.5
UNTIL_S = 50.0
EXPOSURE = 0.35  # of a Cartesian frame's duration
LEAST_DOSE_MIN = 5.0
N_TREATMENTS = 45


@dataclass(frozen=True, slots=True)
class Result:
    """One treatment: logarithms of dose over truth at the truly hottest voxel, and coverage.

    covered: of that voxel; covered_px: share of all voxels of LEAST_DOSE_MIN or more.
    """

    heating: int
    model: float
    trapezoid: float
    covered: bool
    covered_px: float


def forecaster() -> Forecaster:
    """Return the monitor's model: brain of the table, whatever the truth is."""
    target = np.zeros((1, N_PX, N_PX), np.bool_)
    target[0, 10:17, 10:17] = True
    found = Forecaster.around(
        {"focus": target},
        voxel_mm=(SLICE_MM, PIXEL_MM, PIXEL_MM),
        tissue=tissue("brain"),
        body_c=BODY_C,
    )
    if found is None:
        raise ValueError("the target has no pixel")
    return found


def play(
    treatment: Seen, *, frame_s: float, exposure: float
) -> tuple[list[Forecast | None], ThermalDose, ThermalDose]:
    """Return each frame's forecast, and the last dose by the model and by trapezoids."""
    model, trapezoids = forecaster(), start_dose((1, N_PX, N_PX))
    state = model.start()
    forecasts = []
    for one in treatment.maps:
        now_s = one.time_s + frame_s / 2
        known = treatment.power.time_s <= now_s
        state, forecast = model.step(
            state,
            one,
            PowerLog(treatment.power.time_s[known], treatment.power.watts[known]),
            exposure_s=exposure * frame_s,
            now_s=now_s,
        )
        forecasts.append(forecast)
        trapezoids, dose = accumulate_dose(trapezoids, one)
    return forecasts, model.dose(state, dose), dose


def _treat(
    course: Course, heating: int, *, frame_s: float, seed: int, is_cartesian: bool
) -> Result:
    rng = np.random.default_rng([seed, heating, int(10 * frame_s)])
    treatment = seen(
        course,
        frame_s=frame_s,
        std_c=STD_C,
        rng=rng,
        until_s=UNTIL_S,
        is_cartesian=is_cartesian,
    )
    _, model, trapezoid = play(
        treatment, frame_s=frame_s, exposure=EXPOSURE if is_cartesian else 1.0
    )
    truth = course.dose(treatment.maps[-1].time_s)
    hot = np.unravel_index(truth.argmax(), truth.shape)
    holds = (model.cem43_low_min[0] <= truth) & (truth <= model.cem43_high_min[0])
    return Result(
        heating,
        math.log(model.cem43_min[0][hot] / truth[hot]),
        math.log(max(float(trapezoid.cem43_min[0][hot]), 1e-6) / truth[hot]),
        bool(holds[hot]),
        float(holds[truth >= LEAST_DOSE_MIN].mean()),
    )


def spread(results: list[Result], name: str) -> float:
    """Return the deviation over sampling phase and noise, heatings apart."""
    values = [
        np.var([getattr(one, name) for one in results if one.heating == heating], ddof=1)
        for heating in {one.heating for one in results}
    ]
    return float(np.sqrt(np.mean(values)))


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the promises of dose between frames, and what stands behind them."""
    n_treatments = 2 * len(HEATINGS) if quick else N_TREATMENTS
    frames = FRAMES_S[-1:] if quick else FRAMES_S
    targets: list[Target] = []
    rows = []
    for frame_s, is_cartesian in [*((one, True) for one in frames), (frames[-1], False)]:
        n_here = n_treatments if is_cartesian else max(n_treatments // 3, 2 * len(HEATINGS))
        results = [
            _treat(
                happened(n % len(HEATINGS)),
                n % len(HEATINGS),
                frame_s=frame_s,
                seed=n,
                is_cartesian=is_cartesian,
            )
            for n in range(n_here)
        ]
        ours, theirs = spread(results, "model"), spread(results, "trapezoid")
        covered = float(np.mean([one.covered for one in results]))
        covered_px = float(np.mean([one.covered_px for one in results]))
        bias = [
            float(np.mean([getattr(one, n) for one in results])) for n in ("model", "trapezoid")
        ]
        rows.append(
            (
                f"{frame_s:g} s, {'Cartesian' if is_cartesian else 'radial'}",
                str(n_here),
                f"{ours:.3f}",
                f"{theirs:.3f}",
                f"{ours / theirs:.2f}",
                f"{100 * math.expm1(bias[0]):+.0f} %",
                f"{100 * math.expm1(bias[1]):+.0f} %",
                f"{100 * covered:.0f} %",
                f"{100 * covered_px:.0f} %",
            )
        )
        if is_cartesian:
            targets += [
                Target(
                    f"dose at {frame_s:g} s frames: spread at most half of the trapezoid rule's",
                    f"{ours:.3f} of {theirs:.3f} ({ours / theirs:.2f})",
                    ours <= 0.5 * theirs,
                ),
                Target(
                    f"dose at {frame_s:g} s frames: intervals cover 95 ± 3 %",
                    f"{100 * covered_px:.1f} % of voxels, {100 * covered:.0f} % of peaks",
                    0.92 <= covered_px <= 0.98,
                ),
            ]
    return tuple(targets), Table(
        "Dose of the hottest voxel between slow frames",
        (
            "frame", "treatments", "spread, model", "spread, trapezoid", "ratio",
            "bias, model", "bias, trapezoid", "peak covered", "voxels covered",
        ),
        tuple(rows),
        "Spread: standard deviation of ln(dose / truth) over the phase of sampling and noise "
        f"(σ {STD_C:g} °C, ten baselines), heatings apart. Truth: five sources that are sums of "
        "displaced Gaussians (flat top, two lobes, cone, four spots, spike on a halo), each in "
        "tissue of its own, averaged over voxels; Cartesian frames take each line of k-space from "
        "the heat of its moment, radial ones the mean over the frame. "
        f"Voxels: of {LEAST_DOSE_MIN:g} CEM43 or more.",
    )  # fmt: skip
