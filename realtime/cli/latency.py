"""`mrmonitor latency`: how long a verdict takes on this machine, stage by stage."""

import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import msgspec

import recon
from messages import MonitorError
from realtime.cli.client import Client
from realtime.cli.console import console, counted
from realtime.cli.host import fresh_folder, hosting, local_settings, serve_client
from realtime.cli.latency_bound import write_bound
from realtime.cli.latency_figures import Timing, ratios_of, table_of, timing_of, write_csv
from realtime.cli.latency_flow import write_flow
from realtime.cli.latency_load import competing
from realtime.cli.latency_plot import write_plot
from realtime.cli.latency_scan import Order
from realtime.cli.latency_sender import Heard
from realtime.cli.machine import Machine, machine_of
from realtime.cli.option_group import grouped
from realtime.clock import utc_now
from realtime.outputs.report_record import VerdictRow, read_run
from realtime.protocol import AUTO, Protocol, load_protocol, parse_protocol
from realtime.tuning import Tuning

_NAME = "latency"
_DRAWN_FOR_PX = 128  # the demo's regions are given in pixels of this matrix
_N_WARM = 10  # reference frames, and the first frames with a temperature


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured."""

    matrix: int = 128
    coils: int = 8
    rate: float = 5.0
    frames: int = 200
    trajectory: Literal["cartesian", "radial"] = "cartesian"
    spokes: int = 34
    method: str = AUTO
    load: int = 0
    images: bool = False
    heat_model: bool = True

    @property
    def title(self) -> str:
        """The measurement in a line."""
        is_radial = self.trajectory == "radial"
        parts = [
            f"{self.matrix} × {self.matrix}",
            f"{self.spokes} spokes" if is_radial else "Cartesian",
            f"{self.coils} coils",
            f"{self.rate:g} frames/s",
        ]
        parts += [] if self.method == AUTO else [self.method]
        parts += [] if self.heat_model else ["without heat model"]
        parts += [f"{counted(self.load, 'core')} loaded"] if self.load else []
        return ", ".join(parts)

    def order(self, *, port: int, events: str) -> Order:
        """Return what the sender is told."""
        return Order(
            port, events, _NAME, self.matrix, self.coils, self.rate, self.frames, self.trajectory,
            self.spokes if self.trajectory == "radial" else 0, self.images,
        )  # fmt: skip


_TUNING = Tuning()  # as `serve` has it
_KEYS = tuple(Asked.__dataclass_fields__)
_OPTIONS = (
    click.option("--matrix", type=click.IntRange(32, 512), default=128, show_default=True),
    click.option("--coils", type=click.IntRange(1, 64), default=8, show_default=True),
    click.option(
        "--rate", type=click.FloatRange(0.1, 100), default=5.0, show_default=True, help="Hz."
    ),
    click.option("--frames", type=click.IntRange(_N_WARM + 2), default=200, show_default=True),
    click.option(
        "--trajectory",
        type=click.Choice(["cartesian", "radial"]),
        default="cartesian",
        show_default=True,
    ),
    click.option(
        "--spokes",
        type=click.IntRange(8, 1024),
        default=34,
        show_default=True,
        help="Of a radial frame, by the golden angle.",
    ),
    click.option(
        "--method",
        type=click.Choice([AUTO, *recon.METHODS]),
        default=AUTO,
        show_default=True,
        help="Of reconstruction.",
    ),
    click.option(
        "--load",
        type=click.IntRange(0, 64),
        default=0,
        show_default=True,
        help="Processes that compete for the cores meanwhile.",
    ),
    click.option("--images", is_flag=True, help="Also time the images that come back."),
    click.option(
        "--heat-model/--no-heat-model", default=True, help="As in mrgfus-demo; it costs most."
    ),
)


@click.command()
@grouped("asked", Asked, _KEYS, _OPTIONS)
@click.option("--out", type=click.Path(path_type=Path), help="Default runs/latency-TIME.")
def latency(asked: Asked, out: Path | None) -> None:
    """Measure how long a verdict takes on this machine.

    Frames that cost the sender nothing arrive readout by readout; the first ten are left out of the
    figures. Writes latency.csv, latency.png, latency_flow.log and .csv (the form of Holoscan's data
    flow tracking) and bound.md, which states what holds here, beside the run.
    """
    out = fresh_folder(out or Path("runs") / f"latency-{utc_now():%Y%m%d-%H%M%S}")
    click.echo(f"{asked.title}: {asked.frames} frames, {asked.frames / asked.rate:.0f} s", err=True)
    heard, machine = measured(out, asked)
    timings, rows = timings_of(out, heard)
    if not timings:
        raise MonitorError("no frame was computed in time; see verdicts.csv in the run folder")
    protocol = _protocol_of(asked)
    deadline_ms = protocol.protocol.frame_deadline_ms
    write_csv(out / "latency.csv", timings)
    write_flow(out, timings)
    write_plot(out / "latency.png", timings, title=asked.title, deadline_ms=deadline_ms)
    write_bound(
        out / "bound.md", timings, rows, title=asked.title, machine=machine, protocol=protocol
    )
    _print(timings, asked.title)
    click.echo(f"written: {out}/ latency.csv, latency.png, latency_flow.log, .csv, bound.md")
    _refuse_unanswered(rows, n_sent=asked.frames)


def measured(out: Path, asked: Asked, *, tuning: Tuning = _TUNING) -> tuple[Heard, Machine]:
    """Run what is asked into a folder; return what the sender heard, and on what machine."""
    settings = local_settings(out, _protocol_of(asked), is_recording=False, tuning=tuning)
    with tempfile.TemporaryDirectory() as folder:
        order_path, heard_path = Path(folder) / "order.json", Path(folder) / "heard.json"
        with hosting(settings) as gateway, competing(asked.load):
            events = gateway.publisher.endpoints.events
            order = asked.order(port=gateway.tcp_port, events=events)
            order_path.write_bytes(msgspec.json.encode(order))
            arguments = [str(order_path), str(heard_path)]
            with Client("realtime.cli.latency_sender", arguments) as sender:
                # nothing is drawn meanwhile: it would be done by the process that is timed
                serve_client(gateway, sender)
                status, complaint = sender.status, sender.complaint
            machine = machine_of(worker_pid=gateway.worker_pid, n_competing=asked.load)
        if gateway.failures:
            raise MonitorError(gateway.failures[0])
        if status != 0:
            raise MonitorError(f"the sender failed: {complaint or f'status {status}'}")
        return msgspec.json.decode(heard_path.read_bytes(), type=Heard), machine


def _protocol_of(asked: Asked) -> Protocol:
    return protocol_for(asked.matrix, method=asked.method, has_heat_model=asked.heat_model)


def protocol_for(matrix: int, *, method: str = AUTO, has_heat_model: bool = True) -> Protocol:
    """Return the demo's protocol with its regions scaled to another matrix."""
    scale = matrix / _DRAWN_FOR_PX

    def scaled(found: re.Match[str]) -> str:
        least = 0.6 if found[1] == "radii_px" else 0.0
        y, x = (max(float(number) * scale, least) for number in (found[2], found[3]))
        return f"{found[1]} = [{y}, {x}]"

    text = load_protocol("mrgfus-demo").text.replace('name = "mrgfus-demo"', f'name = "{_NAME}"')
    text = text.replace("heat_model = true", f"heat_model = {str(has_heat_model).lower()}")
    text = text.replace('method = "fft"', f'method = "{method}"')
    # stamps run as fast as frames are sent, whatever the header's repetition time
    text = text.replace('time_stamp_unit = "auto"', 'time_stamp_unit = "us"')
    # a centre between pixels with a small radius holds none of them: whole pixels hold one
    text = re.sub(r"(center_px|radii_px) = \[([\d.]+), ([\d.]+)\]", scaled, text)
    text = re.sub(
        r"center_px = \[([\d.]+), ([\d.]+)\]",
        lambda found: f"center_px = [{round(float(found[1]))}.0, {round(float(found[2]))}.0]",
        text,
    )
    return parse_protocol(text)


