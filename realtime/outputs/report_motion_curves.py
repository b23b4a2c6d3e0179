"""The report's curves of motion: where the target was and was to be, gate, permit and beam."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from realtime.outputs import report_style as style
from realtime.outputs.report_axes import joined, legend_above
from realtime.outputs.report_motion_errors import since_reference, truth_shift_s
from realtime.outputs.report_motion_series import Direction, MotionSeries
from realtime.outputs.report_motion_truth import MotionTruth

Real = NDArray[np.float64]

TRACKED = "#c2410c"
OTHER_SLICE = "#7c3aed"
PREDICTED = "#1d4ed8"
GATE = "#0f766e"
BEAM = "#b45309"
UNSURE = "#94a3b8"
_NAMES = ("predicted, at beam effect", "its interval", "gate: centre ± margin", "doubted")
_STATES = ("gate open", "permit granted", "beam on")


def draw_motion(
    axes: Axes,
    series: MotionSeries,
    seen: list[Direction],
    *,
    margin_mm: float | None,
    truth: MotionTruth | None = None,
) -> None:
    """Draw one direction of the patient as every slice that shows it has seen it.

    margin_mm: of the gate, None where the protocol is not known.
    """
    for index, direction in enumerate(seen):
        names = ("tracked", *_NAMES) if len(seen) == 1 else (f"slice {direction.slice}", *_NAMES)
        labels = names if index == 0 else (names[0], *[None] * len(_NAMES))
        colour = TRACKED if index == 0 else OTHER_SLICE
        _draw_direction(axes, series, direction, labels, colour, margin_mm=margin_mm)
    if truth is not None:
        _draw_truth(axes, series, seen[0], truth)
    shade_training(axes, series)
    axes.set_ylabel(f"{seen[0].name} (mm, + {seen[0].towards})")
    set_time(axes, series)
    legend_above(axes)


def _draw_direction(
    axes: Axes, series: MotionSeries, direction: Direction, labels: tuple[str | None, ...],
    colour: str, *, margin_mm: float | None,
) -> None:  # fmt: skip
    rows = series.slice == direction.slice
    place = direction.sign * series.displacement_mm[rows, direction.axis]
    at, doubted = series.at[rows], ~series.is_tracked[rows]
    center = direction.sign * series.gate_center_mm[rows, direction.axis]
    if margin_mm is not None and np.isfinite(center).any():
        axes.fill_between(
            at, center - margin_mm, center + margin_mm, color=GATE, alpha=0.10, lw=0,
            label=labels[3],
        )  # fmt: skip
    effect_at = series.effect_at[rows]
    if np.isfinite(effect_at).any():
        sides = series.low_mm, series.high_mm
        low, high = (direction.sign * one[rows, direction.axis] for one in sides)
        predicted = direction.sign * series.predicted_mm[rows, direction.axis]
        axes.fill_between(effect_at, low, high, color=PREDICTED, alpha=0.22, lw=0, label=labels[2])
        axes.plot(effect_at, predicted, color=PREDICTED, lw=0.9, label=labels[1])
    believed = np.where(doubted, np.nan, place)
    size = 2.2 if at.size < 400 else 0.0
    axes.plot(at, believed, color=colour, lw=1.3, marker="o", ms=size, label=labels[0])
    if (doubted & np.isfinite(place)).any():
        where = doubted & np.isfinite(place)
        axes.plot(at[where], place[where], "x", color=style.HELD, ms=5, label=labels[4])


def _draw_truth(axes: Axes, series: MotionSeries, direction: Direction, truth: MotionTruth) -> None:
    along = {"LR": 0, "AP": 1, "SI": 2}.get(direction.name)
    shift_s = truth_shift_s(truth, series)
    if along is None or shift_s is None or not series.has_clock:
        return
    truth = since_reference(truth, series)
    at = truth.path_time_s + shift_s - origin_s(series)
    inside = (at >= series.at[0]) & (at <= series.at[-1])
    axes.plot(
        at[inside], truth.path_lps_mm[inside, along], color=style.TRUTH, lw=0.8, label="truth",
        zorder=5,
    )  # fmt: skip


def origin_s(series: MotionSeries) -> float:
    """Return the scanner time of the axis's zero."""
    return float(np.nanmin(series.time_s))


