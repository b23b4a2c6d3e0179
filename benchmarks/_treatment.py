"""One simulated heating, played once without noise, then seen through any noise.

The heating follows a plan and not the monitor, so every seed heats alike. Noise is the simulator's
own, drawn readout by readout, and everything is decoded from MRD bytes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messages import (
    READOUT,
    Acquisition,
    BeamLog,
    Frame,
    FrameKey,
    Maps,
    PowerLog,
    Verdict,
    readout_row,
)
from messages.acquisition import NOISE_MEASUREMENT
from motion.dose import DosePlan
from realtime import pipeline
from realtime.frame_times import FrameTimes
from realtime.pipeline import NoiseScan, PipelineState
from realtime.protocol import Protocol
from realtime.session_setup import assembler_for
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import parse_header
from simulators.coils import head_coils
from simulators.mrd import (
    acquisition_head,
    acquisition_message,
    acquisition_samples,
    header_message,
)
from simulators.noise import Noise, noise_scan_scale, receiver_noise
from simulators.phantom import image
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment
from simulators.truth import TruthLog

Image = NDArray[np.float32]

_MOST_FRAMES = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """When the power is on: up to a temperature at the focus, held there by switching, then off."""

    hold_c: float
    hold_frames: int
    cool_frames: int


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """A heating without noise: its readouts, its truth, and what each frame was.

    phases: "baseline", "ramp", "hold" or "cool" of each frame; "mixed" where one gave way to the
        next within the frame.
    """

    treatment: Treatment
    header_xml: bytes
    messages: tuple[bytes, ...]
    truth: TruthLog
    phases: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the monitor made of it, one entry a frame; arrays float32 (frame, y, x)."""

    time_s: NDArray[np.float64]
    temperature_c: Image
    temperature_std_c: Image
    valid: NDArray[np.bool_]
    dose_cem43_min: Image
    dose_low_cem43_min: Image
    dose_high_cem43_min: Image


def play(treatment: Treatment, plan: Plan) -> Played:
    """Play the treatment without noise, heating as the plan says."""
    simulator = TreatmentSimulator(replace(treatment, snr=math.inf, n_frames=_MOST_FRAMES))
    n_rows = treatment.sequence.matrix[1]
    n_rest = plan.hold_frames + plan.cool_frames
    messages: list[bytes] = []
    phases: list[set[str]] = []
    hold_from: int | None = None
    frame = 0
    while hold_from is None or frame < hold_from + n_rest:
        phases.append(set())
        for _ in range(n_rows):
            is_hot = simulator.truth.peak_c[-1] >= plan.hold_c if messages else False
            if hold_from is None and is_hot:
                hold_from = frame + 1  # the first whole frame at the plateau
            is_cooling = hold_from is not None and frame >= hold_from + plan.hold_frames
            is_due = frame >= treatment.n_baseline_frames and not is_cooling
            messages.append(simulator.next_readout(sonicating=is_due and not is_hot).message)
            phase = "hold" if hold_from is not None else "ramp" if is_due else "baseline"
            phases[-1].add("cool" if is_cooling else phase)
        frame += 1
    names = tuple(one.copy().pop() if len(one) == 1 else "mixed" for one in phases)
    played = replace(treatment, n_frames=frame)
    return Played(
        played, TreatmentSimulator(played).header(), tuple(messages), simulator.truth, names
    )


def with_noise(played: Played, *, snr: float, seed: int) -> Iterator[bytes]:
    """Yield header, noise scan and readouts as the simulator would send them at this SNR."""
    treatment, sequence = played.treatment, played.treatment.sequence
    yield header_message(played.header_xml)
    if math.isinf(snr):
        yield from played.messages
        return
    noise, rng = _noise(treatment, snr), np.random.default_rng(seed)
    head = acquisition_head(played.messages[0]).copy()
    head["flags"], head["center_sample"] = NOISE_MEASUREMENT, 0
    head["sample_time_us"] = sequence.noise_sample_time_us
    for _ in range(treatment.n_noise_readouts):
        yield acquisition_message(head, noise.draw(sequence.n_samples, rng, is_noise_scan=True))
    for message in played.messages:
        samples = acquisition_samples(message) + noise.draw(sequence.n_samples, rng)
        yield acquisition_message(acquisition_head(message), samples)


