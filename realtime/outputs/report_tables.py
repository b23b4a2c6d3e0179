"""The report's heading, cards and tables."""

from realtime.alerts.events import EVENTS
from realtime.outputs import report_html as html
from realtime.outputs import report_linac_tables
from realtime.outputs.report_html import Markup
from realtime.outputs.report_lesion import lesion_mm3
from realtime.outputs.report_numbers import (
    errors_against_truth,
    hottest,
    last_states,
    most_dose,
    stage_times,
    told_alerts,
)
from realtime.outputs.report_record import RunRecord

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


def heading(run: RunRecord, name: str) -> str:
    """Return the title with the run's status."""
    status = html.safe(run.status)
    kind = "completed" if run.status == "completed" else ""
    when = "" if run.start is None else f"{_utc(run.start.started_utc)} · {run.start.source}"
    return (
        f'<header><h1>Run {html.safe(name)}<span class="status {kind}">{status}</span></h1>'
        f'<p class="sub">{html.safe(when)}</p></header>'
    )


def cards(run: RunRecord) -> str:
    """Return the figures that a reader looks for first."""
    found = report_linac_tables.cards(run) if run.therapy == "mrlinac" else _of_heat(run)
    found.append(html.card(str(len(run.verdicts)), "Frames answered", _permits(run)))
    ages = [row for row in stage_times(run) if row.stage == "age"]
    if ages:
        p50, p99, _, most = ages[0].ms
        label, detail = "Median latency", f"p99 {p99:.1f}, max {most:.1f}"
        if ages[0].n == 1:
            label, detail = "Latency", "of the only frame"
        found.append(html.card(f"{p50:.1f} ms", label, detail))
    told = told_alerts(run)
    n_high = len({one.alert_id for one in told if one.priority == "high"})
    n_alerts = len({one.alert_id for one in told})
    found.append(html.card(str(n_alerts), "Alerts", f"{n_high} of high priority"))
    return f'<div class="cards">{"".join(found)}</div>'


def _of_heat(run: RunRecord) -> list[str]:
    found = []
    peak, dose = hottest(run), most_dose(run)
    if peak is not None:
        found.append(
            html.card(
                f"{peak.temperature_max_c:.1f} °C",
                f"Hottest in {peak.region}",
                f"frame {peak.frame_id}, ± {2 * peak.temperature_std_c:.1f} °C (2σ)",
            )
        )
    if run.truth is not None and run.truth.peak_c.size:
        found.append(html.card(f"{run.truth.peak_c.max():.1f} °C", "True peak", "simulated"))
    if dose is not None and peak is not None:
        found.append(
            html.card(f"{dose.dose_max_cem43_min:,.0f}", f"CEM43 min in {dose.region}", "highest")
        )
    lesion = lesion_mm3(run)
    if lesion is not None and lesion.high_mm3 > 0:
        detail = f"{lesion.low_mm3:.0f} to {lesion.high_mm3:.0f} by the dose's interval"
        found.append(html.card(f"{lesion.volume_mm3:.0f} mm³", "Beyond 240 CEM43 min", detail))
    return found


def alerts(run: RunRecord) -> str:
    """Return every change in the life of every alert."""
    told, left = told_alerts(run), last_states(run)
    n_quiet = len({one.alert_id for one in run.alerts} - {one.alert_id for one in told})
    quiet = f" {n_quiet} notices that held for a while are told under Gate." if n_quiet else ""
    if not told:
        return html.section("Alerts", html.note(f"None was raised.{quiet}"))
    rows = []
    for one in told:
        event = EVENTS.get(one.event)
        advice = event.advice if event is not None and one.state == "raised" else ""
        rows.append(
            (
                one.frame_id if one.frame_id >= 0 else "–",
                one.alert_id,
                Markup(f'<span class="{html.safe(one.priority)}">{html.safe(one.priority)}</span>'),
                one.state + (f" by {one.acknowledged_by}" if one.acknowledged_by else ""),
                one.event,
                _with_advice(one.text, advice),
            )
        )
    head = ("frame", "alert", "priority", "state", "event", "text")
    states = [left[number] for number in dict.fromkeys(one.alert_id for one in told)]
    n_open = sum(state in ("raised", "cleared") for state in states)
    tail = html.note(f"Still open at the end: {n_open} of {len(states)}.{quiet}")
    return html.section("Alerts", html.table(head, rows), tail)


