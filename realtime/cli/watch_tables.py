"""The tables of `mrmonitor watch`; each takes fewer columns on a narrow terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from messages import (
    Alert,
    DeliveredDose,
    LimitPlan,
    MotionReading,
    RegionReading,
    StructureDose,
    Verdict,
)
from realtime.cli.console import number

NARROW = 80
COLOURS = {"high": "bold red", "medium": "yellow", "low": "cyan"}
_SEVERITIES = {"hold": "red", "warn": "yellow", "inform": "cyan"}
_DECISIONS = {"GRANTED": "green", "HELD": "red"}


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def frame_table(frames: Sequence[Verdict], *, width: int) -> Table:
    """Return the last frames, newest first: age, outcome, decision, what was found."""
    narrow = width < NARROW
    table = _table("Frames", "frame", "age ms", "outcome", "decision", "findings")
    for one in frames:
        colour = "" if one.outcome == "COMPUTED" else "red"
        age = Text(f"{one.age_ms:.1f}", justify="right")
        table.add_row(
            str(one.frame_id),
            age,
            Text(one.outcome, style=colour),
            Text(one.decision, style=_DECISIONS[one.decision]),
            _findings(one, narrow=narrow),
        )
    return table


def _findings(verdict: Verdict, *, narrow: bool) -> Text:
    """Return what was found; where there is little room, the rules' names alone."""
    words = Text()
    for one in verdict.findings:
        words.append("; " if words else "")
        words.append(one.rule if narrow else one.text, style=_SEVERITIES[one.severity])
    return words


def region_table(
    regions: Sequence[RegionReading], limits: Sequence[LimitPlan], *, width: int
) -> Table:
    """Return each region's temperature, dose and limits; a dash is what nobody can tell."""
    narrow = width < NARROW
    rest = ("max °C", "dose CEM43 min", "limits")
    columns = rest if narrow else ("role", "max °C", "mean °C", "pixel's σ °C", *rest[1:])
    table = _table("Regions", "region", *columns)
    for one in regions:
        hottest = number(one.temperature_max_c, "", digits=1).strip()
        dose = number(one.dose_max_cem43_min, "", digits=2).strip()
        bounds = _limits(one.name, limits)
        if narrow:
            table.add_row(one.name, hottest, dose, bounds)
        else:
            mean = number(one.temperature_mean_c, "", digits=1).strip()
            std = number(one.temperature_std_c, "", digits=2).strip()
            table.add_row(one.name, one.role, hottest, mean, std, dose, bounds)
    return table


def _limits(region: str, limits: Sequence[LimitPlan]) -> str:
    words = []
    for one in limits:
        if one.region != region:
            continue
        bounds = [] if one.warn is None else [f"warn {one.warn:g}"]
        bounds += [] if one.stop is None else [f"stop {one.stop:g}"]
        words.append(f"{' '.join(bounds)} {one.unit}")
    return ", ".join(words) or "–"


def motion_table(motion: MotionReading, *, width: int) -> Table:
    """Return where a followed target is and will be, its gate and the beam."""
    rows = [
        ("at", _place(motion.displacement_mm)),
        ("predicted", _interval(motion)),
        ("outside", number(motion.outside_percent, "%", digits=0)),
        ("outside then", number(motion.predicted_outside_percent, "%", digits=0)),
        ("gate", "OPEN" if motion.is_gate_open else "CLOSED"),
        ("beam", {None: "–", True: "ON", False: "OFF"}[motion.is_beam_on]),
        ("similarity", number(motion.similarity, "", digits=2).strip()),
    ]
    if motion.doubts:
        rows.append(("doubted", ", ".join(motion.doubts)))
    return _facts("Target, mm (y, x)", rows, width=width)


def _facts(title: str, rows: Sequence[tuple[str, str]], *, width: int) -> Table:
    """Return facts side by side, below each other where there is no room."""
    if width < NARROW:
        table = _table(title, "", "")
        table.show_header = False
        for row in rows:
            table.add_row(*row)
        return table
    table = _table(title, *(name for name, _ in rows))
    table.add_row(*(value for _, value in rows))
    return table


def _place(place_mm: tuple[float, float] | None) -> str:
    if place_mm is None:
        return "–"
    y, x = (round(one, 1) + 0.0 for one in place_mm)  # no -0.0
    return f"{y:+.1f} {x:+.1f}"


def _interval(motion: MotionReading) -> str:
    place, low, high = motion.predicted_mm, motion.predicted_low_mm, motion.predicted_high_mm
    if place is None or low is None or high is None:
        return _place(place)
    y, x = ((above - below) / 2 for below, above in zip(low, high, strict=True))
    return f"{_place(place)} ± {y:.1f} {x:.1f}"


def dose_table(dose: DeliveredDose, *, width: int) -> Table:
    """Return the radiation dose of each structure so far, and what it will be in the end."""
    title = f"Dose, Gy: {dose.mu:.1f} of {dose.planned_mu:.1f} MU"
    narrow = width < NARROW
    more = () if narrow else ("D2", "planned D98", "planned mean")
    table = _table(title, "structure", "D98", "mean", *more, "D98 at end", "mean at end")
    planned = {one.name: one for one in dose.planned}
    forecast = {one.name: one for one in dose.forecast}
    for one in dose.so_far:
        plan, end = _two(planned.get(one.name)), _two(forecast.get(one.name))
        wide = () if narrow else (_gy(one.d2_gy), *plan)
        table.add_row(one.name, *_two(one), *wide, *end)
    if dose.doubts:
        table.caption = f"not to be trusted: {'; '.join(dose.doubts)}"
    return table


def _two(dose: StructureDose | None) -> tuple[str, str]:
    return ("–", "–") if dose is None else (_gy(dose.d98_gy), _gy(dose.mean_gy))


def _gy(value: float) -> str:
    return f"{value:.2f}"


def alert_table(alerts: Sequence[Alert]) -> Table:
    """Return alerts in the order in which they come."""
    table = _table("Alerts", "id", "priority", "state", "text")
    for one in alerts:
        style = COLOURS[one.priority]
        row = (str(one.alert_id), one.priority, one.state, one.text)
        table.add_row(*(Text(cell, style=style) for cell in row))
    return table
