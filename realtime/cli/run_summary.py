"""The last thing a command prints of a run: its figures in one table."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from realtime.cli.console import counted, facts_table, number
from realtime.outputs.report_dose_curves import FIGURE_NAMES
from realtime.outputs.report_linac_tables import last_dose
from realtime.outputs.report_motion_numbers import duty, holds, prediction_error
from realtime.outputs.report_motion_series import motion_series
from realtime.outputs.report_numbers import (
    StageTimes,
    errors_against_truth,
    hottest,
    last_states,
    most_dose,
    raised_alerts,
    stage_times,
)
from realtime.outputs.report_record import RunRecord, read_run

Rows = list[tuple[str, str]]


def print_summary(folder: Path, console: Console) -> None:
    """Print what a run folder tells."""
    run = read_run(folder)
    try:
        rows = _run_rows(run)
        rows += _motion_rows(run) if run.therapy == "mrlinac" else _heat_rows(run)
        rows += _latency_rows(run) + _alert_rows(run)
    finally:
        run.close()
    rows += [("missing", text) for text in run.missing]
    rows.append(("run folder", str(folder)))
    console.print(facts_table("Research use only, not a safety interlock", rows))


def _run_rows(run: RunRecord) -> Rows:
    rows = []
    if run.start is not None:
        rows.append(("protocol", f"{run.start.protocol_name} ({run.start.protocol_hash})"))
    if run.stop is not None:
        stop = run.stop
        bad = f"{stop.n_late} late, {stop.n_fault} failed, {stop.n_incomplete} incomplete"
        rows.append(("run", f"{stop.status}: {counted(stop.n_frames, 'frame')}, {bad}"))
    else:
        rows.append(("run", run.status))
    return rows


def _heat_rows(run: RunRecord) -> Rows:
    return _temperature_rows(run) + _overshoot_rows(run.closed_loop)


def _motion_rows(run: RunRecord) -> Rows:
    series = motion_series(run)
    if series is None:
        return []
    rows, unit = [], "s" if series.has_clock else "frames"
    used, error = duty(run, series), prediction_error(series)
    if used is not None:
        beam = "" if math.isnan(used.beam_percent) else f", beam on {used.beam_percent:.1f} %"
        text = f"gate open {used.gate_percent:.1f} %, permit {used.permit_percent:.1f} %{beam}"
        rows.append(("duty", f"{text} of {used.treated:.1f} {unit} after training"))
        text = "not known"
        if not math.isnan(used.outside_mean_percent):
            text = f"{used.outside_mean_percent:.1f} % of its area on average"
        if not math.isnan(used.outside_beam_on_percent):
            text += f", {used.outside_beam_on_percent:.1f} % with the beam on"
        rows.append(("target outside", text + _too_much(used.too_much_beam_on_percent, run)))
    if error is not None:
        text = f"rms {error.rms_mm:.2f} mm (holding the last place {error.hold_rms_mm:.2f}), "
        text += f"{error.coverage_percent:.0f} % within the interval"
        rows.append(("prediction", text))
    reasons = [
        f"{one.reason} {one.lasted:.1f} {unit} ({counted(one.n_times, 'time')})"
        for one in holds(run, series)
    ]
    rows.append(("held by", ", ".join(reasons) or "nothing"))
    return rows + _dose_rows(run) + _beam_rows(run.closed_loop)


def _too_much(beam_on_percent: float, run: RunRecord) -> str:
    """Word how long too much was outside while the beam was on, as tracked and in truth."""
    if math.isnan(beam_on_percent):
        return ""
    text = f"; too much during {beam_on_percent:.1f} % of the beam-on time"
    beam = run.closed_loop.get("beam")
    if beam:
        text += f" (truly {beam['beam_on_outside_percent']:.1f} %"
        text += f"; {beam['ungated_outside_percent']:.1f} % were the beam never held)"
    return text


def _dose_rows(run: RunRecord) -> Rows:
    """Return what each structure received, beside what it would have at rest, and truly did."""
    beam = run.closed_loop.get("beam") or {}
    true = {one["name"]: one["delivered"] for one in beam.get("structures", ())}
    rows = []
    for row in last_dose(run):
        parts = []
        for name in ("d98_gy", "mean_gy") if row.role == "target" else ("d2_gy",):
            text = f"{FIGURE_NAMES[name]} {row.so_far[name]:.2f} Gy"
            text += f" (at rest {row.planned[name]:.2f}"
            if row.structure in true:
                text += f", truly {true[row.structure][name]:.2f}"
            parts.append(f"{text})")
        rows.append((f"dose, {row.structure}", ", ".join(parts)))
    return rows


def _beam_rows(closed_loop: Mapping[str, Any]) -> Rows:
    """Return what the simulated accelerator did."""
    beam = closed_loop.get("beam") if closed_loop else None
    if not beam:
        return []
    text = f"{beam['delivered_mu']:.1f} of {beam['planned_mu']:.1f} MU in {beam['on_s']:.1f} s"
    text += f", duty {beam['duty_percent']:.0f} % from the first permit"
    return [("true delivery", text)]


def _temperature_rows(run: RunRecord) -> Rows:
    rows = []
    peak, dose = hottest(run), most_dose(run)
    if peak is not None:
        text = f"{peak.temperature_max_c:.1f} °C measured in {peak.region}, frame {peak.frame_id}"
        if run.truth is not None and run.truth.peak_c.size:
            text += f"; true peak {run.truth.peak_c.max():.1f} °C"
            text += f", {run.truth.bandlimited_c.max():.1f} °C as frames can show it"
        rows.append(("hottest", text))
    for place, error in errors_against_truth(run).items():
        text = f"mean {error.mean_c:+.2f}, rms {error.rms_c:.2f}, largest {error.max_c:.2f} °C"
        text += f"; error / reported std: {error.standardised_std:.2f}"
        rows.append((f"error, {place}", text))
    if dose is not None:
        rows.append(("dose", f"{dose.dose_max_cem43_min:.1f} CEM43 min at most in {dose.region}"))
    return rows


def _overshoot_rows(closed_loop: Mapping[str, Any]) -> Rows:
    overshoot = closed_loop.get("overshoot") if closed_loop else None
    if not overshoot:
        return []
    parts = ", ".join(
        f"{name} {overshoot[key]:.2f}"
        for name, key in OVERSHOOT_PARTS.items()
        if isinstance(overshoot.get(key), float)
    )
    limit_c = overshoot["limit_c"]
    return [
        (f"above {limit_c:g} °C", f"{number(overshoot['overshoot_c'], '°C')} in truth: {parts}")
    ]


OVERSHOOT_PARTS = {
    "frame time": "due_to_frame_time_c",
    "detection": "due_to_detection_c",
    "processing": "due_to_processing_c",
    "lease": "due_to_lease_c",
    "not stopped": "not_stopped_c",
}


def _latency_rows(run: RunRecord) -> Rows:
    return [
        ("last readout to verdict", _percentiles(row))
        for row in stage_times(run)
        if row.stage == "age"
    ]


def _percentiles(row: StageTimes) -> str:
    p50, p99, _, most = row.ms
    if row.n == 1:
        return f"{p50:.2f} ms, 1 frame"
    return f"p50 {p50:.2f}, p99 {p99:.2f}, max {most:.2f} ms of {row.n} frames"


def _alert_rows(run: RunRecord) -> Rows:
    left = last_states(run)
    # an alert that rises in priority is raised again; the last word on it is the gravest
    gravest = {one.alert_id: one for one in raised_alerts(run)}
    return [
        (f"alert {one.alert_id}", f"{one.priority}: {one.text} ({left[one.alert_id]})")
        for one in gravest.values()
    ]
