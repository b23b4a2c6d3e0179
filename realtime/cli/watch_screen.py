"""The screen of `mrmonitor watch`: permit, run, alerts, frames, what was measured."""

from rich.console import Group, RenderableType
from rich.text import Text

from realtime.cli import verdict_words
from realtime.cli.watch_seen import Seen
from realtime.cli.watch_tables import (
    alert_table,
    dose_table,
    frame_table,
    motion_table,
    region_table,
)

_LEASE_CELLS = 20
_MOST_FRAMES = 6
_LEAST_FRAMES = 2
_OTHER_LINES = 20  # what the rest of a screen takes, about


def screen(seen: Seen, *, now_ns: int, width: int, height: int, problem: str = "") -> Group:
    """Return what is shown now; measured figures of a monitor that is silent are left out.

    problem: why alerts that were missed did not come, where they were asked for.
    """
    parts: list[RenderableType] = [_permit(seen, now_ns, width), _run(seen, now_ns)]
    alerts = seen.alerts()
    # a screen that is too low loses its end, and alerts must not be there
    parts.append(alert_table(alerts) if alerts else Text("no alert is open", style="dim"))
    if problem and seen.watched.misses_alerts:
        parts.append(Text(f"alerts are missing here: {problem}", style="red"))
    verdict = seen.watched.verdict
    if seen.is_silent(now_ns):
        parts.append(Text("nothing that was measured is shown: it would be old", style="red"))
    elif verdict is not None:
        training = "  ".join(verdict_words.training(verdict))
        if training:
            parts.append(Text(training, style="cyan"))
        room = max(_LEAST_FRAMES, min(_MOST_FRAMES, height - _OTHER_LINES))
        parts.append(frame_table(list(seen.frames)[:room], width=width))
        if verdict.regions:
            limits = () if seen.start is None else seen.start.limits
            parts.append(region_table(verdict.regions, limits, width=width))
        if verdict.motion is not None:
            parts.append(motion_table(verdict.motion, width=width))
        if verdict.delivered is not None:
            parts.append(dose_table(verdict.delivered, width=width))
    return Group(*parts)


def _permit(seen: Seen, now_ns: int, width: int) -> Text:
    state, reason = seen.watched.permit(now_ns)
    is_granted = state == "GRANTED"
    colour = "bold white on green" if is_granted else "bold white on red"
    line = Text.assemble((f" {state} ", colour), f"  {reason}")
    lease_ms = 0.0 if seen.start is None else seen.start.lease_ms
    if is_granted and lease_ms > 0 and width >= len(line) + _LEASE_CELLS + 2:
        share = min(1.0, max(0.0, seen.watched.lease_left_ms(now_ns) / lease_ms))
        n_full = round(share * _LEASE_CELLS)
        line.append("  " + "█" * n_full + "░" * (_LEASE_CELLS - n_full), style="green")
    return line


def _run(seen: Seen, now_ns: int) -> Text:
    words = [f"run {seen.watched.run_id or 'none'}"]
    if seen.start is not None:
        start = seen.start
        words.append(f"{start.protocol_name} ({start.therapy})")
        words.append(f"deadline {start.frame_deadline_ms:g} ms")
    age_s = seen.frame_age_s(now_ns)
    line = Text("  ".join(words), style="dim")
    if age_s is not None:
        is_old = seen.start is not None and age_s * 1e3 > seen.start.lease_ms
        line.append(f"  last frame {age_s:.1f} s ago", style="not dim yellow" if is_old else "")
    return line
