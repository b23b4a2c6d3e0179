"""`mrmonitor watch`: permit, verdicts and alerts of a running monitor in a terminal."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import zmq
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from messages import Alert, MonitorError, Verdict
from messages.codec import decode
from realtime.cli import verdict_words
from realtime.cli.console import console
from realtime.cli.open_host import keys_option
from realtime.clock import Clock, MonotonicClock
from realtime.control_line import ask, connect, unheard
from realtime.watched import Watched

_COLOURS = {"high": "bold red", "medium": "yellow", "low": "cyan"}
_FIRST_WORD_MS = 2000  # twenty heartbeats
Ask = Callable[[dict[str, object]], tuple[str, list[Alert]]]


@click.command()
@click.option("--events", default="tcp://127.0.0.1:9004", show_default=True)
@click.option("--control", default="tcp://127.0.0.1:9005", show_default=True)
@click.option("--once", is_flag=True, help="Print what stands now and end.")
@keys_option
def watch(events: str, control: str, once: bool, keys: Path | None) -> None:
    """Show permit, verdicts and alerts of a running monitor.

    A lease that has run out, and a monitor that is silent for half a second, are shown as HELD.
    """
    clock, watched = MonotonicClock(), Watched()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        subscriber = context.socket(zmq.SUB)
        for topic in ("permit", "verdict", "alert", "heartbeat", "run."):
            subscriber.subscribe(topic)
        connect(subscriber, events, keys=keys)
        asking = partial(ask, control, keys=keys)
        if once:
            silent = f"no monitor heard at {events} for {_FIRST_WORD_MS / 1e3:g} s{unheard(keys)}"
            _print_once(subscriber, watched, clock, asking, silent=silent)
        else:
            _follow(subscriber, watched, clock, asking)
    finally:
        context.destroy(linger=0)


def _print_once(
    subscriber: "zmq.Socket[bytes]", watched: Watched, clock: Clock, asking: Ask, *, silent: str
) -> None:
    end_ns = clock.now_ns() + _FIRST_WORD_MS * 1_000_000
    while watched.heartbeat is None:
        remaining_ms = (end_ns - clock.now_ns()) // 1_000_000
        if remaining_ms <= 0 or not subscriber.poll(remaining_ms):
            raise MonitorError(silent)
        _hear(subscriber, watched, clock)
    _catch_up(watched, asking)
    out = console()
    state, run = watched.heartbeat.permit_state, watched.run_id or "none"
    out.print(f"permit {state}, run {run}", style="green" if state == "GRANTED" else "red")
    out.print(_alert_table(watched))


def _follow(subscriber: "zmq.Socket[bytes]", watched: Watched, clock: Clock, asking: Ask) -> None:
    with Live(console=console(), auto_refresh=False) as live:
        while True:
            if subscriber.poll(100):
                _hear(subscriber, watched, clock)
            if watched.misses_alerts:
                _catch_up(watched, asking)
            live.update(_screen(watched, clock.now_ns()), refresh=True)


def _hear(subscriber: "zmq.Socket[bytes]", watched: Watched, clock: Clock) -> None:
    while True:
        try:
            parts = subscriber.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        watched.hear(*decode(parts), now_ns=clock.now_ns())


def _catch_up(watched: Watched, asking: Ask) -> None:
    if watched.misses_alerts:
        request = {"type": "resume", "epoch": watched.epoch, "after": watched.last_alert}
        watched.caught_up(asking(request)[1])


def _screen(watched: Watched, now_ns: int) -> Group:
    state, reason = watched.permit(now_ns)
    style = "bold white on green" if state == "GRANTED" else "bold white on red"
    permit = Text.assemble((f" {state} ", style), f"  {reason}")
    lines = [permit, Text(f"run {watched.run_id or 'none'}", style="dim")]
    if watched.verdict is not None:
        lines.append(Text(_verdict_line(watched.verdict)))
    return Group(*lines, _alert_table(watched))


def _verdict_line(verdict: Verdict) -> str:
    parts = [f"frame {verdict.frame_id} {verdict.outcome}", f"age {verdict.age_ms:.1f} ms"]
    parts += verdict_words.training(verdict) + verdict_words.motion(verdict)
    parts += [
        f"{one.name} {one.temperature_max_c:.1f} °C"
        for one in verdict.regions
        if one.temperature_max_c is not None
    ]
    return "  ".join(parts)


def _alert_table(watched: Watched) -> Table:
    table = Table("id", "priority", "state", "text", title="Alerts", title_justify="left")
    for alert in watched.alerts.values():
        style = _COLOURS[alert.priority]
        row = (str(alert.alert_id), alert.priority, alert.state, alert.text)
        table.add_row(*(Text(cell, style=style) for cell in row))
    return table
