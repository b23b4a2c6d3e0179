"""The report's curves: temperature and dose against time, latency against frames."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from realtime.alerts.limits import DoseLimit, DoseReached, TemperatureMax
from realtime.outputs import report_style as style
from realtime.outputs.report_axes import TimeAxis, joined, legend_above, set_x_axis, time_axis
from realtime.outputs.report_numbers import StageTimes, stage_times
from realtime.outputs.report_pictures import regions_of
from realtime.outputs.report_record import ReadingRow, RunRecord

Real = NDArray[np.float64]

_SIGMAS = 2.0


def draw_temperature(
    axes: Axes, run: RunRecord, *, regions: list[str], legend: bool = True
) -> None:
    """Draw each region's hottest pixel with ±2σ; with one region its mean and limits too."""
    axis = time_axis(run)
    colours = style.region_colours(regions_of(run))
    _shade_holds(axes, run, axis)
    for name in regions:
        rows = _rows(run, name, axis)
        if not rows:
            continue
        x = np.array([axis.at[row.frame_id] for row in rows])
        most_c = np.array([row.temperature_max_c for row in rows])
        band_c = _SIGMAS * np.array([row.temperature_std_c for row in rows])
        colour, called = colours[name], "" if len(regions) == 1 else f"{name} "
        axes.fill_between(x, most_c - band_c, most_c + band_c, color=colour, alpha=0.2, lw=0)
        axes.plot(x, most_c, color=colour, lw=1.8, marker="o", ms=2.6, label=f"{called}max ±2σ")
        mean_c = np.array([row.temperature_mean_c for row in rows])
        axes.plot(x, mean_c, color=colour, lw=1.0, ls=(0, (4, 2)), label=f"{called}mean")
    _draw_true_peak(axes, run, axis, regions)
    _draw_temperature_limits(axes, run, regions, colours)
    _mark_bad_frames(axes, run, axis)
    set_x_axis(axes, axis)
    axes.set_ylabel("temperature (°C)")
    if legend:
        legend_above(axes)


def _draw_true_peak(axes: Axes, run: RunRecord, axis: TimeAxis, regions: list[str]) -> None:
    truth, shift_s = run.truth, axis.truth_shift_s
    if truth is None or shift_s is None or not truth.peak_c.size or not _has_target(run, regions):
        return
    x = truth.sample_time_s + shift_s
    axes.plot(x, truth.peak_c, color=style.TRUTH, lw=0.9, label="truth at the focus")


