"""`mrmonitor demo`: one simulated treatment through the whole system, and what came of it."""

import os
import sys
import webbrowser
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from messages import MonitorError
from realtime.cli.client import Client
from realtime.cli.companion import Place
from realtime.cli.console import console
from realtime.cli.host import hosting, local_settings, replaced_folder, serve_client
from realtime.cli.page_process import PageProcess
from realtime.cli.progress import FrameProgress
from realtime.clock import utc_now
from realtime.gateway import Gateway
from realtime.protocol import Protocol, load_protocol
from realtime.streams.player import parse_speed


@dataclass(frozen=True, slots=True)
class _Demo:
    """What is shown of a therapy. patient: of the MR-linac; a treatment with heat has its own.

    speed: so that it lasts a quarter of a minute. target: the region that the progress shows.
    """

    protocol: str
    n_frames: int
    speed: str
    target: str
    patient: str = ""


_DEMOS = {
    "mrgfus": _Demo("mrgfus-demo", n_frames=30, speed="4", target="focus"),
    "mrlinac": _Demo(
        "mrlinac-demo", n_frames=320, speed="2.5", target="GTV", patient="lung-sagittal"
    ),
}


@click.command()
@click.argument("therapy", type=click.Choice([*_DEMOS]), default="mrgfus")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder, an earlier demo in it is replaced."
)
@click.option("--speed", help="max, or times the scanner's pace; lasts 15 to 20 s by default.")
@click.option("--frames", type=click.IntRange(6, 1000), help="30; of mrlinac 320 at most.")
@click.option("--seed", type=int, help="Of the simulated noise.")
@click.option("--page-port", type=click.IntRange(0, 65535), help="Of the live page; a free one.")
@click.option("--no-browser", is_flag=True, help="Open neither the live page nor the report.")
def demo(
    therapy: str,
    out: Path | None,
    speed: str | None,
    frames: int | None,
    seed: int | None,
    page_port: int | None,
    no_browser: bool,
) -> None:
    """Run a simulated treatment through the whole system and report it.

    mrgfus: a simulated head is heated by focused ultrasound; the monitor measures its temperature
    from raw data and withdraws the permit at 60 °C, and the simulated device obeys. mrlinac: a
    tumour in a breathing lung is followed; the monitor lets the beam on while it will be inside its
    boundary, and counts the dose. The live page shows it while it lasts.
    """
    chosen = _DEMOS[therapy]
    speed, frames = speed or chosen.speed, frames or chosen.n_frames
    parse_speed(speed)
    out = out or Path("runs") / f"demo-{utc_now():%Y%m%d-%H%M%S}"
    replaced_folder(out, protocol_name=chosen.protocol)
    with (
        TemporaryDirectory() as beside,
        hosting(local_settings(out, _protocol(chosen, Path(beside)))) as gateway,
        closing(_page(gateway, page_port or 0)) as page,
        FrameProgress(frames, target=chosen.target) as progress,
    ):
        if not no_browser:
            _show(page.where)
        arguments = _simulator_arguments(
            gateway, out, chosen, speed=speed, frames=frames, seed=seed
        )
        with Client("realtime.cli", arguments) as simulator:
            serve_client(gateway, simulator, progress.heed)
            status, complaint = simulator.status, simulator.complaint
    wrong = list(gateway.failures)
    if status != 0:
        wrong.insert(0, f"the simulated treatment failed: {complaint or f'status {status}'}")
    if wrong and not (out / "run.json").exists():
        raise MonitorError(wrong[-1])  # of a session that was refused the monitor tells why
    # a report takes seconds to import, which nobody should wait for before the first picture
    from realtime.cli.run_summary import print_summary
    from realtime.outputs.report import write_report

    report = write_report(out)
    print_summary(out, console())
    click.echo(f"report: {report}")
    if wrong:
        raise MonitorError(wrong[0])
    if not no_browser:
        _show(report.resolve().as_uri())


def _protocol(chosen: _Demo, folder: Path) -> Protocol:
    """Return the protocol; where a plan is delivered, a copy in a folder with the plan's files."""
    shipped = load_protocol(chosen.protocol)
    if not chosen.patient:
        return shipped
    from realtime.cli.closed_loops import write_plan
    from simulators.linac import linac_scan

    scan = linac_scan(chosen.patient, n_frames=1)
    dose = write_plan(chosen.patient, scan, folder)
    copy = folder / f"{chosen.protocol}.toml"
    copy.write_text(f"{shipped.text}\n{dose}", encoding="utf-8")
    return load_protocol(copy)


def _simulator_arguments(
    gateway: Gateway, out: Path, chosen: _Demo, *, speed: str, frames: int, seed: int | None
) -> list[str]:
    events, control = gateway.publisher.endpoints.events, gateway.publisher.endpoints.control
    arguments = ["simulate", f"--to=tcp://127.0.0.1:{gateway.tcp_port}", f"--speed={speed}"]
    arguments += [f"--events-port={_port(events)}", f"--control-port={_port(control)}"]
    arguments += [f"--frames={frames}", f"--config={chosen.protocol}"]
    arguments += [f"--truth={out / 'truth.h5'}", f"--summary={out / 'closed_loop.json'}"]
    arguments += [f"--patient={chosen.patient}"] if chosen.patient else []
    return arguments if seed is None else [*arguments, f"--seed={seed}"]


def _port(endpoint: str) -> str:
    return endpoint.rsplit(":", 1)[1]


def _page(gateway: Gateway, port: int) -> PageProcess:
    page = PageProcess("127.0.0.1", port, Place(gateway.publisher.endpoints, None))
    click.echo(f"live page: {page.where}")
    return page


def _show(address: str) -> None:
    """Open an address where there is a screen; without one nothing is missed."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        try:
            webbrowser.open(address)
        except webbrowser.Error:
            return
