"""The report's table of regions: how hot each became, how much dose it took, by which limits."""

from collections.abc import Sequence

import numpy as np

from realtime.alerts.limits import DoseLimit, DoseReached, Limit, TemperatureMax
from realtime.outputs.report_blocks import Block, Note, Table
from realtime.outputs.report_montage import panels
from realtime.outputs.report_numbers import hottest_std_c
from realtime.outputs.report_pictures import regions_of
from realtime.outputs.report_record import ReadingRow, RunRecord

_DOSES = ("dose_cem43_min", "dose_low_cem43_min", "dose_high_cem43_min")

_HEAD = ("region", "role", "hottest pixel ± 2σ", "frame", "limits", "most dose, CEM43 min",
         "95 % interval", "limits")  # fmt: skip


def region_table(run: RunRecord) -> list[Block]:
    """Return each region's highest temperature and dose beside its limits."""
    rows = [_row(run, name, role) for name, role in regions_of(run)]
    note = (
        "Limits: warning / stop; a goal is marked ≥. The interval is that of the region's most "
        "dosed pixel at the end of the run."
    )
    return [Table(rows, _HEAD, widths=(0.13, 0.13, 0.17, 0.07, 0.14, 0.12, 0.13, 0.11)), Note(note)]


def _row(run: RunRecord, name: str, role: str) -> tuple[str, ...]:
    rows = [row for row in run.readings if row.region == name]
    hot = max(_known(rows, "temperature_max_c"), key=_temperature_c, default=None)
    dosed = max(_known(rows, "dose_max_cem43_min"), key=_dose, default=None)
    warmth, frame = "not seen", "–"
    if hot is not None:
        std_c = hottest_std_c(run, hot)
        sigmas = f" ± {2 * std_c:.1f}" if np.isfinite(std_c) else ""
        warmth = f"{hot.temperature_max_c:.1f}{sigmas} °C"
        frame = str(hot.frame_id)
    dose = "–" if dosed is None else dose_words(dosed.dose_max_cem43_min)
    return (name, role, warmth, frame, _of_heat(run, name), dose,
            _interval(run, name), _of_dose(run, name))  # fmt: skip


def _interval(run: RunRecord, name: str) -> str:
    """Return the dose's interval in the most dosed pixel of all slices as they were last seen."""
    maps = run.maps
    if maps is None or not maps.has_interval or not maps.n_rows:
        return "–"
    found = [(0.0, 0.0, 0.0)]
    for row in sorted({panel.row for panel in panels(maps)}):
        mask = run.masks_at(row).get(name)
        if mask is not None and mask.any():
            parts = [maps.read(one, row)[mask] for one in _DOSES]
            at = int(np.argmax(np.nan_to_num(parts[0], nan=-1.0)))
            found.append((float(parts[0][at]), float(parts[1][at]), float(parts[2][at])))
    _, low, high = max(one for one in found if np.isfinite(one[0]))
    return f"{dose_words(low)} to {dose_words(high)}" if high > 0 else "–"


def dose_words(cem43_min: float) -> str:
    """Return a dose with three digits, thousands whole."""
    return f"{cem43_min:,.0f}" if cem43_min >= 1000 else f"{cem43_min:.3g}"


def _of_heat(run: RunRecord, name: str) -> str:
    told = [
        f"{_or_dash(one.warn_above_c)} / {one.stop_above_c:g} °C"
        for one in _limits(run)
        if isinstance(one, TemperatureMax) and one.region == name
    ]
    return "; ".join(told) or "–"


def _of_dose(run: RunRecord, name: str) -> str:
    told = []
    for one in _limits(run):
        if isinstance(one, DoseLimit) and one.region == name:
            told.append(f"{_or_dash(one.warn_above_cem43_min)} / {one.stop_above_cem43_min:g}")
        elif isinstance(one, DoseReached) and one.region == name:
            told.append(f"≥ {one.cem43_min:g}")
    return "; ".join(told) or "–"


def _limits(run: RunRecord) -> Sequence[Limit]:
    return () if run.protocol is None else run.protocol.limit


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _known(rows: list[ReadingRow], name: str) -> list[ReadingRow]:
    return [row for row in rows if np.isfinite(getattr(row, name))]


def _temperature_c(row: ReadingRow) -> float:
    return row.temperature_max_c


def _dose(row: ReadingRow) -> float:
    return row.dose_max_cem43_min
