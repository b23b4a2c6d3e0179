"""The fold alone, in this process: a worker's station and the gateway's answers, frame by frame."""

import gc
import math
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _endless_scan import EndlessScan
from _endurance_memory import Sample, sample

from messages import Acquisition, FrameKey
from messages.codec import Noun, encode
from motion.dose import DoseCloud, DoseGrid, DosePlan, Structure
from realtime import control, pipeline
from realtime.answers import Answers
from realtime.checkpoint import CheckpointMemory
from realtime.clock import MonotonicClock
from realtime.pipeline import PipelineState
from realtime.protocol import parse_protocol
from realtime.session_memory import SessionMemory
from realtime.session_setup import plan_layout
from realtime.streams.events import HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from realtime.worker import Station
from simulators.mrd import header_message

BEAM_MU_PER_S = 10.0
PLANNED_MU = 1e9  # the fraction outlasts the run
POWER_W = 30.0
N_SAMPLES = 200


class Deaf:
    """Encodes each event, as for subscribers who take it at once."""

    def publish(self, noun: Noun) -> None:
        """Take an event."""
        encode(noun)


@dataclass(frozen=True, slots=True)
class Course:
    """What one run left. state_bytes: of the pickled state, first and last after the warm-up."""

    samples: list[Sample]
    state_bytes: tuple[int, int]
    checkpoint_bytes: tuple[int, int]
    took_s: float

    @property
    def us_per_frame(self) -> float:
        """Mean time of a frame."""
        return 1e6 * self.took_s / self.samples[-1].frame


class Fold:
    """A session's memory with a station on it; frames are put there as the gateway puts them."""

    def __init__(self, scan: EndlessScan, protocol_text: str) -> None:
        self._scan, self._clock = scan, MonotonicClock()
        protocol = parse_protocol(protocol_text)
        decoder = Decoder()
        decoder.feed(header_message(scan.header_xml) + scan.messages(0))
        events = list(decoder.events())
        (header,) = (one.header for one in events if isinstance(one, HeaderReceived))
        readouts = [one for one in events if isinstance(one, Acquisition)]
        first, therapy = readouts[0], protocol.protocol.therapy
        self._is_linac = therapy == "mrlinac"
        layout = plan_layout(header, first, therapy, n_readouts=scan.n_lines)
        self.memory = SessionMemory(layout)
        for slot in range(layout.n_slots):
            for line, readout in enumerate(readouts):
                self.memory.mailbox.scatter(slot, line, readout)
        built = pipeline.build(
            protocol,
            header,
            n_coils=first.n_coils,
            n_samples=first.n_samples,
            noise=None,
            imaging_sample_time_us=8.0,
            dose_plan=_dose_plan() if self._is_linac else None,
        )
        self.station = Station(
            built,
            PipelineState(),
            self.memory.mailbox,
            CheckpointMemory(self.memory.checkpoint_fd),
            self._clock,
            session=1,
        )
        self.answers = Answers(protocol, Deaf())
        gc.collect()
        gc.freeze()  # as a worker does

    def step(self, number: int) -> None:
        """Hand one frame over, compute it, answer it, keep the state."""
        slot = number % self.memory.layout.n_slots
        received_ns = self._clock.now_ns()
        self._write(number, slot, received_ns)
        self.station.assign(control.Assign(slot, number % 2))
        done = self.station.advance()
        self.answers.open(number, FrameKey(number), received_ns=received_ns, is_complete=True)
        if done is not None:
            text = self.memory.mailbox.read_verdict(done.result)
            self.answers.computed(text, now_ns=self._clock.now_ns())
        self.answers.tick(self._clock.now_ns())
        self.station.between_frames()

    def close(self) -> None:
        """Give the memory back."""
        self.station.refiner.close()
        self.memory.close()

    def _write(self, number: int, slot: int, received_ns: int) -> None:
        scan, mailbox = self._scan, self.memory.mailbox
        row, starts_s = mailbox.slots[slot], number * scan.frame_s
        row["is_closed"] = 0
        mailbox.samples[slot] = scan.bank[number % len(scan.bank)]
        lines = np.arange(scan.n_lines)
        mailbox.readouts[slot]["time_s"] = starts_s + lines * (scan.frame_s / scan.n_lines)
        row["frame_id"] = row["repetition"] = number
        row["received_ns"], row["time_s"] = received_ns, starts_s + scan.frame_s / 2
        row["is_complete"] = 1
        row["pose"] = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0))
        if self._is_linac:
            self._report_beam(row, starts_s)
        else:
            self._report_power(row, number)
        row["is_closed"] = 1

    def _report_beam(self, row: np.void, now_s: float) -> None:
        """Let the accelerator report eight times a second, and say its last reports again."""
        times_s = now_s - 0.125 * np.arange(7, -1, -1)
        times_s = times_s[times_s >= 0]
        row["n_beam"] = n = len(times_s)
        row["beam"]["time_s"][:n], row["beam"]["number"][:n] = times_s, 1
        row["beam"]["is_on"][:n], row["beam"]["mu"][:n] = True, BEAM_MU_PER_S * times_s

    def _report_power(self, row: np.void, number: int) -> None:
        """Let the transducer set its power anew with each frame, and say the last two steps."""
        numbers = np.array([number - 1, number])
        is_on = numbers // (len(self._scan.bank) // 2) % 2
        row["n_power"] = 2
        row["power"]["time_s"][:2] = numbers * self._scan.frame_s
        row["power"]["watts"][:2] = is_on * (POWER_W + numbers % 2)


def play(
    scan: EndlessScan, protocol_text: str, n_frames: int, tell: Callable[[int, Sample], None]
) -> Course:
    """Run so many frames through a fold; tell: of each sample, what was measured."""
    fold, clock = Fold(scan, protocol_text), MonotonicClock()
    every = max(1, math.ceil(n_frames / N_SAMPLES))
    samples: list[Sample] = []
    states: list[tuple[int, int]] = []
    took_ns, began_ns = 0, clock.now_ns()
    try:
        for number in range(n_frames):
            fold.step(number)
            if (number + 1) % every == 0:
                took_ns += clock.now_ns() - began_ns
                samples.append(sample(os.getpid(), number + 1))
                kept = os.fstat(fold.memory.checkpoint_fd).st_size
                states.append((len(pickle.dumps(fold.station.state)), kept))
                tell(n_frames, samples[-1])
                began_ns = clock.now_ns()
    finally:
        fold.close()
    first = states[len(states) // 5]
    return Course(samples, (first[0], states[-1][0]), (first[1], states[-1][1]), took_ns / 1e9)


def _dose_plan() -> DosePlan:
    """Return one beam that gives the same everywhere."""
    shape, step_mm = (3, 9, 9), 10.0
    steps = ((0.0, 0.0, step_mm), (0.0, step_mm, 0.0), (step_mm, 0.0, 0.0))
    grid = DoseGrid(shape, (-40.0, -40.0, -10.0), steps)
    points_mm = np.array([[x, y, 0.0] for x in (-4.0, 0.0, 4.0) for y in (-4.0, 0.0, 4.0)])
    target = Structure("GTV", "target", points_mm, np.ones(len(points_mm)))
    cloud = DoseCloud(1, PLANNED_MU, np.full(shape, 1e6, np.float32), grid)
    return DosePlan((cloud,), (target,), "GTV", 1.0)
