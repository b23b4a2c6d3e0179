"""`mrmonitor watch`: permit, verdicts and alerts of a running monitor in a terminal."""

from functools import partial
from pathlib import Path

import click
import zmq
from rich.live import Live

from messages import MonitorError
from messages.codec import decode
from realtime.cli.console import console
from realtime.cli.open_host import keys_option
from realtime.cli.watch_screen import screen
from realtime.cli.watch_seen import Seen
from realtime.cli.watch_tables import alert_table
from realtime.clock import Clock, MonotonicClock
from realtime.control_line import ask, connect, unheard
from realtime.outputs.missed_alerts import Ask, MissedAlerts

_FIRST_WORD_MS = 2000  # twenty heartbeats


@click.command()
@click.option("--events", default="tcp://127.0.0.1:9004", show_default=True)
@click.option("--control", default="tcp://127.0.0.1:9005", show_default=True)
@click.option("--once", is_flag=True, help="Print what stands now and end.")
@click.option("--json", "is_json", is_flag=True, help="A JSON line for each change instead.")
@keys_option
def watch(events: str, control: str, once: bool, is_json: bool, keys: Path | None) -> None:
    """Show permit, verdicts and alerts of a running monitor.

    A lease that has run out, and a monitor that is silent for half a second, are shown as HELD.
    """
    clock, seen = MonotonicClock(), Seen()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        subscriber = context.socket(zmq.SUB)
        for topic in ("permit", "verdict", "alert", "heartbeat", "run."):
            subscriber.subscribe(topic)
        connect(subscriber, events, keys=keys)
        asking = partial(ask, control, keys=keys)
        if once:
            silent = f"no monitor heard at {events} for {_FIRST_WORD_MS / 1e3:g} s{unheard(keys)}"
            _wait_first(subscriber, seen, clock, silent=silent)
            _catch_up(seen, asking)
            _print_once(seen, clock, is_json=is_json)
        elif is_json:
            _tell_changes(subscriber, seen, clock, asking)
        else:
            _follow(subscriber, seen, clock, asking)
    finally:
        context.destroy(linger=0)


def _wait_first(subscriber: "zmq.Socket[bytes]", seen: Seen, clock: Clock, *, silent: str) -> None:
    end_ns = clock.now_ns() + _FIRST_WORD_MS * 1_000_000
    while seen.watched.heartbeat is None:
        remaining_ms = (end_ns - clock.now_ns()) // 1_000_000
        if remaining_ms <= 0 or not subscriber.poll(remaining_ms):
            raise MonitorError(silent)
        _hear(subscriber, seen, clock)


def _print_once(seen: Seen, clock: Clock, *, is_json: bool) -> None:
    heartbeat = seen.watched.heartbeat
    state = "HELD" if heartbeat is None else heartbeat.permit_state
    if is_json:
        click.echo(seen.as_json(clock.now_ns(), permit=state))
        return
    out, run = console(), seen.watched.run_id or "none"
    out.print(f"permit {state}, run {run}", style="green" if state == "GRANTED" else "red")
    out.print(alert_table(seen.alerts()))


def _tell_changes(subscriber: "zmq.Socket[bytes]", seen: Seen, clock: Clock, asking: Ask) -> None:
    told: tuple[object, ...] = ()
    missed = MissedAlerts(seen.watched, asking)
    while True:
        _turn(subscriber, seen, clock, missed)
        now_ns = clock.now_ns()
        if seen.mark(now_ns) != told:
            told = seen.mark(now_ns)
            click.echo(seen.as_json(now_ns))


def _follow(subscriber: "zmq.Socket[bytes]", seen: Seen, clock: Clock, asking: Ask) -> None:
    out, missed = console(), MissedAlerts(seen.watched, asking)
    with Live(console=out, auto_refresh=False) as live:
        while True:
            _turn(subscriber, seen, clock, missed)
            shown = screen(
                seen, now_ns=clock.now_ns(), width=out.width, height=out.height,
                problem=missed.problem,
            )  # fmt: skip
            live.update(shown, refresh=True)


def _turn(subscriber: "zmq.Socket[bytes]", seen: Seen, clock: Clock, missed: MissedAlerts) -> None:
    if subscriber.poll(100):
        _hear(subscriber, seen, clock)
    missed.look(clock.now_ns())


def _hear(subscriber: "zmq.Socket[bytes]", seen: Seen, clock: Clock) -> None:
    while True:
        try:
            parts = subscriber.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        seen.hear(*decode(parts), now_ns=clock.now_ns())


def _catch_up(seen: Seen, asking: Ask) -> None:
    watched = seen.watched
    if watched.misses_alerts:
        request = {"type": "resume", "epoch": watched.epoch, "after": watched.last_alert}
        watched.caught_up(asking(request)[1])
