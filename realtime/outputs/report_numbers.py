"""The figures of a run that a reader asks for first."""

import math
import re
from dataclasses import dataclass

import numpy as np

from messages import Alert
from realtime.outputs.report_record import ReadingRow, RunRecord
from realtime.outputs.report_truth import TemperatureError, temperature_error
from realtime.outputs.run_tables import STAGES

PERCENTILES = (50.0, 99.0, 99.9, 100.0)
_FINDING = re.compile(
    r"(?:^|; )(warn|hold) ([a-z0-9-]+): (.*?)(?=; (?:inform|warn|hold) [a-z0-9-]+: |$)"
)


@dataclass(frozen=True, slots=True)
class StageTimes:
    """One stage's p50, p99, p99.9 and maximum, in ms, over n frames."""

    stage: str
    n: int
    ms: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Told:
    """What a rule found, in how many frames; text: as it said in the first of them."""

    rule: str
    severity: str
    n_frames: int
    first_frame: int
    text: str


@dataclass(frozen=True, slots=True)
class Pixel:
    """A row of the maps and a place in it, (z, y, x)."""

    row: int
    place: tuple[int, ...]


def findings_told(run: RunRecord) -> list[Told]:
    """Return what rules warned of or held for, those that held first, then by frames."""
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for row in run.verdicts:
        for severity, rule, text in _FINDING.findall(row.findings):
            found.setdefault((severity, rule), []).append((row.frame_id, text))
    told = [
        Told(rule, severity, len({frame for frame, _ in rows}), *min(rows))
        for (severity, rule), rows in found.items()
    ]
    return sorted(told, key=lambda one: (one.severity != "hold", -one.n_frames, one.rule))


def stage_times(run: RunRecord) -> list[StageTimes]:
    """Return the table of latencies, the stages in order and `age` (all of it) last."""
    table = []
    for stage in STAGES:
        values = [row.stage_ms[stage] for row in run.verdicts if stage in row.stage_ms]
        if values:
            table.append(_times(stage, values))
    ages = [row.age_ms for row in run.verdicts if row.outcome == "COMPUTED"]
    if ages:
        table.append(_times("age", ages))
    return table


def _times(stage: str, values: list[float]) -> StageTimes:
    p50, p99, p999, most = (float(p) for p in np.percentile(values, PERCENTILES))
    return StageTimes(stage, len(values), (p50, p99, p999, most))


def hottest(run: RunRecord) -> ReadingRow | None:
    """Return the reading with the highest temperature in a target, or in any region without one."""
    usable = [row for row in run.readings if np.isfinite(row.temperature_max_c)]
    targets = [row for row in usable if row.role == "target"] or usable
    return max(targets, key=lambda row: row.temperature_max_c, default=None)


def most_dose(run: RunRecord) -> ReadingRow | None:
    """Return the reading with the highest dose in a target, or in any region without one."""
    usable = [row for row in run.readings if np.isfinite(row.dose_max_cem43_min)]
    targets = [row for row in usable if row.role == "target"] or usable
    return max(targets, key=lambda row: row.dose_max_cem43_min, default=None)


def pixel_of(run: RunRecord, reading: ReadingRow, name: str, value: float) -> Pixel | None:
    """Return where in the maps a reading's largest value of a map (its name) lies.

    None where the maps do not show it: of a frame that is not in them, or of a region that moved.
    """
    maps = run.maps
    if maps is None or not maps.has(name) or reading.frame_id not in maps.frame:
        return None
    row = int(np.flatnonzero(maps.frame == reading.frame_id)[-1])
    mask = run.masks_at(row).get(reading.region)
    if mask is None or not mask.any():
        return None
    inside = np.where(mask & maps.valid(row), maps.read(name, row), np.nan)
    inside = np.nan_to_num(inside, nan=-np.inf)
    place = np.unravel_index(int(inside.argmax()), inside.shape)
    if not math.isclose(float(inside[place]), value, rel_tol=1e-3, abs_tol=1e-3):
        return None
    return Pixel(row, tuple(int(one) for one in place))


def hottest_std_c(run: RunRecord, reading: ReadingRow) -> float:
    """Return the standard deviation of a reading's hottest pixel, NaN where the maps lack it."""
    pixel = pixel_of(run, reading, "temperature_c", reading.temperature_max_c)
    if pixel is None or run.maps is None:
        return math.nan
    return float(run.maps.read("temperature_std_c", pixel.row)[pixel.place])


def errors_against_truth(run: RunRecord) -> dict[str, TemperatureError]:
    """Return the temperature error in each target and outside of all heat, where there is truth."""
    if run.maps is None or run.truth is None or run.heated is None:
        return {}
    roles = {} if run.protocol is None else {one.name: one.role for one in run.protocol.region}
    places = {name: mask for name, mask in run.masks.items() if roles.get(name) == "target"}
    places["outside the heated region"] = ~run.heated
    found = {name: temperature_error(run.maps, run.truth, mask) for name, mask in places.items()}
    return {name: error for name, error in found.items() if error is not None}


def is_told(alert: Alert) -> bool:
    """Whether a reader must know an alert.

    A gate closes with each breath: notices that hold are told by their time, not one by one.
    """
    return alert.priority != "low" or not alert.event.endswith(".hold")


def told_alerts(run: RunRecord) -> list[Alert]:
    """Return every change of the alerts that a reader must know."""
    return [one for one in run.alerts if is_told(one)]


def raised_alerts(run: RunRecord) -> list[Alert]:
    """Return each alert that a reader must know as it was raised."""
    return [alert for alert in told_alerts(run) if alert.state == "raised"]


def last_states(run: RunRecord) -> dict[int, str]:
    """Return the state in which each alert was left."""
    return {alert.alert_id: alert.state for alert in run.alerts}
