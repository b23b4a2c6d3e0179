"""The tables and cards of a linac's run."""

import math

from realtime.outputs.report_blocks import Block, Card, Note, Table
from realtime.outputs.report_dose_curves import FIGURE_NAMES, Structure, structures
from realtime.outputs.report_motion_numbers import (
    GateLatency,
    duty,
    gate_latency,
    holds,
    prediction_error,
)
from realtime.outputs.report_motion_record import DoseRow
from realtime.outputs.report_motion_series import MotionSeries, motion_series
from realtime.outputs.report_record import RunRecord

_OVERLAPS = (
    "A frame may be held for several reasons: their times may add up to more than the whole. "
    "Shares are of the whole run."
)


def cards(run: RunRecord) -> list[Card]:
    """Return the figures of motion and dose that a reader looks for first."""
    series, found = motion_series(run), list[Card]()
    if series is None:
        return found
    used, error = duty(run, series), prediction_error(series)
    if used is not None:
        is_reported = math.isfinite(used.beam_percent)
        name, share = ("Beam on", used.beam_percent) if is_reported else (
            "Gate open", used.gate_percent)  # fmt: skip
        detail = f"of {_time(used.treated, series)} after training"
        found.append(Card(f"{share:.0f} %", name, detail))
        if math.isfinite(used.too_much_beam_on_percent):
            value = f"{used.too_much_beam_on_percent:.1f} %"
            found.append(Card(value, "Too much outside", "of the beam-on time, as tracked"))
    if error is not None:
        detail = f"holding the last place: {error.hold_rms_mm:.2f}"
        found.append(Card(f"{error.rms_mm:.2f} mm", "Prediction error, rms", detail))
    last = last_dose(run)
    if last:
        target = last[0]
        planned = f"planned by then {_gy(target.planned['d98_gy'])}"
        found.append(Card(_gy(target.so_far["d98_gy"]), f"D98 of {target.structure}", planned))
        detail = f"of {target.planned_mu:.0f} planned"
        found.append(Card(f"{target.mu:.0f} MU", "Monitor units", detail))
    return found


def gate_table(run: RunRecord, series: MotionSeries) -> Block:
    """Return how the time after training was used."""
    used = duty(run, series)
    if used is None:
        return Note("The run ended before its training did.")
    rows = [
        ("time after training", _time(used.treated, series)),
        ("gate open", _percent(used.gate_percent)),
        ("permit granted", _percent(used.permit_percent)),
        ("beam on", _percent(used.beam_percent)),
        ("gate closed so often", str(used.n_gate_closed)),
        ("target outside the boundary, mean", _percent(used.outside_mean_percent)),
        ("the same with the beam on", _percent(used.outside_beam_on_percent)),
        ("beam-on time with too much outside", _percent(used.too_much_beam_on_percent)),
        *_latency_rows(gate_latency(run, series)),
    ]
    return Table(rows, numbers_from=1)


def _latency_rows(found: GateLatency) -> list[tuple[str, str]]:
    rows = []
    if math.isfinite(found.assumed_ms):
        rows.append(("latency that predictions look ahead, median", f"{found.assumed_ms:.0f} ms"))
    if found.n:
        told = f"{found.median_ms:.0f} ms, {found.most_ms:.0f} ms at most ({found.n} times)"
        rows.append(("from an image that closed the gate to beam off, median", told))
    if found.n_still_on:
        told = f"{found.n_still_on} times"
        rows.append(("an image closed the gate and the beam was never reported off", told))
    return rows


def hold_table(run: RunRecord, series: MotionSeries) -> list[Block]:
    """Return why the permit was held, and for how long."""
    found = holds(run, series)
    if not found:
        return [Note("The permit was never held.")]
    rows = [
        (one.reason, _time(one.lasted, series), f"{one.share_percent:.1f} %", one.n_times)
        for one in found
    ]
    head = ("reason of hold", "time", "share", "times")
    return [Table(rows, head, numbers_from=1), Note(_OVERLAPS)]


def prediction_table(series: MotionSeries) -> Block:
    """Return how good predictions were by what was tracked at the moment they were about."""
    error = prediction_error(series)
    if error is None:
        return Note("No prediction could be compared with a place tracked later.")
    rows = [
        ("predictions compared with what was tracked at beam effect", f"{error.n:,}"),
        ("error of the prediction, rms", f"{error.rms_mm:.2f} mm"),
        ("had the last place been held", f"{error.hold_rms_mm:.2f} mm"),
        ("tracked within the interval", _percent(error.coverage_percent)),
    ]
    return Table(rows, numbers_from=1)


def dose_blocks(run: RunRecord) -> list[Block]:
    """Return every figure at the end: delivered, planned by then, and the difference."""
    rows: list[tuple[object, ...]] = []
    for row in last_dose(run):
        for figure, name in FIGURE_NAMES.items():
            delivered, planned = row.so_far[figure], row.planned[figure]
            is_share = figure.endswith("_percent")
            # of an organ the share at the target's prescription says nothing
            if math.isnan(delivered) or (is_share and row.role != "target"):
                continue
            unit, digits = ("%", 1) if is_share else ("Gy", 3)
            rows.append(
                (row.structure if name == "D98" else "", name, f"{delivered:.{digits}f}",
                 f"{planned:.{digits}f}", signed(delivered - planned, digits),
                 _forecast(row, figure, digits), unit)
            )  # fmt: skip
    head = ("structure", "figure", "delivered", "planned by then", "difference", "forecast", "")
    return [Table(rows, head, numbers_from=2), *_dose_notes(run)]


def _dose_notes(run: RunRecord) -> list[Block]:
    """Return what makes the dose doubtful."""
    last = last_dose(run)
    if not last:
        return []
    one = last[0]
    said = (
        f"{one.mu:.1f} of {one.planned_mu:.1f} monitor units. Planned by then: the same units to "
        "tissue that had not moved. Static dose clouds moved with the target: no dose calculation, "
        "wrong near lung and skin. "
    )
    if one.unplaced_mu > 0:
        said += (
            f"{one.unplaced_mu:.1f} units came while the target was not tracked; they are counted "
            "at its last known place. "
        )
    if one.is_interrupted:
        said += "Frames were lost to a restart: the dose is interrupted."
    return [Note(said)]


def last_dose(run: RunRecord) -> list[DoseRow]:
    """Return each structure's last row, the target first."""
    return [_last(one) for one in structures(run)]


def _last(structure: Structure) -> DoseRow:
    return structure.rows[-1]


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign; what rounds to nothing has none."""
    return f"{value:+z.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def _forecast(row: DoseRow, figure: str, digits: int) -> str:
    value = row.forecast[figure]
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.1f} %"


def _gy(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f} Gy"


def _time(value: float, series: MotionSeries) -> str:
    return f"{value:.1f} s" if series.has_clock else f"{value:.0f} frames"
