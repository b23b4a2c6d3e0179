"""Dose between slow frames: along the model's course against the trapezoid rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from _heat_held_out import N_HEATINGS, drawn
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
AFTER_S = 30.0  # of frames, when the power has ended
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


@cache
def courses(set_: str) -> tuple[Course, ...]:
    """Return the heatings of a set: those that the model was developed on, or held out."""
    if set_ == "held out":
        return tuple(drawn(index) for index in range(N_HEATINGS))
    return tuple(happened(index) for index in range(len(HEATINGS)))


class Covered(Protocol):
    """A result that has voxels."""

    @property
    def covered_px(self) -> float:
        """The share of voxels whose interval held the truth."""
        ...


def forecaster(tissue_name: str) -> Forecaster:
    """Return the monitor's model, of a tissue of the table."""
    target = np.zeros((1, N_PX, N_PX), np.bool_)
    target[0, 10:17, 10:17] = True
    found = Forecaster.around(
        {"focus": target},
        voxel_mm=(SLICE_MM, PIXEL_MM, PIXEL_MM),
        tissue=tissue(tissue_name),
        body_c=BODY_C,
    )
    if found is None:
        raise ValueError("the target has no pixel")
    return found


def play(
    treatment: Seen, *, tissue_name: str, frame_s: float, exposure: float
) -> tuple[list[Forecast | None], ThermalDose, ThermalDose]:
    """Return each frame's forecast, and the last dose by the model and by trapezoids."""
    model, trapezoids = forecaster(tissue_name), start_dose((1, N_PX, N_PX))
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
        until_s=course.off_s + AFTER_S,
        is_cartesian=is_cartesian,
    )
    _, model, trapezoid = play(
        treatment,
        tissue_name=course.tissue,
        frame_s=frame_s,
        exposure=EXPOSURE if is_cartesian else 1.0,
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


@dataclass(frozen=True, slots=True)
class Setting:
    """What a row of the table is of. exposure: how a frame looks at the heat."""

    set_: str
    frame_s: float
    exposure: str

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"{self.set_}, {self.frame_s:g} s, {self.exposure}"


def settings(*, quick: bool) -> list[Setting]:
    """Return the rows of the table."""
    if quick:
        return [Setting("development", FRAMES_S[-1], "line by line")]
    rows = [Setting("development", frame_s, "line by line") for frame_s in FRAMES_S]
    return rows + [
        Setting("held out", frame_s, exposure)
        for exposure in ("line by line", "mean")
        for frame_s in FRAMES_S
    ]


def treated(setting: Setting, *, quick: bool) -> list[Result]:
    """Return the treatments of a row."""
    heatings = courses(setting.set_)
    n = 2 if quick or setting.exposure == "mean" else max(N_TREATMENTS // len(heatings), 3)
    return [
        _treat(
            course,
            index,
            frame_s=setting.frame_s,
            seed=seed,
            is_cartesian=setting.exposure == "line by line",
        )
        for seed in range(n)
        for index, course in enumerate(heatings)
    ]


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the promises of dose between frames, and what stands behind them."""
    targets: list[Target] = []
    rows = []
    for setting in settings(quick=quick):
        results = treated(setting, quick=quick)
        rows.append(_row(setting, results))
        if setting.exposure == "line by line":
            targets += _targets(setting, results)
    return tuple(targets), Table(
        "Dose of the hottest voxel between slow frames",
        (
            "heatings, frame, exposure", "treatments", "spread, model", "spread, trapezoid",
            "ratio", "bias, model", "bias, trapezoid", "peak covered", "voxels covered",
            "its spread",
        ),
        tuple(rows),
        NOTE,
    )  # fmt: skip


def _row(setting: Setting, results: list[Result]) -> tuple[str, ...]:
    ours, theirs = spread(results, "model"), spread(results, "trapezoid")
    bias = [float(np.mean([getattr(one, n) for one in results])) for n in ("model", "trapezoid")]
    covered, error = coverage(results)
    return (
        setting.name,
        str(len(results)),
        f"{ours:.3f}",
        f"{theirs:.3f}",
        f"{ours / theirs:.2f}",
        f"{100 * math.expm1(bias[0]):+.0f} %",
        f"{100 * math.expm1(bias[1]):+.0f} %",
        f"{100 * float(np.mean([one.covered for one in results])):.0f} %",
        f"{100 * covered:.1f} %",
        f"± {100 * error:.1f} %",
    )


def coverage(results: Sequence[Covered]) -> tuple[float, float]:
    """Return the share of voxels covered and its standard error, treatments being the units."""
    shares = np.array([one.covered_px for one in results])
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(shares.size))


def _targets(setting: Setting, results: list[Result]) -> list[Target]:
    ours, theirs = spread(results, "model"), spread(results, "trapezoid")
    covered, error = coverage(results)
    peaks = float(np.mean([one.covered for one in results]))
    name = f"dose at {setting.frame_s:g} s frames, {setting.set_}"
    return [
        Target(
            f"{name}: spread at most half of the trapezoid rule's",
            f"{ours:.3f} of {theirs:.3f} ({ours / theirs:.2f})",
            ours <= 0.5 * theirs,
        ),
        Target(
            f"{name}: intervals cover 95 ± 3 %",
            f"{100 * covered:.1f} ± {100 * error:.1f} % of voxels, {100 * peaks:.0f} % of peaks",
            0.92 <= covered <= 0.98,
        ),
    ]


NOTE = (
    "Spread: standard deviation of ln(dose / truth) over the phase of sampling and noise "
    f"(σ {STD_C:g} °C, ten baselines), heatings apart. Development: five sources that are sums of "
    "displaced Gaussians, in tissue of their own, the monitor told of brain. Held out: "
    f"{N_HEATINGS} heatings drawn by lot that nobody tuned on (skewed, two lobes, cone with its "
    "near field, flat top; off-centre; 8 to 40 s, also in pulses; muscle, liver, brain whose "
    "perfusion changes while they warm), the monitor told the tissue's name. Line by line: each "
    "line of k-space takes the heat of its moment; mean: a frame is the mean over its duration. "
    f"Voxels: of {LEAST_DOSE_MIN:g} CEM43 or more; its spread: the standard error over treatments."
)
