"""`mrmonitor serve`: the monitor beside a scanner, until somebody stops it."""

import signal
from pathlib import Path
from types import FrameType

import click

from messages import Alert, RunStart, RunStop
from messages.codec import Noun
from realtime.alerts import faults
from realtime.cli.companion import Companion, Place
from realtime.cli.console import counted
from realtime.cli.host import Follower
from realtime.cli.open_host import keys_option, listening
from realtime.cli.outputs import Outputs, outputs_options
from realtime.cli.reports import Reports
from realtime.cli.teller import Teller
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.protocol import load_protocol
from realtime.settings import Settings
from realtime.tuning import Tuning, take_descriptors

_PORT = click.IntRange(0, 65535)
_COLOURS = {"high": "bold red", "medium": "yellow", "low": "cyan"}


@click.command()
@click.option("--protocol", "name", help="For clients that name no installed protocol.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, default=9002, show_default=True, help="MRD over TCP.")
@click.option("--zmq-port", type=_PORT, default=9003, show_default=True, help="MRD over ZeroMQ.")
@click.option("--events-port", type=_PORT, default=9004, show_default=True, help="Events out.")
@click.option("--control-port", type=_PORT, default=9005, show_default=True, help="Requests in.")
@click.option("--record/--no-record", default=True, help="Keep the raw data in raw.mrd.")
@click.option("--record-identified", is_flag=True, help="Keep there what tells of the person.")
@click.option("--report/--no-report", default=True, help="Write a report after each run.")
@click.option(
    "--most-mib",
    type=click.IntRange(256),
    default=8192,
    show_default=True,
    help="Memory that one process may take; a worker beyond it is replaced.",
)
@outputs_options
@keys_option
@click.option("--scanner", "scanners", multiple=True, help="Address that MRD over TCP comes from.")
@click.option("--i-know-this-is-unencrypted", is_flag=True, help="Allow what is not encrypted.")
def serve(
    name: str | None,
    out: Path,
    host: str,
    port: int,
    zmq_port: int,
    events_port: int,
    control_port: int,
    record: bool,
    record_identified: bool,
    report: bool,
    most_mib: int,
    outputs: Outputs,
    keys: Path | None,
    scanners: tuple[str, ...],
    i_know_this_is_unencrypted: bool,
) -> None:
    """Serve scanners over MRD until stopped.

    Several at once, of which one may treat, each into a run folder of its own. Port 0 takes a free
    one. Ctrl-C or SIGTERM holds the permit and closes the runs. Another --host than this machine
    alone wants --keys; MRD over TCP stays on this machine unless --scanner says who may send.
    """
    where = listening(host, keys=keys, scanners=scanners, is_unencrypted=i_know_this_is_unencrypted)
    outputs.check(is_unencrypted=i_know_this_is_unencrypted)
    settings = Settings(
        out,
        None if name is None else load_protocol(name),
        tcp=(where.tcp_host, port),
        zmq=_endpoint(host, zmq_port),
        addresses=Addresses(_endpoint(host, events_port), _endpoint(host, control_port)),
        is_recording=record,
        most_mib=most_mib,
        keys=keys,
        scanners=where.scanners,
        keeps_identity=record_identified,
        tuning=Tuning(),
    )
    take_descriptors()
    gateway = Gateway(settings, MonotonicClock())
    companions: list[Companion] = []
    teller = Teller(is_error=outputs.keeps_stdout)
    _stop_on_signals(gateway)
    try:
        place = Place(gateway.publisher.endpoints, keys, tuple(gateway.refused_tuning))
        companions += outputs.start(place, teller.say)
        _announce(gateway, where.tcp_host, companions, teller)
        _serve(gateway, Reports() if report else None, companions, teller)
    finally:
        for one in companions:
            one.hang_up()
        gateway.close()
        for one in companions:
            one.close()
    teller.say("stopped; the permit is held")
    teller.close()


def _endpoint(host: str, port: int) -> str:
    return f"tcp://{host}:{port or '*'}"


def _stop_on_signals(gateway: Gateway) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        gateway.is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _announce(gateway: Gateway, host: str, companions: list[Companion], teller: Teller) -> None:
    endpoints, say = gateway.publisher.endpoints, teller.say
    say("research software, not a safety interlock")
    say(f"MRD over TCP     tcp://{host}:{gateway.tcp_port}")
    say(f"MRD over ZeroMQ  {gateway.zmq_endpoint}")
    say(f"events           {endpoints.events}")
    say(f"control          {endpoints.control}")
    for one in companions:
        say(f"{one.name:17}{one.where}")
    say(f"run folders      {gateway.settings.out}")
    for refused in gateway.refused_tuning:
        say(f"not permitted    {refused}: the slowest frames take longer")


def _serve(
    gateway: Gateway, reports: Reports | None, companions: list[Companion], teller: Teller
) -> None:
    follower, n_folders = Follower(gateway, lambda noun: _tell(noun, teller)), 0
    try:
        while not gateway.is_stopping:
            gateway.turn()
            follower.hear()
            for lost in filter(None, (one.problem() for one in companions)):
                gateway.notice(faults.output_lost(lost))
            if reports is None:
                continue
            for folder in gateway.folders[n_folders:]:
                reports.expect(folder)
            n_folders = len(gateway.folders)
            if gateway.is_idle:
                reports.turn()
    finally:
        follower.close()


def _tell(noun: Noun, teller: Teller) -> None:
    if isinstance(noun, RunStart):
        teller.say(f"run {noun.run_id} from {noun.source}: protocol {noun.protocol_name}")
    elif isinstance(noun, RunStop):
        n_frames = counted(noun.n_frames, "frame")
        teller.say(f"run {noun.run_id} {noun.status}: {n_frames}; {noun.reason}")
    elif isinstance(noun, Alert):
        style = _COLOURS[noun.priority]
        text = f"alert {noun.alert_id} {noun.state}, {noun.priority}: {noun.text}"
        teller.say(text, style=style)
