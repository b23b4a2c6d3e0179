"""Which outputs `mrmonitor serve` starts beside the gateway; each is a process of its own."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from realtime.cli.companion import Companion, Place
from realtime.cli.dicom_process import DicomProcess, Frames, refuse_bad_peer
from realtime.cli.log_process import STANDARD_OUTPUT, LogProcess
from realtime.cli.metrics_process import (
    USUAL_PORT,
    MetricsProcess,
    listen_for_scrapes,
    refuse_open_metrics,
)
from realtime.cli.openigtlink_process import OpenIgtLinkProcess, refuse_open_igtlink
from realtime.cli.option_group import grouped
from realtime.cli.page_process import PageProcess, refuse_open_page

_PORT = click.IntRange(0, 65535)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was asked for on the command line."""

    has_page: bool
    page_port: int
    page_host: str
    has_metrics: bool
    metrics_port: int | None
    metrics_host: str
    log: Path | None
    dicom_to: str | None
    dicom_folder: Path | None
    dicom_frames: int
    openigtlink_port: int | None
    openigtlink_host: str

    @property
    def keeps_stdout(self) -> bool:
        """Whether standard output is the log's, so that people are told on standard error."""
        return self.log == STANDARD_OUTPUT

    def check(self, *, is_unencrypted: bool) -> None:
        """Raise MonitorError for what others could read or use unasked."""
        refuse_open_page(self.page_host, is_unencrypted=is_unencrypted)
        refuse_open_metrics(self.metrics_host, is_unencrypted=is_unencrypted)
        refuse_bad_peer(self.dicom_to, self.dicom_folder)
        refuse_open_igtlink(self.openigtlink_host, is_unencrypted=is_unencrypted)

    def start(self, place: Place, say: Callable[[str], None]) -> list[Companion]:
        """Start all of them. Raises MonitorError, with none left, where one cannot be started.

        say: told, for people, of what is gone on without.
        """
        started: list[Companion] = []
        with ExitStack() as undo:
            if self.log is not None:
                started.append(LogProcess(self.log, place))
                undo.callback(started[-1].close)
            if self.has_page:
                started.append(PageProcess(self.page_host, self.page_port, place))
                undo.callback(started[-1].close)
            if self.has_metrics:
                listening = listen_for_scrapes(self.metrics_host, self.metrics_port)
                if isinstance(listening, socket.socket):
                    started.append(MetricsProcess(listening, place))
                    undo.callback(started[-1].close)
                else:
                    say(f"metrics          {listening}")
            if self.dicom_to is not None or self.dicom_folder is not None:
                started.append(
                    DicomProcess(self.dicom_to, self.dicom_folder, self.dicom_frames, place)
                )
                undo.callback(started[-1].close)
            if self.openigtlink_port is not None:
                started.append(
                    OpenIgtLinkProcess(self.openigtlink_host, self.openigtlink_port, place)
                )
                undo.callback(started[-1].close)
            undo.pop_all()
        return started


outputs_options = grouped(
    "outputs",
    Outputs,
    (
        "has_page",
        "page_port",
        "page_host",
        "has_metrics",
        "metrics_port",
        "metrics_host",
        "log",
        "dicom_to",
        "dicom_folder",
        "dicom_frames",
        "openigtlink_port",
        "openigtlink_host",
    ),
    [
        click.option("--page/--no-page", "has_page", default=True, help="Show the live page."),
        click.option(
            "--page-port", type=_PORT, default=8090, show_default=True, help="The live page."
        ),
        click.option("--page-host", default="127.0.0.1", show_default=True, help="Its address."),
        click.option("--metrics/--no-metrics", "has_metrics", default=True, help="For Prometheus."),
        click.option(
            "--metrics-port",
            type=_PORT,
            show_default=f"{USUAL_PORT}, or none where it is taken",
            help="The metrics.",
        ),
        click.option(
            "--metrics-host", default="127.0.0.1", show_default=True, help="Their address."
        ),
        click.option(
            "--log",
            type=click.Path(path_type=Path, allow_dash=True),
            help="Append what happens, as JSON lines; - is standard output.",
        ),
        click.option("--dicom-to", metavar="AET@HOST:PORT", help="C-STORE to this peer."),
        click.option("--dicom-folder", type=click.Path(path_type=Path), help="DICOM files."),
        click.option(
            "--dicom-frames", type=Frames(), default="10", show_default=True, help="Of each slice."
        ),
        click.option("--openigtlink-port", type=_PORT, help="For 3D Slicer, which expects 18944."),
        click.option(
            "--openigtlink-host", default="127.0.0.1", show_default=True, help="Its address."
        ),
    ],
)