def draw_states(
    axes: Axes, series: MotionSeries, beam_spans: list[tuple[float, float]] | None
) -> None:
    """Draw when the gate was open, the permit granted and the beam on, one bar below the other.

    beam_spans: on the axis, as the accelerator reported; None: as the frames knew it.
    """
    known = np.isfinite(series.beam).any() or beam_spans is not None
    beam = _spans(series, series.beam == 1) if beam_spans is None else beam_spans
    bars = (
        (_spans(series, series.is_gate_open), GATE),
        (_spans(series, series.is_granted), PREDICTED),
        (joined(sorted(beam)), BEAM),
    )
    whole = (float(series.at[0]), float(series.at[-1] + series.lasts[-1]))
    for place, (spans, colour) in enumerate(bars):
        y = len(bars) - 1 - place
        axes.broken_barh([(whole[0], whole[1] - whole[0])], (y - 0.34, 0.68), color=style.GRID)
        axes.broken_barh([(a, b - a) for a, b in spans], (y - 0.34, 0.68), color=colour)
    if not known:
        axes.text(
            sum(whole) / 2, 0, "not reported", ha="center", va="center", fontsize=8,
            color=style.QUIET,
        )  # fmt: skip
    axes.set_yticks(range(len(bars)), reversed(_STATES))
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    set_time(axes, series)


def draw_outside(axes: Axes, series: MotionSeries, *, limit_percent: float | None) -> None:
    """Draw how much of the target lay outside the boundary, now and as it was predicted."""
    axes.plot(
        series.effect_at if series.has_clock else series.at, series.predicted_outside_percent,
        color=PREDICTED, lw=0.9, label="predicted, at beam effect",
    )  # fmt: skip
    axes.plot(series.at, series.outside_percent, color=TRACKED, lw=1.3, label="now")
    if limit_percent is not None:
        axes.axhline(limit_percent, color=style.HELD, lw=1.0, ls="--", label="limit")
    shade_training(axes, series)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("target outside (%)")
    set_time(axes, series)
    legend_above(axes)


def draw_probability(axes: Axes, series: MotionSeries, *, limit_percent: float | None) -> None:
    """Draw how probable it was that too much would be outside when the beam reacts."""
    axes.plot(series.at, 100 * series.probability, color=PREDICTED, lw=1.1, label="probability")
    if limit_percent is not None:
        axes.axhline(limit_percent, color=style.HELD, lw=1.0, ls="--", label="limit")
    shade_training(axes, series)
    axes.set_ylim(-3, 103)
    axes.set_ylabel("too much outside (%)")
    set_time(axes, series)
    legend_above(axes)


def draw_similarity(axes: Axes, series: MotionSeries) -> None:
    """Draw the correlation with the reference, its running threshold, and what was doubted."""
    for number in np.unique(series.slice):
        rows = series.slice == number
        first = number == series.slice.min()
        at, limit = series.at[rows], series.similarity_limit[rows]
        axes.plot(
            at, series.similarity[rows], color=TRACKED, lw=1.1,
            label="similarity" if first else None,
        )  # fmt: skip
        axes.plot(
            at, limit, color=style.HELD, lw=1.0, ls="--", label="threshold" if first else None
        )
    doubted = series.is_followed & ~series.is_tracked & np.isfinite(series.similarity)
    if doubted.any():
        axes.plot(
            series.at[doubted], series.similarity[doubted], "x", color=style.HELD, ms=5,
            label="not believed",
        )  # fmt: skip
    shade_training(axes, series)
    axes.set_ylabel("similarity")
    set_time(axes, series)
    legend_above(axes)


def draw_area(axes: Axes, series: MotionSeries) -> None:
    """Draw the target's area against the first one that was believed."""
    for number in np.unique(series.slice):
        rows = (series.slice == number) & series.is_tracked & np.isfinite(series.area_mm2)
        if rows.any():
            area_mm2 = series.area_mm2[rows]
            axes.plot(series.at[rows], 100 * area_mm2 / area_mm2[0], lw=1.1, color=TRACKED)
    shade_training(axes, series)
    axes.set_ylabel("target's area (% of first)")
    set_time(axes, series)


def shade_training(axes: Axes, series: MotionSeries) -> None:
    """Shade the frames of the training phase."""
    for index, (start, stop) in enumerate(_spans(series, ~series.is_treating)):
        label = "training" if index == 0 else None
        axes.axvspan(start, stop, color=UNSURE, alpha=0.16, lw=0, label=label)


def set_time(axes: Axes, series: MotionSeries) -> None:
    """Name the axis and show all of the run."""
    axes.set_xlabel(series.label)
    stop = float(series.at[-1] + series.lasts[-1])
    axes.set_xlim(float(series.at[0]), max(stop, float(series.at[0]) + 1e-3))
    if not series.has_clock:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _spans(series: MotionSeries, flags: NDArray[np.bool_]) -> list[tuple[float, float]]:
    stops = np.append(series.at[1:], series.at[-1] + series.lasts[-1])
    spans = zip(series.at[flags].tolist(), stops[flags].tolist(), strict=True)
    return joined(list(spans))
