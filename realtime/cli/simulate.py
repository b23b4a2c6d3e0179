"""`mrmonitor simulate`: a simulated treatment to a file, or to a monitor over TCP or ZeroMQ."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import threadpoolctl

from messages import MonitorError
from realtime.cli.closed_loops import (
    LoopSwitches,
    close_beam_loop,
    close_heat_loop,
    loop_options,
    write_plan,
)
from realtime.cli.console import counted
from realtime.cli.moving_patient import MovingSwitches, moving_options, moving_scan
from realtime.cli.open_loop import OpenLoop, write_recording
from realtime.cli.played import tell_played
from realtime.cli.progress import ReadoutProgress
from realtime.cli.simulated_faults import fault_options, faults_of
from realtime.cli.simulated_scan import (
    ScanSwitches,
    SimulatedScan,
    named_scan,
    patient_scan,
    write_scan,
)
from realtime.clock import MonotonicClock
from realtime.streams.links import open_link
from realtime.streams.player import PlayerSettings, parse_speed, play
from realtime.streams.recording import Recording
from simulators import GradientEcho, Scan, Treatment, TreatmentSimulator, default_treatment
from simulators.faults import Fault
from simulators.linac import LINAC_PATIENTS, LINAC_SEQUENCES, LinacScan, write_linac_truth
from simulators.patients import PATIENTS
from simulators.scan_truth import write_scan_truth, write_tissue_truth
from simulators.sequences import CATALOGUE
from simulators.tissue_scan import TissueScan
from simulators.truth import write_truth

_TREATMENT_CONFIG, _SCAN_CONFIG = "mrgfus-demo", "imaging"  # what each can be played against


@click.command()
@click.option("--to", "to", required=True, help="tcp://host:port, zmq://host:port or a file.")
@click.option(
    "--sequence",
    type=click.Choice(["treatment", *CATALOGUE, *sorted({*LINAC_SEQUENCES} - {*CATALOGUE})]),
    help="treatment by default.",
)
@click.option(
    "--patient",
    type=click.Choice([*PATIENTS, *LINAC_PATIENTS]),
    help="Tissue that a scan plays over.",
)
@moving_options
@click.option("--waveforms", is_flag=True, help="Send ECG and breath too; not with a treatment.")
@click.option("--compress", type=click.IntRange(2, 31), help="Bits a number; not in a treatment.")
@click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    help="How many; 30, 10 of a scan, or what the patient needs.",
)
@click.option("--snr", type=click.FloatRange(min=0, min_open=True), help="At the focus; inf too.")
@click.option("--coils", type=click.IntRange(1, 128), help="8 by default.")
@click.option("--matrix", type=click.IntRange(16, 1024), help="Lines and samples; 128 by default.")
@click.option("--speed", default="1.0", show_default=True, help="max, or times the scanner's pace.")
@click.option("--seed", type=int, help="Of the noise; same seed, same data.")
@click.option("--heat/--no-heat", default=True, help="Whether the power goes on as planned.")
@click.option("--config", help="Protocol to ask for; mrgfus-demo, or imaging for a scan.")
@click.option("--truth", type=click.Path(path_type=Path), help="Where to write the truth (HDF5).")
@loop_options
@fault_options
def simulate(
    to: str,
    sequence: str | None,
    patient: str | None,
    moving: MovingSwitches,
    waveforms: bool,
    compress: int | None,
    frames: int | None,
    snr: float | None,
    coils: int | None,
    matrix: int | None,
    speed: str,
    seed: int | None,
    heat: bool,
    config: str | None,
    truth: Path | None,
    loop: LoopSwitches,
    **fault_switches: tuple[str, ...],
) -> None:
    """Play a simulated treatment to a file or a monitor.

    --sequence plays a scan of that kind instead, whose focus warms by 1 °C/s from a quarter on (a
    volume stays cold). --patient plays over tissue that breathes, holds fat, drifts or is pushed,
    in its own sequence or in the one that is given; those of the MR-linac move as --trace says. A
    file ending in .h5 becomes ISMRMRD HDF5, any other an MRD stream. With --events-port the
    simulated therapy device obeys the permit; without, it heats as planned.
    """
    _check_folders(to if "://" not in to else None, truth, loop.summary)
    asked = _Asked(to, parse_speed(speed), config, faults_of(fault_switches), truth, loop)
    if patient is None and sequence in (None, "treatment"):
        treatment = _treatment(frames=frames, snr=snr, coils=coils, matrix=matrix, seed=seed)
        _play_treatment(TreatmentSimulator(treatment), asked, is_heated=heat)
        return
    switches = ScanSwitches(frames, snr, coils, matrix, seed, heat, waveforms, compress or 0)
    scan = _scan(sequence, patient, switches, moving, to)
    # these sums are small: a second thread waits more than it works
    threadpoolctl.threadpool_limits(limits=1)
    if loop.rt_plan is not None:
        click.echo(f"for a protocol in {loop.rt_plan}:\n")
        click.echo(write_plan(patient, scan, loop.rt_plan))
    _play_scan(scan, patient, asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where something is played to, and how. pace: None as fast as it is taken."""

    to: str
    pace: float | None
    config: str | None
    faults: tuple[Fault, ...]
    truth: Path | None
    loop: LoopSwitches

    @property
    def is_file(self) -> bool:
        return "://" not in self.to


