"""`mrmonitor review`: a finished run on the page."""

import asyncio
from pathlib import Path

import click

from realtime.cli.companion import listen
from realtime.clock import MonotonicClock
from realtime.outputs.own_names import address_of
from realtime.outputs.page.playback import serve_recording
from realtime.outputs.report_record import read_run

_HOST = "127.0.0.1"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="0: a free one."
)
def review(run: Path, port: int) -> None:
    """Show a finished run on the page of `serve`, with a time line to scrub, until Ctrl-C.

    The page is for this machine alone and says RECORDED; permit and alerts are those of the run.
    """
    record = read_run(run)
    try:
        with listen("page", _HOST, port) as listening:
            for text in record.missing:
                click.echo(f"missing: {text}", err=True)
            asyncio.run(
                serve_recording(
                    record,
                    listening,
                    MonotonicClock(),
                    lambda: click.echo(f"review: {address_of(listening)} (Ctrl-C ends it)"),
                )
            )
    finally:
        record.close()