def _noise(treatment: Treatment, snr: float) -> Noise:
    x_mm, y_mm = treatment.focus_mm
    sequence = treatment.sequence
    return receiver_noise(
        head_coils(treatment.n_coils),
        snr=snr,
        at_mm=treatment.focus_mm,
        signal=abs(complex(image(treatment.anatomy, np.array(x_mm), np.array(y_mm)))),
        n_averaged=sequence.n_samples * sequence.matrix[1],
        noise_scan_scale=noise_scan_scale(
            dwell_us=sequence.sample_time_us,
            noise_dwell_us=sequence.noise_sample_time_us,
            bandwidth=sequence.noise_bandwidth,
        ),
    )


def see(played: Played, protocol: Protocol, *, snr: float, seed: int) -> Seen:
    """Decode, assemble and compute everything: what gateway and worker do, without their clocks."""
    monitor = Monitor(protocol, played.header_xml)
    decoder = Decoder()
    maps: list[Maps] = []
    for message in with_noise(played, snr=snr, seed=seed):
        decoder.feed(message)
        for event in decoder.events():
            if isinstance(event, Acquisition):
                maps += monitor.take(event)
    return Seen(
        np.array([one.time_s for one in maps], np.float64),
        *(
            np.stack([getattr(one, name)[0] for one in maps])
            for name in (
                "temperature_c", "temperature_std_c", "valid",
                "dose_cem43_min", "dose_low_cem43_min", "dose_high_cem43_min",
            )
        ),
    )  # fmt: skip


class Monitor:
    """Readouts in, maps out: assembler, scanner clock and the pipeline's fold.

    power, beam: what the therapy device has said so far; set it before a frame ends. verdicts, and
    state: so far.
    """

    def __init__(
        self, protocol: Protocol, header_xml: bytes, *, dose_plan: DosePlan | None = None
    ) -> None:
        self._protocol, self._header = protocol, parse_header(header_xml)
        self._dose_plan = dose_plan
        self._assembler = assembler_for(protocol, self._header)
        self._times = FrameTimes(protocol, self._header)
        self._noise: list[Acquisition] = []
        self._landed: list[Acquisition] = []
        self._pipeline: pipeline.Pipeline | None = None
        self.state = PipelineState()
        self.power, self.beam = PowerLog(), BeamLog()
        self.verdicts: list[Verdict] = []

    def take(self, acquisition: Acquisition) -> list[Maps]:
        """Take a readout; return the maps of the frame that it ends, if any."""
        if acquisition.flags & NOISE_MEASUREMENT:
            self._noise.append(acquisition)
            return []
        built = self._pipeline or self._build(acquisition)
        placement = self._assembler.place(acquisition, readout=0)
        self._times.note(placement.frame.frame_id, acquisition)
        self._landed.append(acquisition)
        if not placement.is_last:
            return []
        frame = self._frame(placement.frame.frame_id, acquisition)
        self.state, verdict, maps = pipeline.fold(built, self.state, frame, self.power, self.beam)
        self.verdicts.append(verdict)
        return [maps]

    def _build(self, first: Acquisition) -> pipeline.Pipeline:
        noise = None
        if self._noise:
            samples = np.hstack([one.samples for one in self._noise])
            dwell_us = self._noise[0].sample_time_us, first.sample_time_us
            noise = NoiseScan(samples, *dwell_us)
        self._pipeline = pipeline.build(
            self._protocol,
            self._header,
            n_coils=first.n_coils,
            n_samples=first.n_samples,
            noise=noise,
            dose_plan=self._dose_plan,
        )
        return self._pipeline

    def _frame(self, frame_id: int, last: Acquisition) -> Frame:
        landed, self._landed = self._landed, []
        times_s, centre_s = self._times.settle(frame_id)
        rows = np.array([readout_row(one) for one in landed], READOUT)
        rows["time_s"] = times_s
        samples = np.stack([one.samples for one in landed])
        key = FrameKey(repetition=last.idx.repetition, slice=last.idx.slice)
        is_brought = last.trajectory.shape[1] > 0 and not self._header.encodings[0].is_on_grid
        trajectory = np.stack([one.trajectory for one in landed]) if is_brought else None
        return Frame(frame_id, key, rows, samples, centre_s, last.pose, True, trajectory)
