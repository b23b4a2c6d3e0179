"""`mrmonitor send`: a recording to any MRD server."""

from pathlib import Path

import click

from realtime.cli.open_host import keys_option
from realtime.cli.played import tell_played
from realtime.cli.progress import ReadoutProgress
from realtime.clock import MonotonicClock
from realtime.streams.links import open_link
from realtime.streams.player import PATIENCE_S, PlayerSettings, parse_speed, play
from realtime.streams.recordings import open_recording


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "url", required=True, help="tcp://host:port or zmq://host:port.")
@click.option("--speed", default="1.0", show_default=True, help="max, or times the scanner's pace.")
@click.option("--config", "config_name", help="Configuration to ask the server for.")
@click.option("--timeout-s", type=click.FloatRange(min=0.1), default=PATIENCE_S, show_default=True)
@keys_option
def send(
    file: Path,
    url: str,
    speed: str,
    config_name: str | None,
    timeout_s: float,
    keys: Path | None,
) -> None:
    """Play a recording to any MRD server and tell what comes back."""
    settings = PlayerSettings(
        speed=parse_speed(speed), config_name=config_name, timeout_s=timeout_s
    )
    recording = open_recording(file)
    link = open_link(url, keys=keys)
    try:
        with ReadoutProgress(done="sent") as progress:
            watched = progress.counting(recording)
            played = play(watched, link, settings=settings, clock=MonotonicClock())
    finally:
        link.close()
    tell_played(played)
