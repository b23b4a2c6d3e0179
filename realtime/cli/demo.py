"""`mrmonitor demo`: one simulated treatment through the whole system, and what came of it."""

import os
import sys
import webbrowser
from pathlib import Path

import click

from messages import MonitorError
from realtime.cli.client import Client
from realtime.cli.console import console
from realtime.cli.host import hosting, local_settings, replaced_folder, serve_client
from realtime.cli.progress import FrameProgress
from realtime.cli.run_summary import print_summary
from realtime.clock import utc_now
from realtime.gateway import Gateway
from realtime.outputs.report import write_report
from realtime.protocol import load_protocol
from realtime.streams.player import parse_speed

_SPEED = "4"  # the 60 s of the default treatment in 15 s
_N_FRAMES = 30
_PROTOCOL = "mrgfus-demo"


@click.command()
@click.argument("therapy", type=click.Choice(["mrgfus", "mrlinac"]), default="mrgfus")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder, an earlier demo in it is replaced."
)
@click.option(
    "--speed", default=_SPEED, show_default=True, help="max, or times the scanner's pace."
)
@click.option("--frames", type=click.IntRange(6, 1000), default=_N_FRAMES, show_default=True)
@click.option("--seed", type=int, help="Of the simulated noise.")
@click.option("--no-browser", is_flag=True, help="Do not open the report at the end.")
def demo(
    therapy: str, out: Path | None, speed: str, frames: int, seed: int | None, no_browser: bool
) -> None:
    """Run a simulated treatment through the whole system and report it.

    A simulated head is heated by focused ultrasound; the monitor measures its temperature from raw
    data and withdraws the permit at 60 °C, and the simulated device obeys.
    """
    if therapy == "mrlinac":
        click.echo("demo mrlinac is not available yet; try: mrmonitor demo mrgfus", err=True)
        sys.exit(2)
    parse_speed(speed)
    out = out or Path("runs") / f"demo-{utc_now():%Y%m%d-%H%M%S}"
    replaced_folder(out, protocol_name=_PROTOCOL)
    settings = local_settings(out, load_protocol(_PROTOCOL))
    with hosting(settings) as gateway, FrameProgress(frames, target="focus") as progress:
        arguments = _simulator_arguments(gateway, out, speed=speed, frames=frames, seed=seed)
        with Client("realtime.cli", arguments) as simulator:
            serve_client(gateway, simulator, progress.heed)
            status, complaint = simulator.status, simulator.complaint
    report = write_report(out)
    print_summary(out, console())
    click.echo(f"report: {report}")
    if status != 0:
        raise MonitorError(f"the simulated treatment failed: {complaint or f'status {status}'}")
    if gateway.failures:
        raise MonitorError(gateway.failures[0])
    if not no_browser:
        _show(report)


def _simulator_arguments(
    gateway: Gateway, out: Path, *, speed: str, frames: int, seed: int | None
) -> list[str]:
    events, control = gateway.publisher.endpoints.events, gateway.publisher.endpoints.control
    arguments = ["simulate", f"--to=tcp://127.0.0.1:{gateway.tcp_port}", f"--speed={speed}"]
    arguments += [f"--events-port={_port(events)}", f"--control-port={_port(control)}"]
    arguments += [f"--frames={frames}", f"--config={_PROTOCOL}", f"--truth={out / 'truth.h5'}"]
    arguments += [f"--summary={out / 'closed_loop.json'}"]
    return arguments if seed is None else [*arguments, f"--seed={seed}"]


def _port(endpoint: str) -> str:
    return endpoint.rsplit(":", 1)[1]


def _show(report: Path) -> None:
    """Open the report where there is a screen; without one nothing is missed."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        try:
            webbrowser.open(report.resolve().as_uri())
        except webbrowser.Error:
            return
