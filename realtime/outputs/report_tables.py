"""The report's first figures, and its tables of truth, latency and of what was not believed."""

import math

from realtime.outputs import report_linac_tables
from realtime.outputs.report_blocks import Block, Card, Note, Section, Table
from realtime.outputs.report_lesion import lesion_mm3
from realtime.outputs.report_numbers import (
    errors_against_truth,
    findings_told,
    hottest,
    hottest_std_c,
    most_dose,
    stage_times,
    told_alerts,
)
from realtime.outputs.report_record import RunRecord

_MANY = 1000  # frames from which on a 99.9th percentile is more than the maximum
_OVERSHOOT_ROWS = (
    ("overshoot_c", "True peak above the limit"),
    ("due_to_frame_time_c", "… the frame was still being acquired"),
    ("due_to_detection_c", "… frames came and the monitor did not hold yet (noise, blur)"),
    ("due_to_processing_c", "… from the last readout to power off"),
    ("due_to_lease_c", "… no HELD came, until the lease lapsed"),
    ("not_stopped_c", "… nobody stopped it"),
)
# what the simulated device says of why its power went off
_POWER_OFF = {
    "held": "power off because the permit was HELD",
    "lapse": "power off because the lease lapsed",
    "silence": "power off because the monitor was silent",
    "plan": "power off as planned",
    "end": "power off at the end of the treatment",
}


def cards(run: RunRecord) -> list[Card]:
    """Return the figures that a reader looks for first."""
    found = report_linac_tables.cards(run) if run.therapy == "mrlinac" else _of_heat(run)
    found.append(Card(str(len(run.verdicts)), "Frames answered", _permits(run)))
    ages = [row for row in stage_times(run) if row.stage == "age"]
    if ages:
        p50, p99, _, most = ages[0].ms
        label, detail = "Median latency", f"p99 {p99:.1f}, max {most:.1f} ms{_deadline(run)}"
        if ages[0].n == 1:
            label, detail = "Latency", f"of the only frame{_deadline(run)}"
        found.append(Card(f"{p50:.1f} ms", label, detail))
    told = told_alerts(run)
    n_high = len({one.alert_id for one in told if one.priority == "high"})
    n_alerts = len({one.alert_id for one in told})
    found.append(Card(str(n_alerts), "Alerts", f"{n_high} of high priority"))
    return found


def _deadline(run: RunRecord) -> str:
    return "" if run.start is None else f"; deadline {run.start.frame_deadline_ms:g} ms"


def _of_heat(run: RunRecord) -> list[Card]:
    found = []
    peak, dose = hottest(run), most_dose(run)
    if peak is not None:
        found.append(
            Card(
                f"{peak.temperature_max_c:.1f} °C",
                f"Hottest in {peak.region}",
                f"frame {peak.frame_id}{_two_sigma(hottest_std_c(run, peak))}",
            )
        )
    if run.truth is not None and run.truth.peak_c.size:
        found.append(Card(f"{run.truth.peak_c.max():.1f} °C", "True peak", "simulated"))
    if dose is not None and peak is not None:
        found.append(
            Card(f"{dose.dose_max_cem43_min:,.0f}", f"CEM43 min in {dose.region}", "highest")
        )
    lesion = lesion_mm3(run)
    if lesion is not None and lesion.high_mm3 > 0:
        detail = f"{lesion.low_mm3:.0f} to {lesion.high_mm3:.0f} by the dose's interval"
        found.append(Card(f"{lesion.volume_mm3:.0f} mm³", "Beyond 240 CEM43 min", detail))
    return found


def _two_sigma(std_c: float) -> str:
    return f", ± {2 * std_c:.1f} °C (2σ)" if math.isfinite(std_c) else ""


def truth(run: RunRecord) -> Section:
    """Return how far the temperature was from the simulator's truth."""
    rows = [
        (place, f"{e.n:,}", f"{e.mean_c:+.3f}", f"{e.rms_c:.3f}", f"{e.max_c:.2f}",
         f"{e.standardised_std:.3f}")
        for place, e in errors_against_truth(run).items()
    ]  # fmt: skip
    if not rows:
        return Section("Against truth", [Note("Nothing could be compared.")])
    head = ("where", "values", "mean °C", "rms °C", "largest °C", "error / reported σ")
    text = (
        "Measured minus true temperature of every valid pixel in every frame; true is what the "
        "acquired k-space shows of the simulated patient at the k-space centre, without noise. "
        "The last column is the standard deviation of the standardised error: 1 is right."
    )
    return Section("Against truth", [Table(rows, head, numbers_from=1), Note(text)])


