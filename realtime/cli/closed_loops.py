"""Closed loops of `mrmonitor simulate`: the simulated device obeys the monitor that it plays to."""

import json
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from messages import MonitorError
from realtime.cli.console import counted
from realtime.cli.open_host import keys_option
from realtime.cli.option_group import grouped
from realtime.security.keys import secure_client
from simulators import TreatmentSimulator
from simulators.beam import (
    PLAN_FILE,
    STRUCTURES_FILE,
    AcceleratorSettings,
    LinacLoop,
    LinacResult,
    Plan,
    plan_of,
    write_beam_truth,
    write_rt_set,
)
from simulators.closed_loop import ClosedLoop, ClosedLoopResult
from simulators.device_line import Monitor
from simulators.faults import Fault
from simulators.linac import LINAC_PATIENTS, LinacScan, Scene, write_linac_truth
from simulators.monitor_loop import Conversation

_SITES = {"liver-sagittal": "liver", "prostate-sagittal": "prostate"}  # all others are of the lung
_CONFIG = "mrlinac-demo"  # what a fraction can be played against


@dataclass(frozen=True, slots=True)
class LoopSwitches:
    """What the command line says of a closed loop; without an events_port there is none."""

    events_port: int | None = None
    control_port: int | None = None
    summary: Path | None = None
    rt_plan: Path | None = None
    beam_on_ms: float = 300.0
    beam_off_ms: float = 200.0
    keys: Path | None = None

    def monitor_at(self, url: str) -> Monitor | None:
        """Return the monitor that is obeyed, None where none is."""
        if self.events_port is None:
            if self.control_port is not None:
                text = "only with --events-port, a closed loop reports what the device does"
                raise MonitorError(f"--control-port: {text}")
            return None
        if not url.startswith("tcp://"):
            raise MonitorError(f"--to {url}: the loop closes over tcp://host:port only")
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or not port:
            raise MonitorError(f"address {url!r}, expected tcp://host:port")
        secure = partial(secure_client, folder=self.keys)
        return Monitor(host, port, self.events_port, self.control_port, secure)


_MS = click.FloatRange(min=0, max=10_000)
_PORT = click.IntRange(1, 65535)
_OPTIONS = (
    click.option("--events-port", type=_PORT, help="Close the loop: obey permits."),
    click.option("--control-port", type=_PORT, help="Report power or beams there."),
    click.option(
        "--summary", type=click.Path(path_type=Path), help="Where to write what came of it."
    ),
    click.option(
        "--rt-plan",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder to write an MR-linac patient's plan to, as DICOM RT.",
    ),
    click.option(
        "--beam-on-ms", type=_MS, default=300.0, show_default=True, help="Permit to beam."
    ),
    click.option(
        "--beam-off-ms", type=_MS, default=200.0, show_default=True, help="Its end to beam off."
    ),
    keys_option,
)


loop_options = grouped("loop", LoopSwitches, LoopSwitches.__slots__, _OPTIONS)
"""Add the switches to a command, which takes them as `loop`."""


def close_heat_loop(
    simulator: TreatmentSimulator,
    monitor: Monitor,
    *,
    pace: float | None,
    config: str,
    faults: tuple[Fault, ...],
    summary: Path | None,
) -> None:
    """Play a treatment with heat to a monitor and tell what came of it."""
    speed = math.inf if pace is None else pace
    result = ClosedLoop(simulator, monitor, speed=speed, config=config, faults=faults).run()
    _tell(
        result,
        f"{counted(len(result.frames), 'frame')}, heated {result.heated_s:.1f} s",
        summary=summary,
    )


def close_beam_loop(
    patient: str | None,
    scan: object,
    monitor: Monitor,
    loop: LoopSwitches,
    *,
    pace: float | None,
    config: str | None,
    faults: tuple[Fault, ...],
    truth: Path | None,
) -> None:
    """Play a fraction to a monitor and tell what came of it."""
    moving, plan = planned(patient, scan)
    delivery = LinacLoop(
        moving,
        plan,
        moving.scene.displacement_mm,
        monitor,
        speed=math.inf if pace is None else pace,
        config=config or _CONFIG,
        faults=faults,
        settings=AcceleratorSettings(loop.beam_on_ms / 1e3, loop.beam_off_ms / 1e3),
    )
    result = delivery.run()
    if truth is not None:
        write_linac_truth(truth, moving)
        if delivery.accelerator is not None:
            write_beam_truth(
                truth, plan, delivery.accelerator, delivery.displacement_mm, delivery.gating
            )
    beam = result.beam
    text = (
        f"{counted(result.n_frames, 'frame')}, {beam.delivered_mu:.1f} of {beam.planned_mu:.1f} MU"
        f" in {beam.on_s:.1f} s of beam, duty {beam.duty_percent:.0f} %, target outside in "
        f"{beam.beam_on_outside_percent:.1f} % of it"
    )
    _tell(result, text, summary=loop.summary)


def planned(patient: str | None, scan: object) -> tuple[LinacScan, Plan]:
    """Return an MR-linac patient's scan and plan. Raises MonitorError where there is none."""
    if not isinstance(scan, LinacScan) or patient is None:
        text = f"only with a treatment or --patient {', '.join(LINAC_PATIENTS)}"
        raise MonitorError(f"--events-port, --rt-plan: {text}")
    if not isinstance(scan.scene, Scene):
        raise MonitorError("--cine: of a film nobody knows the target's shape, there is no plan")
    site = _SITES.get(patient, "lung")
    return scan, plan_of(scan.scene.bodies[0], scan.scene.origin_mm, site=site)


def write_plan(patient: str | None, scan: object, folder: Path) -> str:
    """Write an MR-linac patient's plan as DICOM RT; return a protocol's [dose] that names it."""
    _, plan = planned(patient, scan)
    try:
        write_rt_set(plan, folder)
    except OSError as error:
        raise MonitorError(f"{folder}: {error.strerror}, expected a folder to write to") from error
    beams = ", ".join(f'"{one.name}"' for one in sorted(folder.glob("beam-*.dcm")))
    files = f'plan = "{PLAN_FILE}"\nstructures = "{STRUCTURES_FILE}"\nbeams = [{beams}]\n'
    return f'[dose]\n{files}target = "{plan.structures[0].name}"\n'


def _tell(result: ClosedLoopResult | LinacResult, text: str, *, summary: Path | None) -> None:
    if summary is not None:
        summary.write_text(summary_text(result), encoding="utf-8")
    for one in result.texts:
        click.echo(one)
    click.echo(f"{result.status}: {text}")
    problems = (*result.faults, *(one for one in result.texts if one.startswith("ERROR")))
    if result.status != "completed" or problems:
        raise MonitorError("; ".join((result.status, *problems)))
    if result.n_unanswered_frames:
        raise MonitorError(f"{result.n_unanswered_frames} frames were not answered")


def summary_text(result: Conversation) -> str:
    """Return what came of a treatment as JSON; what never happened is null."""
    return json.dumps(_finite(asdict(result)), indent=1, ensure_ascii=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
