"""After the power's end: the final dose, foreseen while the tissue is still hot."""

import math
from dataclasses import dataclass

import numpy as np
from _heat_truth import BODY_C, HEATINGS, happened, seen
from _table import Table, Target
from _thermometry_dose import EXPOSURE, FRAMES_S, LEAST_DOSE_MIN, STD_C, play

N_TREATMENTS = 60
FRAMES_LATER = (0, 1, 2)
NEAR = 0.1


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The forecast of one frame at the truly hottest voxel: ln(dose / truth), peak error."""

    later: int
    log_ratio: float
    peak_error_c: float
    covered: bool
    covered_px: float


def _treat(heating: int, *, frame_s: float, seed: int) -> list[Foreseen]:
    course = happened(heating)
    rng = np.random.default_rng([seed, heating, int(10 * frame_s), 1])
    treatment = seen(
        course,
        frame_s=frame_s,
        std_c=STD_C,
        rng=rng,
        until_s=course.heating.on_s + (max(FRAMES_LATER) + 1.5) * frame_s,
    )
    forecasts, _, _ = play(treatment, frame_s=frame_s, exposure=EXPOSURE)
    truth = course.dose()
    hot = np.unravel_index(truth.argmax(), truth.shape)
    # the first frame that ends with the power off: what it says is what the operator is told
    ends_s = np.array([one.time_s + frame_s / 2 for one in treatment.maps])
    first = int(np.flatnonzero(ends_s >= course.heating.on_s)[0])
    found = []
    for later in FRAMES_LATER:
        if first + later >= len(forecasts):
            break
        forecast = forecasts[first + later]
        if forecast is None:
            continue
        low, high = forecast.final_low_cem43_min[0], forecast.final_high_cem43_min[0]
        holds = (low <= truth) & (truth <= high)
        found.append(
            Foreseen(
                later,
                math.log(forecast.final_cem43_min[0][hot] / truth[hot]),
                float(forecast.peak_c[0][hot]) - BODY_C - float(course.rise_c[:, *hot].max()),
                bool(holds[hot]),
                float(holds[truth >= LEAST_DOSE_MIN].mean()),
            )
        )
    return found


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the promises of the forecast, and what stands behind them."""
    n_treatments = len(HEATINGS) if quick else N_TREATMENTS
    rows, targets = [], []
    for frame_s in FRAMES_S[:1] if quick else FRAMES_S:
        found = [
            one
            for n in range(n_treatments)
            for one in _treat(n % len(HEATINGS), frame_s=frame_s, seed=n)
        ]
        for later in FRAMES_LATER:
            some = [one for one in found if one.later == later]
            errors = np.array([one.log_ratio for one in some])
            covered_px = float(np.mean([one.covered_px for one in some]))
            median = float(np.median(errors))
            peaks = np.array([one.peak_error_c for one in some])
            rows.append(
                (
                    f"{frame_s:g} s",
                    str(later + 1),
                    f"{100 * math.expm1(median):+.0f} %",
                    f"{100 * float(np.median(np.abs(np.expm1(errors)))):.0f} %",
                    f"{float(errors.std()):.3f}",
                    f"{float(peaks.mean()):+.2f} ± {float(peaks.std()):.2f} °C",
                    f"{100 * float(np.mean([one.covered for one in some])):.0f} %",
                    f"{100 * covered_px:.0f} %",
                )
            )
            if later == FRAMES_LATER[0]:
                targets += [
                    Target(
                        f"after shut-off at {frame_s:g} s frames: final dose within 10 % (median)",
                        f"{100 * math.expm1(median):+.1f} %; single treatments "
                        f"{100 * float(np.median(np.abs(np.expm1(errors)))):.0f} % (median error)",
                        abs(math.expm1(median)) <= NEAR,
                    ),
                    Target(
                        f"after shut-off at {frame_s:g} s frames: intervals cover 95 ± 3 %",
                        f"{100 * covered_px:.1f} % of voxels",
                        0.92 <= covered_px <= 0.98,
                    ),
                ]
    return tuple(targets), Table(
        "Final dose of the hottest voxel, foreseen after the power's end",
        (
            "frame", "frames after", "median error", "median size of the error", "spread of ln",
            "peak between frames", "peak covered", "voxels covered",
        ),
        tuple(rows),
        "The first frame whose last line comes after the power's end, and those that follow. "
        f"Sources, tissues and noise as for the dose between frames; σ {STD_C:g} °C. Noise of "
        "0.14 °C alone is 10 % of dose: a single treatment is known as well as its interval says.",
    )  # fmt: skip
