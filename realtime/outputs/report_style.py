"""Colours and scales of the report, the same in every picture of it."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK = "#1d2733"
QUIET = "#66788a"
GRID = "#e3e8ee"
HELD = "#d64545"
TRUTH = "#111111"
ROLE_COLOURS = {
    "target": ("#c2410c", "#ea8a1a", "#8a2c0d", "#f0b429"),
    "organ-at-risk": ("#0f766e", "#2aa198", "#115e59", "#5eead4"),
    "reference": ("#1d4ed8", "#60a5fa", "#1e3a8a", "#93c5fd"),
    "body": ("#6b7280", "#9ca3af", "#4b5563", "#d1d5db"),
}
# equivalent minutes at 43 °C that clinics draw: 17 threatens nerve, 240 is necrosis
DOSE_CONTOURS = ((17.0, "#7dd3fc"), (100.0, "#a7f3d0"), (240.0, "#ffffff"))
HEAT_MAP = "inferno"
DOSE_MAP = "viridis"
# wide enough for two panels, narrow enough that letters of 9 points are 6 on A4
WIDTH_IN = 10.4

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.facecolor": "white",
}


def settings() -> dict[str, Any]:
    """Return matplotlib's settings for every figure of the report."""
    return dict(_SETTINGS)


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure; it belongs to no window and to no global state."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def region_colours(regions: list[tuple[str, str]]) -> dict[str, str]:
    """Return a colour for each (name, role), by role, in the protocol's order."""
    counts: dict[str, int] = {}
    colours = {}
    for name, role in regions:
        shades = ROLE_COLOURS.get(role, ROLE_COLOURS["body"])
        index = counts.get(role, 0)
        counts[role] = index + 1
        colours[name] = shades[index % len(shades)]
    return colours


def plain_numbers() -> FuncFormatter:
    """Return a formatter for logarithmic axes: 0.1, 10, 10 000 rather than powers."""
    return FuncFormatter(
        lambda value, _: f"{value:,.0f}".replace(",", " ") if value >= 1 else f"{value:g}"
    )
