"""`mrmonitor latency`: how long a verdict takes on this machine, stage by stage."""

import csv
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.table import Table

from messages import MonitorError
from realtime.cli.client import Client
from realtime.cli.console import console
from realtime.cli.host import fresh_folder, hosting, local_settings, serve_client
from realtime.cli.latency_plot import write_plot
from realtime.cli.latency_sender import Heard, Order
from realtime.cli.progress import FrameProgress
from realtime.clock import utc_now
from realtime.outputs.report_record import read_run
from realtime.outputs.run_tables import STAGES
from realtime.protocol import Protocol, load_protocol, parse_protocol

KERNELS = ("absorb", "reconstruct", "measure", "judge")
_NAME = "latency"
_DRAWN_FOR_PX = 128  # the demo's regions are given in pixels of this matrix
_N_WARM = 10  # reference frames, and the first frames with a temperature


@dataclass(frozen=True, slots=True)
class Timing:
    """One frame: ms of each stage, age, and wire to event (NaN where no event was heard)."""

    frame_id: int
    stage_ms: dict[str, float]
    age_ms: float
    end_to_end_ms: float

    @property
    def kernels_ms(self) -> float:
        """What the kernels alone took."""
        return sum(self.stage_ms.get(stage, 0.0) for stage in KERNELS)


@click.command()
@click.option("--matrix", type=click.IntRange(32, 512), default=128, show_default=True)
@click.option("--coils", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 100), default=5.0, show_default=True, help="Hz.")
@click.option("--frames", type=click.IntRange(_N_WARM + 2), default=200, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Default runs/latency-TIME.")
def latency(matrix: int, coils: int, rate: float, frames: int, out: Path | None) -> None:
    """Measure how long a verdict takes on this machine.

    Frames that cost the sender nothing arrive readout by readout; the first ten are left out of the
    figures. Writes latency.csv and latency.png beside the run.
    """
    out = fresh_folder(out or Path("runs") / f"latency-{utc_now():%Y%m%d-%H%M%S}")
    heard = _measure(out, matrix=matrix, coils=coils, rate_hz=rate, n_frames=frames)
    timings, n_lost = timings_of(out, heard)
    if not timings:
        raise MonitorError("no frame was computed in time; see verdicts.csv in the run folder")
    write_csv(out / "latency.csv", timings)
    title = f"{matrix} × {matrix}, {coils} coils, {rate:g} frames/s"
    write_plot(out / "latency.png", timings, title=title)
    _print(timings, title)
    click.echo(f"written: {out / 'latency.csv'}, {out / 'latency.png'}")
    if n_lost:
        raise MonitorError(f"{n_lost} of {frames} frames had no result in time")


def _measure(out: Path, *, matrix: int, coils: int, rate_hz: float, n_frames: int) -> Heard:
    settings = local_settings(out, protocol_for(matrix), is_recording=False)
    with tempfile.TemporaryDirectory() as folder:
        order_path, heard_path = Path(folder) / "order.json", Path(folder) / "heard.json"
        with hosting(settings) as gateway, FrameProgress(n_frames, target=None) as progress:
            events = gateway.publisher.endpoints.events
            order = Order(gateway.tcp_port, events, _NAME, matrix, coils, rate_hz, n_frames)
            order_path.write_bytes(msgspec.json.encode(order))
            arguments = [str(order_path), str(heard_path)]
            with Client("realtime.cli.latency_sender", arguments) as sender:
                serve_client(gateway, sender, progress.heed)
                status, complaint = sender.status, sender.complaint
        if gateway.failures:
            raise MonitorError(gateway.failures[0])
        if status != 0:
            raise MonitorError(f"the sender failed: {complaint or f'status {status}'}")
        return msgspec.json.decode(heard_path.read_bytes(), type=Heard)


def protocol_for(matrix: int) -> Protocol:
    """Return the demo's protocol with its regions scaled to another matrix."""
    scale = matrix / _DRAWN_FOR_PX

    def scaled(found: re.Match[str]) -> str:
        least = 0.6 if found[1] == "radii_px" else 0.0
        y, x = (max(float(number) * scale, least) for number in (found[2], found[3]))
        return f"{found[1]} = [{y}, {x}]"

    text = load_protocol("mrgfus-demo").text.replace('name = "mrgfus-demo"', f'name = "{_NAME}"')
    # a centre between pixels with a small radius holds none of them: whole pixels hold one
    text = re.sub(r"(center_px|radii_px) = \[([\d.]+), ([\d.]+)\]", scaled, text)
    text = re.sub(
        r"center_px = \[([\d.]+), ([\d.]+)\]",
        lambda found: f"center_px = [{round(float(found[1]))}.0, {round(float(found[2]))}.0]",
        text,
    )
    return parse_protocol(text)


def timings_of(out: Path, heard: Heard) -> tuple[list[Timing], int]:
    """Return the timings after the warm-up, and how many frames had no result."""
    run = read_run(out)
    run.close()
    rows = run.verdicts
    timings = [
        Timing(row.frame_id, dict(row.stage_ms), row.age_ms, _end_to_end_ms(heard, row.frame_id))
        for row in rows
        if row.outcome == "COMPUTED" and row.frame_id >= _N_WARM
    ]
    return timings, sum(row.outcome != "COMPUTED" for row in rows)


def _end_to_end_ms(heard: Heard, frame_id: int) -> float:
    sent_ns, heard_ns = heard.sent_ns.get(frame_id), heard.heard_ns.get(frame_id)
    return float("nan") if sent_ns is None or heard_ns is None else (heard_ns - sent_ns) / 1e6


def write_csv(path: Path, timings: list[Timing]) -> None:
    """Write one row a frame."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = (*STAGES, "kernels", "age", "end_to_end")
        writer.writerow(["frame", *(f"{name}_ms" for name in names)])
        for one in timings:
            stages = [f"{one.stage_ms.get(stage, 0.0):.3f}" for stage in STAGES]
            rest = [f"{value:.3f}" for value in (one.kernels_ms, one.age_ms, one.end_to_end_ms)]
            writer.writerow([one.frame_id, *stages, *rest])


def _print(timings: list[Timing], title: str) -> None:
    table = Table("stage", "p50", "p99", "p99.9", "max", title=f"{title} (ms)")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in STAGES:
        _add(table, stage.replace("_", " "), [one.stage_ms.get(stage, 0.0) for one in timings])
    table.add_section()
    ages = [one.age_ms for one in timings]
    _add(table, "last readout received → verdict published", ages)
    end_to_end = [one.end_to_end_ms for one in timings if np.isfinite(one.end_to_end_ms)]
    if end_to_end:
        _add(table, "last readout sent → verdict event received", end_to_end)
    console().print(table)
    kernels_ms = sum(
        float(np.median([one.stage_ms.get(stage, 0.0) for one in timings])) for stage in KERNELS
    )
    median_ms, tail_ms = np.percentile(ages, 50), np.percentile(ages, 99.9)
    click.echo(f"sum of the kernels' medians {kernels_ms:.2f} ms")
    click.echo(f"median / that sum           {median_ms / kernels_ms:.2f}")
    click.echo(f"p99.9 / median              {tail_ms / median_ms:.2f}  ({len(timings)} frames)")


def _add(table: Table, name: str, values: list[float]) -> None:
    table.add_row(name, *(f"{p:.3f}" for p in np.percentile(values, (50, 99, 99.9, 100))))
