"""The report's curves of radiation dose: delivered, planned so far, and the forecast of the end."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from realtime.outputs.report_motion_curves import set_time
from realtime.outputs.report_motion_record import DoseRow
from realtime.outputs.report_motion_series import MotionSeries
from realtime.outputs.report_record import RunRecord

Real = NDArray[np.float64]

TARGET_FIGURES = {"d98_gy": "#c2410c", "d95_gy": "#ea8a1a", "mean_gy": "#1d4ed8"}
ORGAN_FIGURES = {"d2_gy": "#0f766e", "mean_gy": "#1d4ed8"}
FIGURE_NAMES = {
    "d98_gy": "D98", "d95_gy": "D95", "d50_gy": "D50", "d2_gy": "D2", "mean_gy": "mean",
    "d003cc_gy": "D0.03cc", "v95_percent": "V95", "v100_percent": "V100",
}  # fmt: skip
_LEAST_AXIS_GY = 0.1
STYLES = {"delivered": "-", "planned so far": (0, (4, 2)), "forecast of the end": ":"}


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure and its rows in dose.csv, by rising frame."""

    name: str
    role: str
    rows: tuple[DoseRow, ...]


def structures(run: RunRecord) -> list[Structure]:
    """Return the structures, the targets first."""
    rows: dict[str, list[DoseRow]] = {}
    for row in run.dose:
        rows.setdefault(row.structure, []).append(row)
    found = [
        Structure(name, some[0].role, tuple(sorted(some, key=lambda row: row.frame_id)))
        for name, some in rows.items()
    ]
    return sorted(found, key=lambda one: one.role != "target")


def draw_dose(
    axes: Axes, series: MotionSeries, structure: Structure, *, figures: dict[str, str]
) -> None:
    """Draw figures of one structure: delivered, planned so far, and the forecast of the end."""
    places = dict(zip(series.frame.tolist(), series.at.tolist(), strict=True))
    rows = [row for row in structure.rows if row.frame_id in places]
    at = np.array([places[row.frame_id] for row in rows])
    for figure, colour in figures.items():
        for when, dashes in STYLES.items():
            values = _values(rows, when, figure)
            width = 1.8 if when == "delivered" else 1.1
            axes.plot(at, values, color=colour, lw=width, ls=dashes)
    lines = [Line2D([], [], color=colour, lw=2, label=FIGURE_NAMES[name])
             for name, colour in figures.items()]  # fmt: skip
    lines += [Line2D([], [], color="#66788a", lw=1.4, ls=dashes, label=when)
              for when, dashes in STYLES.items()]  # fmt: skip
    # room for the legend above the forecast; less than a centigray is drawn as nothing
    axes.set_ylim(0, max(1.4 * axes.get_ylim()[1], _LEAST_AXIS_GY))
    axes.set_ylabel("dose (Gy)")
    axes.set_title(f"Dose, {structure.name}")
    set_time(axes, series)
    axes.legend(
        handles=lines, loc="upper left", ncols=2, fontsize=7, frameon=True, framealpha=0.85,
        edgecolor="none",
    )  # fmt: skip


def _values(rows: list[DoseRow], when: str, figure: str) -> Real:
    parts = {"delivered": "so_far", "planned so far": "planned", "forecast of the end": "forecast"}
    return np.array([getattr(row, parts[when])[figure] for row in rows])