def truth(run: RunRecord) -> str:
    """Return how far the temperature was from the simulator's truth."""
    rows = [
        (place, f"{e.n:,}", f"{e.mean_c:+.3f}", f"{e.rms_c:.3f}", f"{e.max_c:.2f}",
         f"{e.standardised_std:.3f}")
        for place, e in errors_against_truth(run).items()
    ]  # fmt: skip
    if not rows:
        return html.section("Against truth", html.note("Nothing could be compared."))
    head = ("where", "values", "mean °C", "rms °C", "largest °C", "error / reported σ")
    text = (
        "Measured minus true temperature of every valid pixel in every frame; true is what the "
        "acquired k-space shows of the simulated patient at the k-space centre, without noise. "
        "The last column is the standard deviation of the standardised error: 1 is right."
    )
    return html.section("Against truth", html.table(head, rows, numbers_from=1), html.note(text))


def overshoot(run: RunRecord) -> str:
    """Return how far the true focus went beyond the limit, and what let it."""
    content = run.closed_loop.get("overshoot")
    if not isinstance(content, dict):
        return html.section("Closed loop", html.note("closed_loop.json tells of no overshoot."))
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
    return html.section(
        "Closed loop", html.table(("", "°C"), rows, numbers_from=1), html.note(text)
    )


def latency(run: RunRecord) -> str:
    """Return percentiles of each stage, in ms."""
    table = stage_times(run)
    is_one = all(row.n == 1 for row in table)
    rows = [
        (
            "age (last readout received to verdict published)" if row.stage == "age"
            else row.stage.replace("_", " "),
            row.n,
            *(f"{ms:.3f}" for ms in row.ms[: 1 if is_one else None]),
        )
        for row in table
    ]  # fmt: skip
    # a single frame has no percentiles
    times = ("ms",) if is_one else ("p50 ms", "p99 ms", "p99.9 ms", "max ms")
    head = ("stage", "frames", *times)
    return html.table(head, rows, numbers_from=1)


def invalid(run: RunRecord) -> str:
    """Return frames without a result and regions that were not seen whole."""
    rows: list[tuple[object, object]] = []
    if run.stop is not None:
        stop = run.stop
        rows += [("frames late", stop.n_late), ("frames failed", stop.n_fault)]
        rows += [("frames incomplete", stop.n_incomplete)]
        rows += [("readouts received", f"{stop.n_readouts:,}")]
        rows += [("readouts received twice", stop.n_duplicate_readouts)]
    else:
        n_bad = sum(row.outcome != "COMPUTED" for row in run.verdicts)
        rows.append(("frames late or failed", n_bad))
    for region in dict.fromkeys(row.region for row in run.readings):
        seen = [row for row in run.readings if row.region == region]
        n_pixels = sum(row.n_pixels for row in seen)
        share = 100 * (1 - sum(row.n_valid for row in seen) / max(n_pixels, 1))
        rows.append((f"pixels of {region} not valid, all frames", f"{share:.1f} %"))
    return html.table((), rows, numbers_from=1)


def facts(run: RunRecord) -> str:
    """Return what is needed to know the run again."""
    start = run.start
    if start is None:
        return html.section("Run", html.note("run.json is missing: nothing is known of the run."))
    left = [
        ("run", start.run_id),
        ("protocol", f"{start.protocol_name} ({start.therapy})"),
        ("protocol hash", Markup(f"<code>{html.safe(start.protocol_hash)}</code>")),
        ("header digest", Markup(f"<code>{html.safe(start.header_digest)}</code>")),
        ("source", start.source),
        ("ended", "–" if run.stop is None else f"{_utc(run.stop.ended_utc)}: {run.stop.reason}"),
    ]
    right = [
        ("machine", start.machine),
        ("image (z, y, x)", " × ".join(map(str, start.image_shape))),
        ("field of view (x, y, z)", " × ".join(f"{mm:g}" for mm in start.fov_mm) + " mm"),
        ("deadline, lease", f"{start.frame_deadline_ms:g} ms, {start.lease_ms:g} ms"),
        ("dry run", ", ".join(f"{name} {ms:.2f} ms" for name, ms in start.admission_ms.items())),
        ("versions", ", ".join(f"{name} {value}" for name, value in start.versions.items())),
    ]
    body = f'<div class="split">{html.table((), left)}{html.table((), right)}</div>'
    return html.section("Run", body)


def _permits(run: RunRecord) -> str:
    """Say for how many frames the permit was granted; imaging never has one."""
    if run.start is not None and run.start.therapy == "imaging":
        return "imaging has no permit"
    n_granted = sum(row.permit == "GRANTED" for row in run.verdicts)
    return f"permit granted on {n_granted} of them"


def _with_advice(text: str, advice: str) -> str:
    if not advice:
        return text
    return Markup(f'{html.safe(text)}<p class="note">{html.safe(advice)}</p>')


def _utc(iso: str) -> str:
    """Return a time as people write it: no T, no fraction of a second."""
    day, _, rest = iso.removesuffix("+00:00").partition("T")
    return f"{day} {rest.split('.')[0]} UTC" if rest else f"{iso} UTC"


def _short(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "–"