def timings_of(out: Path, heard: Heard) -> tuple[list[Timing], list[VerdictRow]]:
    """Return the times of what was computed after the warm-up, and every verdict."""
    run = read_run(out)
    run.close()
    rows = list(run.verdicts)
    timings = [
        timing_of(row, heard)
        for row in rows
        if row.outcome == "COMPUTED" and row.frame_id >= _N_WARM
    ]
    return timings, rows


def _print(timings: list[Timing], title: str) -> None:
    console().print(table_of(timings, title))
    ratios = ratios_of(timings)
    click.echo(f"sum of the kernels' medians {ratios.kernels_ms:.2f} ms")
    click.echo(f"median / that sum           {ratios.over_kernels:.2f}")
    click.echo(
        f"p99.9 / median              {ratios.tail_over_median:.2f}  ({len(timings)} frames)"
    )


def _refuse_unanswered(rows: list[VerdictRow], *, n_sent: int) -> None:
    """Raise MonitorError where a frame has no result."""
    outcomes = Counter(row.outcome for row in rows)
    n_bad = n_sent - outcomes["COMPUTED"]
    if n_bad:
        late, fault = outcomes["LATE"], outcomes["FAULT"]
        raise MonitorError(
            f"{n_bad} of {counted(n_sent, 'frame')} had no result in time ({late} late, {fault} "
            f"failed, {n_sent - len(rows)} without a verdict)"
        )