def draw_dose_curves(axes: Axes, run: RunRecord, *, regions: list[str]) -> None:
    """Draw the most dosed pixel of each region with its 95 % interval, logarithmically."""
    axis = time_axis(run)
    colours = style.region_colours(regions_of(run))
    intervals = dose_intervals(run, regions)
    for index, name in enumerate(regions):
        rows = [row for row in _rows(run, name, axis) if row.dose_max_cem43_min > 0]
        if not rows:
            continue
        x = np.array([axis.at[row.frame_id] for row in rows])
        dose = np.array([row.dose_max_cem43_min for row in rows])
        # regions that share their most dosed pixel share its curve: the later lie thinner on top
        width = max(1.4, 3.6 - 1.2 * index)
        axes.plot(x, dose, color=colours[name], lw=width, label=name)
        if name in intervals:
            frames, low, high = intervals[name]
            at = np.array([axis.at.get(int(frame), np.nan) for frame in frames])
            axes.fill_between(at, np.maximum(low, 1e-3), high, color=colours[name], alpha=0.2, lw=0)
    for name, value, text in _dose_limits(run, regions):
        axes.axhline(value, color=colours.get(name, style.QUIET), lw=1.0, ls="--")
        axes.annotate(
            text, (0.0, value), xycoords=("axes fraction", "data"), xytext=(3, 2),
            textcoords="offset points", fontsize=7, color=colours.get(name, style.QUIET),
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(0.1, max(10.0, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(style.plain_numbers())
    set_x_axis(axes, axis)
    axes.set_ylabel("dose (CEM43 min)")
    legend_above(axes)


def dose_intervals(run: RunRecord, regions: list[str]) -> dict[str, tuple[Real, Real, Real]]:
    """Return frames, low and high side of the dose in each region's most dosed pixel."""
    maps = run.maps
    if maps is None or not maps.has_interval:
        return {}
    found: dict[str, list[tuple[float, float, float]]] = {}
    for row in range(maps.n_rows):
        dose = np.nan_to_num(maps.read("dose_cem43_min", row), nan=-1.0)
        low, high = maps.read("dose_low_cem43_min", row), maps.read("dose_high_cem43_min", row)
        masks = run.masks_at(row)
        for name in regions:
            if name not in masks:
                continue
            at = np.unravel_index(np.argmax(np.where(masks[name], dose, -1.0)), dose.shape)
            if dose[at] > 0:
                one = (float(maps.frame[row]), float(low[at]), float(high[at]))
                found.setdefault(name, []).append(one)
    return {name: tuple(np.array(rows).T) for name, rows in found.items()}


def draw_ages(axes: Axes, run: RunRecord) -> None:
    """Draw each frame's age against the deadline."""
    computed = [row for row in run.verdicts if row.outcome == "COMPUTED"]
    other = [row for row in run.verdicts if row.outcome != "COMPUTED"]
    axes.plot(
        [row.frame_id for row in computed], [row.age_ms for row in computed],
        "o", ms=3.2, color="#1d4ed8", label="computed",
    )  # fmt: skip
    if other:
        axes.plot(
            [row.frame_id for row in other], [row.age_ms for row in other],
            "x", ms=6, color=style.HELD, label="late or failed",
        )  # fmt: skip
    if run.start is not None:
        deadline_ms = run.start.frame_deadline_ms
        axes.axhline(deadline_ms, color=style.HELD, lw=1.0, ls="--", label="deadline")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(style.plain_numbers())
    axes.yaxis.set_minor_formatter("")
    frames = {row.frame_id: float(row.frame_id) for row in run.verdicts}
    set_x_axis(axes, TimeAxis(frames, "frame", None))
    axes.set_ylabel("age (ms)")
    axes.set_title("Last readout received to verdict published")
    axes.legend(loc="best", ncols=3)


def draw_stages(axes: Axes, run: RunRecord) -> None:
    """Draw the median and the 99th percentile of each stage."""
    table: list[StageTimes] = [row for row in stage_times(run) if row.stage != "age"]
    names = [row.stage.replace("_", " ") for row in table]
    places = np.arange(len(table))
    if any(row.n > 1 for row in table):  # a single frame has no percentiles
        axes.barh(places, [row.ms[1] for row in table], color="#bfdbfe", label="p99")
    axes.barh(places, [row.ms[0] for row in table], height=0.45, color="#1d4ed8", label="median")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("ms")
    axes.set_title("Stages")
    if table:
        axes.legend(loc="lower right")


def draw_valid_share(axes: Axes, run: RunRecord) -> None:
    """Draw how much of each region was believed, frame by frame."""
    axis = time_axis(run)
    colours = style.region_colours(regions_of(run))
    for name, _ in regions_of(run):
        rows = [row for row in run.readings if row.region == name and row.frame_id in axis.at]
        x = [axis.at[row.frame_id] for row in rows]
        y = [100 * row.n_valid / max(row.n_pixels, 1) for row in rows]
        axes.plot(x, y, color=colours[name], lw=1.6, label=name)
    axes.set_ylim(-3, 103)
    set_x_axis(axes, axis)
    axes.set_ylabel("valid pixels (%)")
    axes.set_title("How much of each region was believed")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")


def _rows(run: RunRecord, region: str, axis: TimeAxis) -> list[ReadingRow]:
    return [
        row
        for row in run.readings
        if row.region == region and row.frame_id in axis.at and np.isfinite(row.temperature_max_c)
    ]


def _has_target(run: RunRecord, regions: list[str]) -> bool:
    return any(role == "target" for name, role in regions_of(run) if name in regions)


def _draw_temperature_limits(
    axes: Axes, run: RunRecord, regions: list[str], colours: dict[str, str]
) -> None:
    if run.protocol is None:
        return
    for limit in run.protocol.limit:
        if not isinstance(limit, TemperatureMax) or limit.region not in regions:
            continue
        colour = colours[limit.region]
        axes.axhline(limit.stop_above_c, color=colour, lw=1.1, ls="--")
        axes.annotate(
            f"stop {limit.region} {limit.stop_above_c:g} °C", (0.0, limit.stop_above_c),
            xycoords=("axes fraction", "data"), xytext=(3, 2), textcoords="offset points",
            fontsize=7, color=colour,
        )  # fmt: skip
        if limit.warn_above_c is not None:
            axes.axhline(limit.warn_above_c, color=colour, lw=0.8, ls=":")


def _dose_limits(run: RunRecord, regions: list[str]) -> list[tuple[str, float, str]]:
    found = []
    for limit in () if run.protocol is None else run.protocol.limit:
        if isinstance(limit, DoseLimit) and limit.region in regions:
            value = limit.stop_above_cem43_min
            found.append((limit.region, value, f"stop {limit.region} {value:g}"))
        elif isinstance(limit, DoseReached) and limit.region in regions:
            found.append(
                (limit.region, limit.cem43_min, f"goal {limit.region} {limit.cem43_min:g}")
            )
    return found


def _shade_holds(axes: Axes, run: RunRecord, axis: TimeAxis) -> None:
    """Shade where the permit was HELD, by the device's own record where there is one."""
    changes = _heard_permits(run, axis) or [
        (axis.at[row.frame_id], row.permit == "HELD")
        for row in sorted(run.verdicts, key=lambda row: row.frame_id)
        if row.frame_id in axis.at
    ]
    if not changes:
        return
    end = max(*axis.at.values(), changes[-1][0])
    edges = [*changes[1:], (end, False)]
    held = [(at, after[0]) for (at, is_held), after in zip(changes, edges, strict=True) if is_held]
    for index, (start, stop) in enumerate(joined(held)):
        label = "permit held" if index == 0 else None
        axes.axvspan(start, stop, color=style.HELD, alpha=0.08, lw=0, label=label)


def _heard_permits(run: RunRecord, axis: TimeAxis) -> list[tuple[float, bool]]:
    """Return (when, is held) as a simulated device heard it, in scanner time; else nothing."""
    permits = run.closed_loop.get("permits")
    if axis.truth_shift_s is None or not isinstance(permits, list):
        return []
    shift_s = axis.truth_shift_s
    heard = [
        (float(one["t_s"]) + shift_s, not one["is_granted"])
        for one in permits
        if isinstance(one, dict) and isinstance(one.get("t_s"), float) and "is_granted" in one
    ]
    return [(shift_s, True), *sorted(heard)] if heard else []


def _mark_bad_frames(axes: Axes, run: RunRecord, axis: TimeAxis) -> None:
    late = [axis.at[row.frame_id] for row in run.verdicts if row.outcome != "COMPUTED"]
    torn = [axis.at[row.frame_id] for row in run.verdicts if "incomplete-frame" in row.findings]
    for places, mark, text in (
        (late, "x", "late or failed frame"),
        (torn, "v", "incomplete frame"),
    ):
        if places:
            axes.plot(
                places, [0.03] * len(places), mark, color=style.HELD, ms=5, clip_on=False,
                transform=axes.get_xaxis_transform(), label=text,
            )  # fmt: skip
