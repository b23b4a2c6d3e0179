"""The horizontal axis of the report's curves, and where legends go."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from realtime.outputs.report_record import RunRecord


@dataclass(frozen=True, slots=True, eq=False)
class TimeAxis:
    """Where each frame lies on the horizontal axis: scanner seconds, or its number.

    at: position by frame id. truth_shift_s: added to the truth's times; None where they cannot be
    matched.
    """

    at: dict[int, float]
    label: str
    truth_shift_s: float | None


def time_axis(run: RunRecord) -> TimeAxis:
    """Return the axis: scanner time since the first frame where the scanner gives a clock."""
    stamped = {row.frame_id: row.time_s for row in run.verdicts if row.time_s is not None}
    if not stamped or len(stamped) < len({row.frame_id for row in run.verdicts}):
        return TimeAxis({row.frame_id: float(row.frame_id) for row in run.verdicts}, "frame", None)
    origin_s = min(stamped.values())
    at = {frame: time_s - origin_s for frame, time_s in stamped.items()}
    shift_s = None
    if run.truth is not None:
        times_s = run.truth.frame_time_s
        known = [at[frame] - times_s[frame] for frame in at if 0 <= frame < len(times_s)]
        shift_s = float(np.median(known)) if known else None
    return TimeAxis(at, "scanner time (s)", shift_s)


def set_x_axis(axes: Axes, axis: TimeAxis) -> None:
    """Name the axis; frames are whole numbers, and a single one lies in the middle."""
    axes.set_xlabel(axis.label)
    axes.margins(x=0.01)
    if len(set(axis.at.values())) == 1:
        only = next(iter(axis.at.values()))
        axes.set_xlim(only - 1.0, only + 1.0)
        axes.set_xticks([only])
    elif axis.label == "frame":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_above(axes: Axes) -> None:
    """Put the legend on the title's line, where it hides no curve."""
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.985), ncols=7, fontsize=7, borderpad=0.1,
        columnspacing=1.0, handlelength=1.4, handletextpad=0.4,
    )  # fmt: skip


def joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans (start, stop) by rising start, those that touch as one."""
    found: list[tuple[float, float]] = []
    for start, stop in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found