def overshoot(run: RunRecord) -> Section:
    """Return how far the true focus went beyond the limit, and what let it."""
    content = run.closed_loop.get("overshoot")
    if not isinstance(content, dict):
        return Section("Closed loop", [Note("closed_loop.json tells of no overshoot.")])
    rows = [
        (text, f"{content[key]:.2f}")
        for key, text in _OVERSHOOT_ROWS
        if isinstance(content.get(key), int | float)
    ]
    off = content.get("power_off") or {}
    cause = _POWER_OFF.get(str(off.get("cause")), "power was never switched off")
    limit_c, heated_s = content.get("limit_c"), run.closed_loop.get("heated_s")
    text = f"Limit {limit_c} °C; heated for {_short(heated_s)} s; "
    text += f"{cause}, at {_short(off.get('t_s'))} s." if off else f"{cause}."
    return Section("Closed loop", [Table(rows, ("", "°C"), numbers_from=1), Note(text)])


def latency(run: RunRecord) -> list[Block]:
    """Return percentiles of each stage, in ms, and how the deadline was kept."""
    table = stage_times(run)
    if not table:
        return []
    n_most = max(row.n for row in table)
    # of a single frame there are no percentiles; of few the 99.9th is the maximum
    columns = {"p50 ms": 0, "p99 ms": 1, "p99.9 ms": 2, "max ms": 3}
    if n_most == 1:
        columns = {"ms": 0}
    elif n_most < _MANY:
        del columns["p99.9 ms"]
    rows = [
        (
            "age (last readout received to verdict published)" if row.stage == "age"
            else row.stage.replace("_", " "),
            row.n,
            *(f"{row.ms[place]:.3f}" for place in columns.values()),
        )
        for row in table
    ]  # fmt: skip
    return [Table(rows, ("stage", "frames", *columns), numbers_from=1), *_against_deadline(run)]


def _against_deadline(run: RunRecord) -> list[Note]:
    if run.start is None or not run.verdicts:
        return []
    deadline_ms, n = run.start.frame_deadline_ms, len(run.verdicts)
    kept = sum(row.outcome == "COMPUTED" and row.age_ms <= deadline_ms for row in run.verdicts)
    return [
        Note(
            f"Deadline {deadline_ms:g} ms: {kept} of {n} frames ({100 * kept / n:.1f} %) had their "
            f"verdict within it. A permit lasts {run.start.lease_ms:g} ms without a new one."
        )
    ]


def invalid(run: RunRecord) -> list[Block]:
    """Return frames without a result, regions that were not seen whole, and what rules found."""
    rows: list[tuple[object, object]] = []
    if run.stop is not None:
        stop = run.stop
        rows += [("frames late", stop.n_late), ("frames failed", stop.n_fault)]
        rows += [("frames incomplete", stop.n_incomplete)]
        rows += [("readouts received", f"{stop.n_readouts:,}")]
        rows += [("readouts received twice", f"{stop.n_duplicate_readouts:,}")]
        rows += [("readouts that the scanner counted and that never came",
                  f"{stop.n_lost_readouts:,}")]  # fmt: skip
        rows += [("readouts of no image", f"{stop.n_unused_readouts:,}")]
    else:
        n_bad = sum(row.outcome != "COMPUTED" for row in run.verdicts)
        rows.append(("frames late or failed", n_bad))
    for region in dict.fromkeys(row.region for row in run.readings):
        seen = [row for row in run.readings if row.region == region]
        n_pixels = sum(row.n_pixels for row in seen)
        share = 100 * (1 - sum(row.n_valid for row in seen) / max(n_pixels, 1))
        rows.append((f"pixels of {region} not valid, all frames", f"{share:.1f} %"))
    return [Table(rows, numbers_from=1), *_findings(run)]


def _findings(run: RunRecord) -> list[Block]:
    told = findings_told(run)
    if not told:
        return []
    rows = [(one.rule, one.severity, one.n_frames, one.first_frame, one.text) for one in told]
    head = ("rule", "it said", "frames", "first", "in the first of them")
    return [Table(rows, head, widths=(0.2, 0.1, 0.09, 0.08, 0.53))]


def _permits(run: RunRecord) -> str:
    """Say for how many frames the permit was granted; imaging never has one."""
    if run.start is not None and run.start.therapy == "imaging":
        return "imaging has no permit"
    n_granted = sum(row.permit == "GRANTED" for row in run.verdicts)
    return f"permit granted on {n_granted} of them"


def _short(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "–"
