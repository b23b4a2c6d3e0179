"""`mrmonitor replay`: a recording through the monitor, into a run folder."""

import json
import socket
from pathlib import Path

import click

from messages import MonitorError
from realtime.cli.client import Client
from realtime.cli.console import console, counted
from realtime.cli.host import fresh_folder, hosting, local_settings, serve_client
from realtime.cli.progress import FrameProgress
from realtime.cli.protocol_check import check_header
from realtime.cli.run_summary import print_summary
from realtime.gateway import Gateway
from realtime.outputs.report import write_report
from realtime.outputs.report_record import read_run
from realtime.protocol import Protocol, load_protocol
from realtime.recorded_run import as_recorded
from realtime.streams.mrd_header import parse_header
from realtime.streams.player import parse_speed
from realtime.streams.recordings import open_recording


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--protocol", "protocol_name", required=True, help="A file, or a shipped name.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The run folder.")
@click.option("--speed", default="max", show_default=True, help="max, or times the scanner's pace.")
@click.option("--no-report", is_flag=True, help="Write no report.")
@click.option("--record/--no-record", default=True, help="Keep the raw data in raw.mrd.")
def replay(
    file: Path, protocol_name: str, out: Path, speed: str, no_report: bool, record: bool
) -> None:
    """Play a recording of raw data through the monitor into a run folder.

    At max the source waits for the monitor, every frame is computed, and two replays agree bit for
    bit; at any other speed deadlines count as they do live.
    """
    pace = parse_speed(speed)
    protocol = load_protocol(protocol_name)
    header = parse_header(open_recording(file).header_xml)
    check_header(protocol, header)
    protocol = _as_recorded(protocol, file, is_live=pace is not None)
    fresh_folder(out)
    settings = local_settings(
        out, protocol, is_lossless=pace is None, is_recording=record, replayed=file
    )
    target = next((one.name for one in protocol.region if one.role == "target"), None)
    with hosting(settings) as gateway, FrameProgress(None, target=target) as progress:
        problem = _play(gateway, file, protocol, progress, speed=speed)
    if not (out / "run.json").exists():
        # refused before its first frame: there is no run to report on, only why
        raise MonitorError(next(iter(gateway.failures), problem) or "no frame came")
    if not no_report:
        click.echo(f"report: {write_report(out)}")
    print_summary(out, console())
    problem = _failure(gateway, out) or problem
    if problem:
        raise MonitorError(problem)


def _as_recorded(protocol: Protocol, file: Path, *, is_live: bool) -> Protocol:
    """Return the protocol with the iterations of the recording's run, and say which they are."""
    if not isinstance(protocol.recon.iterations, tuple):
        return protocol
    found = as_recorded(protocol, file)
    told = f"no run.json of this protocol beside {file.name} tells what was chosen; "
    told += "what fits here" if is_live else f"the most, {protocol.recon.most_iterations}"
    if found is not protocol:
        told = f"{found.iterations}, as the recording's run.json tells"
    click.echo(f"recon.iterations: {told}", err=True)
    return found


def _play(
    gateway: Gateway, file: Path, protocol: Protocol, progress: FrameProgress, *, speed: str
) -> str:
    """Return what the player had to complain of, empty where nothing."""
    ours, theirs = socket.socketpair()
    gateway.adopt(ours, name=f"replay:{file.name}")
    arguments = [str(file), "--fd", str(theirs.fileno()), "--speed", speed]
    arguments += ["--config", protocol.protocol.name]
    with Client("realtime.streams.player", arguments, fd=theirs.fileno()) as player:
        theirs.close()
        serve_client(gateway, player, progress.heed)
        if player.status == 0:
            return ""
        try:
            return str(json.loads(player.output)["problem"]) or player.complaint
        except ValueError:
            return player.complaint or f"the player ended with status {player.status}"


def _failure(gateway: Gateway, out: Path) -> str:
    """Return why the run is no success, empty where it is one."""
    if gateway.failures:
        return gateway.failures[0]
    run = read_run(out)
    run.close()
    if run.stop is None:
        return f"{out}: the run never ended, its run.json has no stop"
    if run.stop.status != "completed":
        return f"run {run.stop.status}: {run.stop.reason}"
    n_bad = run.stop.n_late + run.stop.n_fault
    if n_bad:
        return (
            f"{n_bad} of {counted(run.stop.n_frames, 'frame')} without a result "
            f"({run.stop.n_late} late, {run.stop.n_fault} failed)"
        )
    return ""
