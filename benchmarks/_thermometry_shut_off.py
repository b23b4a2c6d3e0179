"""After the power's end: the final dose, foreseen while the tissue is still hot."""

import math
from dataclasses import dataclass

import numpy as np
from _heat_bound import known_course, known_shape
from _heat_held_out import N_HEATINGS
from _heat_truth import BODY_C, Course, seen
from _table import Table, Target
from _thermometry_dose import (
    EXPOSURE,
    FRAMES_S,
    LEAST_DOSE_MIN,
    STD_C,
    Setting,
    courses,
    coverage,
    play,
)

N_TREATMENTS = 36
FRAMES_LATER = (0, 1, 2)
NEAR = 0.1


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The forecast of one frame at the truly hottest voxel: ln(dose / truth), peak error.

    bounds: the least deviation of ln(dose) that data up to that frame allow, the shape known and
    not known.
    """

    later: int
    log_ratio: float
    peak_error_c: float
    covered: bool
    covered_px: float
    is_trusted: bool
    bounds: tuple[float, float]


def _treat(course: Course, heating: int, *, setting: Setting, seed: int) -> list[Foreseen]:
    frame_s = setting.frame_s
    is_cartesian = setting.exposure == "line by line"
    rng = np.random.default_rng([seed, heating, int(10 * frame_s), 1])
    treatment = seen(
        course,
        frame_s=frame_s,
        std_c=STD_C,
        rng=rng,
        until_s=course.off_s + (max(FRAMES_LATER) + 1.5) * frame_s,
        is_cartesian=is_cartesian,
    )
    forecasts, _, _ = play(
        treatment,
        tissue_name=course.tissue,
        frame_s=frame_s,
        exposure=EXPOSURE if is_cartesian else 1.0,
    )
    truth = course.dose()
    hot = np.unravel_index(truth.argmax(), truth.shape)
    # the first frame that ends with the power off: what it says is what the operator is told
    ends_s = np.array([one.time_s + frame_s / 2 for one in treatment.maps])
    first = int(np.flatnonzero(ends_s >= course.off_s)[0])
    found = []
    for later in FRAMES_LATER:
        if first + later >= len(forecasts):
            break
        forecast = forecasts[first + later]
        if forecast is None:
            continue
        low, high = forecast.final_low_cem43_min[0], forecast.final_high_cem43_min[0]
        holds = (low <= truth) & (truth <= high)
        until_s = treatment.maps[first + later].time_s
        found.append(
            Foreseen(
                later,
                math.log(forecast.final_cem43_min[0][hot] / truth[hot]),
                float(forecast.peak_c[0][hot]) - BODY_C - float(course.rise_c[:, *hot].max()),
                bool(holds[hot]),
                float(holds[truth >= LEAST_DOSE_MIN].mean()),
                forecast.is_trusted,
                (
                    known_shape(course, treatment, until_s=until_s),
                    known_course(course, treatment, until_s=until_s),
                ),
            )
        )
    return found


def settings(*, quick: bool) -> list[Setting]:
    """Return the kinds of treatment in the table."""
    if quick:
        return [Setting("development", FRAMES_S[0], "line by line")]
    kinds = [("development", "line by line"), ("held out", "line by line"), ("held out", "mean")]
    return [Setting(set_, frame_s, how) for set_, how in kinds for frame_s in FRAMES_S]


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the promises of the forecast, and what stands behind them."""
    rows, targets = [], []
    for setting in settings(quick=quick):
        heatings = courses(setting.set_)
        n_seeds = 1 if quick else N_TREATMENTS // len(heatings)
        if setting.exposure == "mean":
            n_seeds = 2
        found = [
            one
            for seed in range(n_seeds)
            for index, course in enumerate(heatings)
            for one in _treat(course, index, setting=setting, seed=seed)
        ]
        for later in FRAMES_LATER:
            some = [one for one in found if one.later == later]
            rows.append(_row(setting, later, some))
            if later == FRAMES_LATER[0] and setting.exposure == "line by line":
                targets += _targets(setting, some)
    return tuple(targets), Table(
        "Final dose of the hottest voxel, foreseen after the power's end",
        (
            "heatings, frame, exposure", "frames after", "treatments", "mean ratio", "median",
            "spread of ln", "bound, shape known", "bound, voxel alone", "within 10 %",
            "peak between frames", "peak covered", "voxels covered", "its spread", "trusted",
        ),
        tuple(rows),
        NOTE,
    )  # fmt: skip


def _row(setting: Setting, later: int, some: list[Foreseen]) -> tuple[str, ...]:
    errors = np.array([one.log_ratio for one in some])
    peaks = np.array([one.peak_error_c for one in some])
    shape, alone = np.sqrt(np.mean(np.array([one.bounds for one in some]) ** 2, axis=0))
    covered, error = coverage(some)
    return (
        setting.name,
        str(later + 1),
        str(len(some)),
        f"{100 * (_mean_ratio(some) - 1):+.0f} %",
        f"{100 * math.expm1(float(np.median(errors))):+.0f} %",
        f"{float(errors.std(ddof=1)):.3f}",
        f"{shape:.3f}",
        f"{alone:.3f}",
        f"{100 * float(np.mean(np.abs(np.expm1(errors)) <= NEAR)):.0f} %",
        f"{float(peaks.mean()):+.2f} ± {float(peaks.std()):.2f} °C",
        f"{100 * float(np.mean([one.covered for one in some])):.0f} %",
        f"{100 * covered:.1f} %",
        f"± {100 * error:.1f} %",
        f"{100 * float(np.mean([one.is_trusted for one in some])):.0f} %",
    )


def _mean_ratio(some: list[Foreseen]) -> float:
    return float(np.mean(np.exp([one.log_ratio for one in some])))


def _targets(setting: Setting, some: list[Foreseen]) -> list[Target]:
    errors = np.array([one.log_ratio for one in some])
    within = float(np.mean(np.abs(np.expm1(errors)) <= NEAR))
    ratio = _mean_ratio(some)
    least = math.sqrt(float(np.mean([one.bounds[0] ** 2 for one in some])))
    allowed = math.erf(math.log1p(NEAR) / (math.sqrt(2) * least))
    covered, error = coverage(some)
    name = f"after shut-off at {setting.frame_s:g} s frames, {setting.set_}"
    return [
        Target(
            f"{name}: final dose within 10 % on the mean",
            f"{100 * (ratio - 1):+.1f} %, spread of ln {float(errors.std(ddof=1)):.2f}",
            abs(ratio - 1) <= NEAR,
        ),
        Target(
            f"{name}: single treatments within 10 %",
            f"{100 * within:.0f} %; noise allows {100 * allowed:.0f} % were the shape known",
            None,
        ),
        Target(
            f"{name}: intervals cover 95 ± 3 %",
            f"{100 * covered:.1f} ± {100 * error:.1f} % of voxels",
            0.92 <= covered <= 0.98,
        ),
    ]


NOTE = (
    "The first frame whose last line comes after the power's end, and those that follow. Sources, "
    f"tissues, exposure and noise as for the dose between frames; σ {STD_C:g} °C, {N_HEATINGS} "
    "heatings held out. Bounds (Cramér and Rao): the least spread of ln(dose) of any method that "
    "has nothing to find but the strength of the heating; shape known: where the power goes, the "
    "tissue and the course of time are given, which no monitor has; voxel alone: the course of "
    "time is given, the shape is not. Trusted: the frames agree with the model, limits may rest on "
    "it. A spread of 0.05 would put 95 % of treatments within 10 %."
)
