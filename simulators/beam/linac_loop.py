"""Runs a fraction against a monitor: plays a moving patient, obeys the permit, delivers beams."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulators.beam.accelerator import Accelerator
from simulators.beam.outcome import BeamOutcome, Gating, judge
from simulators.beam.plan import Plan
from simulators.device_line import DeviceLine, Monitor
from simulators.faults import Fault
from simulators.lease import Lease
from simulators.monitor_loop import Conversation, MonitorLoop
from simulators.readout import Readout

Real = NDArray[np.float64]

_TAIL_S = 1.0  # of imaging after the last beam
_ANSWER_S = 0.5  # in lock-step, for a report: so that the frame that it belongs to has it


class ImagedPatient(Protocol):
    """A scan of a patient who moves."""

    def header_xml(self) -> bytes:
        """Return the MRD header."""

    def readouts(self) -> Iterator[Readout]:
        """Yield the noise scan, then every readout in order of time."""

    def with_waveforms(self, readouts: Iterable[Readout]) -> Iterator[Readout]:
        """Yield readouts with the waveforms, where there are any, between them."""


@dataclass(frozen=True, slots=True)
class AcceleratorSettings:
    """See `Accelerator`."""

    on_latency_s: float = 0.3
    off_latency_s: float = 0.2
    between_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinacResult(Conversation):
    """What came of a fraction. n_frames: played."""

    n_frames: int
    beam: BeamOutcome


class LinacLoop:
    """One fraction against one monitor; for `speed` see `MonitorLoop`.

    displacement_mm: of times (n,), of the target from rest (n, 3), LPS. gating: by which the
    delivery is judged.
    """

    def __init__(
        self,
        scan: ImagedPatient,
        plan: Plan,
        displacement_mm: Callable[[Real], Real],
        monitor: Monitor,
        *,
        speed: float = math.inf,
        config: str = "mrlinac-demo",
        faults: tuple[Fault, ...] = (),
        frame_wait_s: float = 5.0,
        settings: AcceleratorSettings = AcceleratorSettings(),
        gating: Gating = Gating(),  # noqa: B008 - frozen
    ) -> None:
        self.plan, self.displacement_mm, self.gating = plan, displacement_mm, gating
        self.accelerator: Accelerator | None = None
        self._scan, self._monitor, self._settings = scan, monitor, settings
        self._loop = MonitorLoop(
            monitor, speed=speed, config=config, faults=faults, frame_wait_s=frame_wait_s
        )

    def run(self) -> LinacResult:
        """Play the whole fraction; the beam is off when this returns."""
        settings, patience_s = self._settings, _ANSWER_S if self._loop.is_lock_step else 0.0
        played = _Played(self._scan)
        with DeviceLine(self._monitor, zero_s=played.next_s, patience_s=patience_s) as line:
            self.accelerator = accelerator = Accelerator(
                self.plan,
                line,
                on_latency_s=settings.on_latency_s,
                off_latency_s=settings.off_latency_s,
                between_s=settings.between_s,
            )
            device = _ImagedDelivery(played, accelerator)
            talk = self._loop.run(device)
        outcome = judge(
            self.plan, accelerator, self.displacement_mm, self.gating, refusals=line.refusals
        )
        return LinacResult(
            **{one.name: getattr(talk, one.name) for one in fields(talk)},
            n_frames=device.n_frames,
            beam=outcome,
        )


class _Played:
    """A scan as it is played, the readout to come in hand."""

    def __init__(self, scan: ImagedPatient) -> None:
        self.noise: list[Readout] = []
        self.header_xml = scan.header_xml()
        readouts = scan.readouts()
        for readout in readouts:
            if readout.frame >= 0:
                self._rest = iter(scan.with_waveforms(chain([readout], readouts)))
                break
            self.noise.append(readout)
        else:
            raise ValueError("a scan without a frame")
        self._next = next(self._rest, None)

    @property
    def next_s(self) -> float:
        """Scanner time of the readout to come, infinite after the last."""
        return math.inf if self._next is None else self._next.t_s

    def take(self) -> Readout:
        """Return the readout to come."""
        taken, self._next = self._next, next(self._rest, None)
        if taken is None:
            raise ValueError("the scan is over")
        return taken


class _ImagedDelivery:
    """The scanner and the accelerator: imaging goes on for a while after the last beam."""

    def __init__(self, played: _Played, accelerator: Accelerator) -> None:
        self.time_s = 0.0
        self.n_frames = 0
        self._played, self._accelerator = played, accelerator
        self._finished_s = math.inf
        self._is_between_frames = True

    @property
    def next_s(self) -> float | None:
        """Scanner time of the readout to come; None where every one was played."""
        next_s = self._played.next_s
        is_over = self._is_between_frames and next_s > self._finished_s + _TAIL_S
        return None if is_over or math.isinf(next_s) else next_s

    def header(self) -> bytes:
        """Return the MRD header, XML."""
        return self._played.header_xml

    def opening(self) -> Iterator[Readout]:
        """Yield the noise scan."""
        yield from self._played.noise

    def play(self, lease: Lease) -> Readout:
        """Play the next readout; until then beams are delivered as the lease permits."""
        readout = self._played.take()
        self._accelerator.advance(readout.t_s, lease)
        self.time_s = max(readout.t_s, self.time_s)
        if self._accelerator.is_finished:
            self._finished_s = min(self._finished_s, self.time_s)
        self._is_between_frames = readout.is_last_of_frame
        self.n_frames += readout.is_last_of_frame
        return readout

    def stop(self) -> None:
        """End the beam, and say so."""
        self._accelerator.stop()