def _check_folders(*files: str | Path | None) -> None:
    for file in files:
        if file is not None and not Path(file).parent.is_dir():
            raise MonitorError(f"{file}: there is no folder {Path(file).parent}")


def _scan(
    sequence: str | None,
    patient: str | None,
    switches: ScanSwitches,
    moving: MovingSwitches,
    to: str,
) -> Scan | TissueScan | LinacScan:
    if switches.compress_bits and to.endswith(".h5"):
        raise MonitorError(f"--compress: {to} is HDF5, which holds plain readouts only")
    if patient in LINAC_PATIENTS:
        return moving_scan(patient, sequence, switches, moving)
    if moving != MovingSwitches():
        names = ", ".join(LINAC_PATIENTS)
        raise MonitorError(f"--trace, --cine, --event: only with --patient {names}")
    if sequence in LINAC_SEQUENCES and sequence not in CATALOGUE:
        raise MonitorError(f"--sequence {sequence}: only with a --patient of the MR-linac")
    if patient is None:
        return named_scan(sequence or "", switches)
    if sequence == "treatment":
        raise MonitorError(f"--patient {patient}: a treatment has its own, expected a --sequence")
    return patient_scan(patient, sequence, switches)


def _play_treatment(simulator: TreatmentSimulator, asked: _Asked, *, is_heated: bool) -> None:
    monitor = asked.loop.monitor_at(asked.to)
    config = asked.config or _TREATMENT_CONFIG
    played = OpenLoop(simulator, heat=is_heated, faults=asked.faults)
    if monitor is not None:
        close_heat_loop(
            simulator, monitor,
            pace=asked.pace, config=config, faults=asked.faults, summary=asked.loop.summary,
        )  # fmt: skip
    elif asked.is_file:
        with ReadoutProgress() as progress:
            write_recording(Path(asked.to), progress.counting(played))
        click.echo(f"{asked.to}: {counted(len(simulator.truth.frame_time_s), 'frame')}")
    else:
        _stream(played, asked, config)
    if asked.truth is not None:
        write_truth(asked.truth, simulator.truth)


def _play_scan(scan: Scan | TissueScan | LinacScan, patient: str | None, asked: _Asked) -> None:
    monitor = asked.loop.monitor_at(asked.to)
    if monitor is not None:
        close_beam_loop(
            patient, scan, monitor, asked.loop,
            pace=asked.pace, config=asked.config, faults=asked.faults, truth=asked.truth,
        )  # fmt: skip
        return
    recording = SimulatedScan(scan, faults=asked.faults)
    if asked.is_file:
        with ReadoutProgress() as progress:
            n_readouts = write_scan(Path(asked.to), progress.counting(recording))
        click.echo(f"{asked.to}: {n_readouts} readouts")
    else:
        _stream(recording, asked, asked.config or _SCAN_CONFIG)
    if asked.truth is not None:
        _write_truth(asked.truth, scan)


def _write_truth(path: Path, scan: Scan | TissueScan | LinacScan) -> None:
    if isinstance(scan, LinacScan):
        write_linac_truth(path, scan)
        return
    if isinstance(scan, TissueScan):
        with ReadoutProgress("frames of truth") as progress:
            frames = progress.counted(range(scan.sequence.n_frames))
            write_tissue_truth(path, scan, frames=frames)
    else:
        write_scan_truth(path, scan)


def _treatment(
    *,
    frames: int | None,
    snr: float | None,
    coils: int | None,
    matrix: int | None,
    seed: int | None,
) -> Treatment:
    treatment = default_treatment()
    given = {"n_frames": frames, "snr": snr, "n_coils": coils, "seed": seed}
    treatment = replace(treatment, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    if matrix is not None:
        treatment = replace(treatment, sequence=GradientEcho(matrix=(matrix, matrix)))
    return treatment


def _stream(recording: Recording, asked: _Asked, config: str) -> None:
    link = open_link(asked.to, keys=asked.loop.keys)
    settings = PlayerSettings(speed=asked.pace, config_name=config)
    try:
        with ReadoutProgress() as progress:
            watched = progress.counting(recording)
            played = play(watched, link, settings=settings, clock=MonotonicClock())
    finally:
        link.close()
    tell_played(played)
