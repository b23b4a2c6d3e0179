"""Which outputs `mrmonitor serve` starts beside the gateway; each is a process of its own."""

from contextlib import ExitStack
from dataclasses import dataclass

import click

from realtime.cli.companion import Companion, Place
from realtime.cli.option_group import grouped
from realtime.cli.page_process import PageProcess, refuse_open_page

_PORT = click.IntRange(0, 65535)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was asked for on the command line."""

    has_page: bool
    page_port: int
    page_host: str

    def check(self, *, is_unencrypted: bool) -> None:
        """Raise MonitorError for what others could read or use unasked."""
        refuse_open_page(self.page_host, is_unencrypted=is_unencrypted)

    def start(self, place: Place) -> list[Companion]:
        """Start all of them. Raises MonitorError, with none left, where one cannot be started."""
        started: list[Companion] = []
        with ExitStack() as undo:
            if self.has_page:
                started.append(PageProcess(self.page_host, self.page_port, place))
                undo.callback(started[-1].close)
            undo.pop_all()
        return started


outputs_options = grouped(
    "outputs",
    Outputs,
    ("has_page", "page_port", "page_host"),
    [
        click.option("--page/--no-page", "has_page", default=True, help="Show the live page."),
        click.option(
            "--page-port", type=_PORT, default=8090, show_default=True, help="The live page."
        ),
        click.option("--page-host", default="127.0.0.1", show_default=True, help="Its address."),
    ],
)
