"""The figures of a linac's run, put together."""

from typing import Any

from matplotlib.figure import Figure

from realtime.outputs import report_cine as cine
from realtime.outputs import report_dose_curves as doses
from realtime.outputs import report_motion_curves as curves
from realtime.outputs import report_style as style
from realtime.outputs.report_beams import beam_spans_s
from realtime.outputs.report_motion_series import (
    Direction,
    MotionSeries,
    directions,
    motion_series,
)
from realtime.outputs.report_record import RunRecord


def overview(run: RunRecord) -> Figure:
    """Draw the target's pictures above, its first direction, gate and beam and the dose below."""
    series = _series(run)
    slices = cine.target_slices(run, series)
    heights = [*(_row_in(run, series, number) for number in slices), 3.1]
    figure = style.new_figure(style.WIDTH_IN, sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for number, part in zip(slices, parts, strict=False):
        _draw_row(part, run, series, number)
    found = doses.structures(run)
    widths = (1.75, 1.0) if found else (1.0,)
    left, *right = parts[-1].subfigures(1, len(widths), width_ratios=widths, squeeze=False)[0]
    top, bars = left.subplots(2, 1, height_ratios=(3.2, 1.0), sharex=True)
    first = _by_name(run, series)[0]
    curves.draw_motion(top, series, first, margin_mm=_margin_mm(run), truth=run.motion_truth)
    top.set_title("Target")
    top.set_xlabel("")
    curves.draw_states(bars, series, _beam_spans(run, series))
    if found:
        axes = right[0].subplots()
        doses.draw_dose(axes, series, found[0], figures=doses.TARGET_FIGURES)
    return figure


def motion(run: RunRecord) -> Figure:
    """Draw each direction of the patient that was seen, and the gate, permit and beam below."""
    series = _series(run)
    seen = _by_name(run, series)
    heights = [2.2] * len(seen) + [1.05]
    figure = style.new_figure(style.WIDTH_IN, sum(heights))
    panels = figure.subplots(len(heights), 1, height_ratios=heights, sharex=True)
    for axes, some in zip(panels[:-1], seen, strict=True):
        curves.draw_motion(axes, series, some, margin_mm=_margin_mm(run), truth=run.motion_truth)
        axes.set_xlabel("")
        axes.set_title(some[0].name)
    curves.draw_states(panels[-1], series, _beam_spans(run, series))
    return figure


def gate(run: RunRecord) -> Figure:
    """Draw how much was outside, now and foreseen, and how probable it was to be too much."""
    series = _series(run)
    settings = None if run.protocol is None else run.protocol.motion
    figure = style.new_figure(style.WIDTH_IN, 4.0)
    above, below = figure.subplots(2, 1, sharex=True)
    limit = None if settings is None else settings.max_outside_percent
    curves.draw_outside(above, series, limit_percent=limit)
    above.set_xlabel("")
    above.set_title("Target outside the boundary")
    limit = None if settings is None else settings.max_outside_probability_percent
    curves.draw_probability(below, series, limit_percent=limit)
    below.set_title("Probability that too much is outside when the beam reacts")
    return figure


def tracking(run: RunRecord) -> Figure:
    """Draw how like the reference each image was, and the target's area."""
    series = _series(run)
    figure = style.new_figure(style.WIDTH_IN, 2.5)
    left, right = figure.subplots(1, 2, width_ratios=(1.75, 1.0))
    curves.draw_similarity(left, series)
    left.set_title("Similarity to the reference")
    curves.draw_area(right, series)
    right.set_title("Area")
    return figure


def dose(run: RunRecord) -> Figure:
    """Draw the dose of each structure against time."""
    series, found = _series(run), doses.structures(run)
    n_rows = (len(found) + 1) // 2
    figure = style.new_figure(style.WIDTH_IN, 2.5 * n_rows)
    panels = figure.subplots(n_rows, 2, squeeze=False).ravel()
    for axes, one in zip(panels, found, strict=False):
        is_target = one.role == "target"
        figures = doses.TARGET_FIGURES if is_target else doses.ORGAN_FIGURES
        doses.draw_dose(axes, series, one, figures=figures)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    return figure


def _row_in(run: RunRecord, series: MotionSeries, number: int) -> float:
    """Return how high a row of pictures is: square ones side by side, and their titles."""
    return style.WIDTH_IN / max(len(_row(run, series, number)) + _has_dose(run, number), 3) + 0.5


def _row(run: RunRecord, series: MotionSeries, number: int) -> list[cine.Picture]:
    return [] if run.maps is None else cine.chosen_pictures(run, run.maps, series, number)


def _has_dose(run: RunRecord, number: int) -> bool:
    return run.maps is not None and cine.has_dose(run.maps, number)


def _draw_row(part: Any, run: RunRecord, series: MotionSeries, number: int) -> None:  # noqa: ANN401
    maps, pictures = run.maps, _row(run, series, number)
    if maps is None:
        return
    window, is_dosed = cine.window_of(maps, number), _has_dose(run, number)
    n_places = max(len(pictures) + is_dosed, 3)
    places = part.subplots(1, n_places)
    for axes in places:
        axes.set_visible(False)
    for axes, picture in zip(places, pictures, strict=False):
        axes.set_visible(True)
        cine.draw_picture(axes, run, maps, series, picture, window)
    if is_dosed:
        places[-1].set_visible(True)
        shown = cine.draw_delivered(places[-1], run, maps, number, window)
        part.colorbar(shown, ax=places[-1], shrink=0.8, pad=0.02).set_label("Gy")


def _series(run: RunRecord) -> MotionSeries:
    series = motion_series(run)
    if series is None:
        raise ValueError("a run without a frame has no motion to draw")
    return series


def _by_name(run: RunRecord, series: MotionSeries) -> list[list[Direction]]:
    found: dict[str, list[Direction]] = {}
    for one in directions(run, series):
        found.setdefault(one.name, []).append(one)
    return list(found.values())


def _margin_mm(run: RunRecord) -> float | None:
    settings = None if run.protocol is None else run.protocol.motion
    return None if settings is None else settings.gate_margin_mm


def _beam_spans(run: RunRecord, series: MotionSeries) -> list[tuple[float, float]] | None:
    if run.beams is None or not run.beams.is_known or not series.has_clock:
        return None
    origin_s = curves.origin_s(series)
    return [(start - origin_s, stop - origin_s) for start, stop in beam_spans_s(run.beams)]
