"""A patient in the MR-linac: what `mrmonitor simulate --patient lung-sagittal` and others play."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from messages import MonitorError
from realtime.cli.option_group import grouped
from realtime.cli.simulated_scan import ScanSwitches
from simulators.linac import (
    LINAC_PATIENTS,
    LINAC_SEQUENCES,
    Event,
    Fade,
    LinacScan,
    NoiseBurst,
    baseline_shift,
    cough,
    deep_breath,
    gas,
    linac_scan,
    out_of_plane,
    read_film,
    read_trace,
)

_EVENTS: dict[str, Callable[[float], Event]] = {
    "cough": cough,
    "deep-breath": deep_breath,
    "shift": lambda at_s: baseline_shift(at_s, displacement_mm=(0.0, -2.0, -6.0), over_s=1.0),
    "gas": gas,
    "out-of-plane": out_of_plane,
    "fade": lambda at_s: Fade(at_s=at_s, share=0.1, until_s=at_s + 4, of_target=False),
    "noise-burst": lambda at_s: NoiseBurst(at_s=at_s),
}


@dataclass(frozen=True, slots=True)
class MovingSwitches:
    """What the command line says of such a patient.

    trace: how he moves instead. cine: what he looks like instead, which moves by itself without a
    trace. event: NAME@SECONDS of what happens besides.
    """

    trace: Path | None = None
    cine: Path | None = None
    event: tuple[str, ...] = ()

    def events(self) -> tuple[Event, ...]:
        """Return what happens. Raises MonitorError for what cannot."""
        return tuple(map(_event, self.event))


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_OPTIONS = (
    click.option(
        "--trace",
        type=_FILE,
        help="Motion of an MR-linac patient: columns t (s), LR, SI, AP (mm).",
    ),
    click.option(
        "--cine",
        type=_FILE,
        help="Real frames (.npz) in place of an MR-linac patient's; they play, or move by --trace.",
    ),
    click.option(
        "--event",
        multiple=True,
        metavar="NAME@SECONDS",
        help=f"What happens to an MR-linac patient: {', '.join(_EVENTS)}.",
    ),
)


moving_options = grouped("moving", MovingSwitches, MovingSwitches.__slots__, _OPTIONS)
"""Add the switches to a command, which takes them as `moving`."""


def moving_scan(
    patient: str, sequence: str | None, switches: ScanSwitches, moving: MovingSwitches
) -> LinacScan:
    """Return a patient of the MR-linac in a sequence of its own, by default the one that fits."""
    if sequence is not None and sequence not in LINAC_SEQUENCES:
        raise MonitorError(
            f"--patient {patient}: --sequence {sequence}, expected {', '.join(LINAC_SEQUENCES)}"
        )
    try:
        return linac_scan(
            patient,
            sequence=sequence,
            motion=read_trace(moving.trace) if moving.trace else None,
            film=read_film(moving.cine) if moving.cine else None,
            events=moving.events(),
            has_waveforms=switches.waveforms,
            n_frames=switches.frames or LINAC_PATIENTS[patient].n_frames,
            **(switches.of_receiver() | switches.of_matrix()),  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise MonitorError(f"--patient {patient}: {error}") from error


def _event(text: str) -> Event:
    name, _, at = text.partition("@")
    try:
        return _EVENTS[name](float(at))
    except (KeyError, ValueError):
        names = ", ".join(_EVENTS)
        raise MonitorError(f"--event {text}: expected NAME@SECONDS, NAME of {names}") from None
