"""What the scanner of `mrmonitor latency` plays: a ready-made frame, and when readouts leave."""

from dataclasses import dataclass
from itertools import islice
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulators import Scan
from simulators.sequences import Cartesian, Radial, ScanSequence
from simulators.static_frames import ReadyFrame

Trajectory = Literal["cartesian", "radial"]

_SNR = 40.0
# A frame's readouts fill so much of its period; the rest is split at random about them, so that no
# frame keeps step with a turn of the gateway's loop, a timer or a competing process.
_DUTY = 0.8
_STEP_SEED = 20261121


class Order(msgspec.Struct, frozen=True):
    """What to send, where, and how fast. spokes: of a radial frame; 0 where it is Cartesian."""

    port: int
    events: str
    config: str
    matrix: int
    n_coils: int
    rate_hz: float
    n_frames: int
    trajectory: Trajectory = "cartesian"
    spokes: int = 0
    wants_images: bool = False

    @property
    def n_rows(self) -> int:
        """Readouts of a frame."""
        return self.spokes or self.matrix


@dataclass(frozen=True, slots=True)
class ReadyScan:
    """Header, noise scan and the one frame, as bytes."""

    header_xml: bytes
    noise: tuple[bytes, ...]
    frame: ReadyFrame


def ready_scan(order: Order) -> ReadyScan:
    """Return the unheated head as the order wants it.

    Spokes turn by the golden angle, anew in each frame: each frame costs what one of a scan whose
    spokes turn on costs, and its temperature is that of a head at rest.
    """
    sequence = _sequence(order)
    scan = Scan(sequence, n_coils=order.n_coils, snr=_SNR)
    readouts = scan.readouts()
    noise, imaging = [], []
    for readout in readouts:
        if readout.frame >= 0:
            imaging.append(readout.message)
            imaging += [one.message for one in islice(readouts, order.n_rows - 1)]
            break
        noise.append(readout.message)
    frame = ReadyFrame(imaging, n_before=len(noise), ticks=sequence.ticks)
    return ReadyScan(scan.header_xml(), tuple(noise), frame)


def departures_s(order: Order) -> NDArray[np.float64]:
    """Return when each readout leaves (frame, row), from the first frame's earliest."""
    period_s, n_rows = 1.0 / order.rate_hz, order.n_rows
    rng = np.random.default_rng(_STEP_SEED)
    begins = np.arange(order.n_frames) + rng.uniform(0, 1 - _DUTY, order.n_frames)
    within = np.arange(n_rows) * (_DUTY / n_rows)
    return np.asarray((begins[:, None] + within) * period_s)


def _sequence(order: Order) -> ScanSequence:
    """Return the sequence with the demo's timing: only its stamps run as fast as it is sent."""
    size = (order.matrix, order.matrix)
    if order.trajectory == "radial":
        return Radial(
            matrix=size,
            n_frames=order.n_frames,
            spokes_per_frame=order.spokes,
            angles="golden-restarted",
            time_stamp_unit="us",
        )
    return Cartesian(matrix=size, n_frames=order.n_frames, time_stamp_unit="us")
