"""The worker process: numbers and state. Its shell reads a clock for the stage times, nothing else.

Started by the gateway as `python -m realtime.worker FD`, it lives until that socket closes.
"""

import contextlib
import gc
import os
import select
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

import recon
from messages import Frame, FrameKey, MonitorError
from messages.codec import to_json
from realtime import control, pipeline
from realtime.admission import admit
from realtime.candidate import Candidate
from realtime.checkpoint import CheckpointError, CheckpointMemory
from realtime.clock import Clock, MonotonicClock
from realtime.mailbox import KEY_FIELDS, Mailbox
from realtime.pipeline import PipelineState
from realtime.protocol import parse_protocol
from realtime.protocol_files import read_dose_plan
from realtime.refiner import Refiner
from realtime.streams.mrd_header import parse_header
from realtime.tuning import (
    REHEARSING_LEVEL,
    SERVING_LEVEL,
    WorkerTuning,
    die_with_parent,
    unpack_tuning,
)
from realtime.warm_up import warm_up
from realtime.waveform_queue import unpack_waveforms
from recon import Partial

Say = Callable[[control.ToGateway], None]


class Station:
    """One session at the worker: its pipeline, its state and the slot in hand."""

    def __init__(
        self,
        built: pipeline.Pipeline,
        state: PipelineState,
        mailbox: Mailbox,
        checkpoint: CheckpointMemory,
        clock: Clock,
        *,
        session: int,
        is_patient: bool = False,
        level: int = SERVING_LEVEL,
    ) -> None:
        self.session = session
        self.level = level
        self.refiner = Refiner(built, is_patient=is_patient)
        self.pipeline = built
        self.state = state
        self.mailbox = mailbox
        self.checkpoint = checkpoint
        self.clock = clock
        self.assigned: control.Assign | None = None
        self._partial: Partial = built.reconstructor.start()
        self._n_absorbed = 0
        self._absorb_ms = 0.0
        self._unsaved: CheckpointError | None = None

    def assign(self, order: control.Assign) -> None:
        """Take a slot in hand."""
        self.assigned = order
        self._partial = self.pipeline.reconstructor.start(
            self._calibration(order.slot), self._partial
        )
        self._n_absorbed = 0
        self._absorb_ms = 0.0

    def advance(self, say: Say | None = None) -> control.Done | None:
        """Absorb what has landed; once the frame is closed, finish it.

        say: tells the gateway of the picture, which a client waits for, before it is measured.
        """
        if self.assigned is None:
            return None
        slot = self.assigned.slot
        # read in the order opposite to the gateway's writing: closed first, then the count
        is_closed = bool(self.mailbox.slots[slot]["is_closed"])
        n_landed = int(self.mailbox.slots[slot]["n_landed"])
        taken_ns = self.clock.now_ns()
        if n_landed > self._n_absorbed:
            began_ns = self.clock.now_ns()
            new = slice(self._n_absorbed, n_landed)
            self._partial = self.pipeline.reconstructor.absorb(
                self._partial,
                self.mailbox.readouts[slot, new],
                self.mailbox.samples[slot, new],
                _trajectory(self.mailbox, slot, new),
            )
            self._n_absorbed = n_landed
            self._absorb_ms = (self.clock.now_ns() - began_ns) / 1e6
        return self._finish(taken_ns, say) if is_closed else None

    def between_frames(self) -> None:
        """Better a calibration, and keep the state; what could not be kept is the next's FAULT."""
        self.state = self.refiner.between_frames(self.state)
        try:
            self.checkpoint.save(self.state)
        except CheckpointError as error:
            self._unsaved = error

    def _calibration(self, slot: int) -> recon.Calibration | None:
        """Return what is known of the slice of a slot's frame, so that work begins on arrival."""
        row = self.mailbox.slots[slot]
        names = ("slice", "contrast", "phase", "set")
        one, two, three, four = (int(row[name]) for name in names)
        found = self.state.slices.get((one, two, three, four))
        return None if found is None else found.calibration

    def _finish(self, taken_ns: int, say: Say | None) -> control.Done | None:
        order = self.assigned
        if order is None:
            return None
        unsaved, self._unsaved = self._unsaved, None
        if unsaved is not None:
            raise unsaved
        mailbox, slot = self.mailbox, order.slot
        frame, power, beam = _frame(mailbox, slot), mailbox.power(slot), mailbox.beam(slot)
        received_ns = int(self.mailbox.slots[order.slot]["received_ns"])
        stages = {"hand_over": (taken_ns - received_ns) / 1e6, "absorb": self._absorb_ms}
        mark = _Stopwatch(self.clock, stages)
        slice_state, image = pipeline.reconstruct(
            self.pipeline, pipeline.slice_of(self.pipeline, self.state, frame), self._partial, frame
        )
        mark("reconstruct")
        if say is not None and pipeline.is_shown_as_it_is(slice_state):
            shown = self.mailbox.images(order.result, image.pixels.shape)["magnitude"]
            np.abs(image.pixels, out=shown)
            say(control.Pictured(order.slot, order.result, frame.frame_id, self.session))
        measured = pipeline.measure(slice_state, image)
        mark("measure")
        self.state, verdict, maps = pipeline.conclude(
            self.pipeline, self.state, measured, frame, power, beam
        )
        mark("judge")
        for name, view in self.mailbox.images(order.result, maps.magnitude.shape).items():
            np.copyto(view, getattr(maps, name))
        mark("deliver")
        self.mailbox.write_verdict(order.result, to_json(replace(verdict, stage_ms=stages)))
        self.assigned = None
        return control.Done(order.slot, order.result, frame.frame_id, self.session)


def _trajectory(mailbox: Mailbox, slot: int, rows: slice) -> NDArray[np.float32] | None:
    return mailbox.trajectory[slot, rows] if mailbox.layout.n_trajectory_dimensions else None


class _Stopwatch:
    """Writes what each stage took."""

    def __init__(self, clock: Clock, stages: dict[str, float]) -> None:
        self._clock, self._stages, self._then_ns = clock, stages, clock.now_ns()

    def __call__(self, stage: str) -> None:
        now_ns = self._clock.now_ns()
        self._stages[stage] = (now_ns - self._then_ns) / 1e6
        self._then_ns = now_ns


def _frame(mailbox: Mailbox, slot: int) -> Frame:
    row = mailbox.slots[slot]
    n_landed = int(row["n_landed"])
    return Frame(
        frame_id=int(row["frame_id"]),
        key=FrameKey(*(int(row[name]) for name in KEY_FIELDS)),
        readouts=mailbox.readouts[slot, :n_landed],
        samples=mailbox.samples[slot, :n_landed],
        time_s=float(row["time_s"]),
        pose=mailbox.pose(slot),
        is_complete=bool(row["is_complete"]),
        trajectory=_trajectory(mailbox, slot, slice(n_landed)),
        waveforms=unpack_waveforms(mailbox.read_waveforms(slot)),
    )


def _open_station(
    order: control.Configure, fds: list[int], clock: Clock
) -> tuple[Station, control.Ready]:
    mailbox_fd, configuration_fd, checkpoint_fd, *left_fds = fds
    content = os.pread(configuration_fd, order.configuration_bytes, 0)
    given = control.unpack_configuration(content)
    header = parse_header(given.header_xml)
    protocol = parse_protocol(
        given.protocol_text,
        folder=None if given.protocol_folder is None else Path(given.protocol_folder),
    )
    candidate = Candidate(
        protocol,
        header,
        n_coils=given.layout.n_coils,
        n_samples=given.layout.n_samples,
        pose=given.pose,
        noise=_noise(given),
        imaging_sample_time_us=given.imaging_sample_time_us,
        dose_plan=read_dose_plan(protocol.document, protocol.folder),
    )
    mailbox = Mailbox(given.layout, mailbox_fd)
    checkpoint = CheckpointMemory(checkpoint_fd)
    admitted = admit(
        candidate,
        clock,
        is_deadline_enforced=given.is_deadline_enforced,
        iterations=given.iterations,
    )
    built = admitted.built
    state, took_over = _first_state(given, checkpoint, left_fds)
    plan = built.reconstructor.plan
    x, y, z = plan.recon_matrix
    ready = control.Ready(
        admitted.took_ms,
        (z, y, x),
        plan.recon_fov_mm,
        order.session,
        expected_late=admitted.expected_late,
        took_over=took_over,
        iterations=admitted.iterations,
    )
    station = Station(
        built,
        state,
        mailbox,
        checkpoint,
        clock,
        session=order.session,
        is_patient=given.awaits_refinement,
        level=SERVING_LEVEL if given.may_treat else REHEARSING_LEVEL,
    )
    return station, ready


def _first_state(
    given: control.Configuration, checkpoint: CheckpointMemory, left_fds: list[int]
) -> tuple[PipelineState, bool]:
    """Return the state to begin with, and whether it has the dose of a session that was killed.

    What is taken over is kept at once: the memory that it comes from goes when this has begun.
    """
    if given.goes_on:
        left = _left_state(left_fds[0]) if left_fds else None
        state = pipeline.inherit(left)
        checkpoint.save(state)
        return state, left is not None
    kept = checkpoint.load() or PipelineState()
    return (pipeline.interrupt(kept) if kept.slices or given.has_had_frames else kept), False


def _left_state(fd: int) -> PipelineState | None:
    """Return what a killed monitor's worker remembered, None where it cannot be read."""
    try:
        return CheckpointMemory(fd).load()
    except Exception:  # noqa: BLE001 - another version's state may fail in any way; then it is lost
        return None


def _noise(given: control.Configuration) -> pipeline.NoiseScan | None:
    samples = control.noise_of(given)
    if samples is None:
        return None
    return pipeline.NoiseScan(samples, given.noise_sample_time_us, given.imaging_sample_time_us)


class Worker:
    """The worker's end of the line: takes an order, does it, answers."""

    def __init__(
        self, line: socket.socket, clock: Clock, tuning: WorkerTuning | None = None
    ) -> None:
        self._line, self._clock, self._tuning = line, clock, tuning or WorkerTuning()
        self._station: Station | None = None

    @property
    def has_order(self) -> bool:
        """Whether an order, or the end of the line, waits to be taken."""
        return bool(select.select([self._line], [], [], 0)[0])

    @property
    def is_free(self) -> bool:
        """Whether it has no session."""
        return self._station is None

    def take(self) -> bool:
        """Wait for an order and do it; False once the gateway has gone."""
        packet, fds, _, _ = socket.recv_fds(self._line, 1 << 16, 4)
        if not packet:
            return False
        if packet != control.RING:
            self._obey(control.unpack_for_worker(packet), fds)
        if self._station is not None:
            _advance(self._station, self._line)
        return True

    def close(self) -> None:
        """Forget the session."""
        if self._station is not None:
            self._station.refiner.close()
        self._station = None
        self._line.close()

    def _obey(self, order: control.ToWorker, fds: list[int]) -> None:
        if isinstance(order, control.Configure):
            if self._station is not None:
                self._station.refiner.close()
            self._station = self._configured(order, fds)
        elif self._station is not None:
            self._station.assign(order)

    def _configured(self, order: control.Configure, fds: list[int]) -> Station | None:
        self._tuning.go(REHEARSING_LEVEL)
        try:
            station, ready = _open_station(order, fds, self._clock)
        except (MonitorError, ValueError, MemoryError) as error:
            self._line.send(control.pack(control.Refused(str(error), order.session)))
            return None
        finally:
            for fd in fds:
                os.close(fd)
        # what lives until the session ends need not be looked at by each collection
        gc.collect()
        gc.freeze()
        self._tuning.go(station.level)
        self._line.send(control.pack(ready))
        return station


def serve(line: socket.socket, clock: Clock, tuning: WorkerTuning | None = None) -> None:
    """Work until the gateway goes away."""
    tuning = tuning or WorkerTuning()
    tuning.apply()
    worker = Worker(line, clock, tuning)
    warming = warm_up(clock)
    next(warming)  # the commonest method before anybody is heard, the others before a session
    while True:
        while worker.is_free and not worker.has_order and next(warming, None):
            pass
        if not worker.take():
            return


def _advance(station: Station, line: socket.socket) -> None:
    order = station.assigned
    try:
        finished = station.advance(lambda told: _tell(line, told))
    except Exception as error:  # noqa: BLE001 - the one place: a frame that fails is a FAULT
        if order is not None:
            frame_id = int(station.mailbox.slots[order.slot]["frame_id"])
            station.assigned = None
            text = f"{type(error).__name__}: {error}"[:2000]
            line.send(control.pack(control.Failed(order.slot, frame_id, text, station.session)))
        return
    if finished is not None:
        _forget_rings(line)
        line.send(control.pack(finished))
        # after the answer: the permit does not wait for the checkpoint, nor does the gateway, where
        # both share a core
        os.sched_yield()
        station.between_frames()


def _tell(line: socket.socket, told: control.ToGateway) -> None:
    line.send(control.pack(told))


def _forget_rings(line: socket.socket) -> None:
    """Take the rings that are still on the line: a full one has no room for the next order."""
    with contextlib.suppress(BlockingIOError):
        while line.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT) == control.RING:
            line.recv(64)


if __name__ == "__main__":
    # Two kernel threads beside the gateway cost 3-10 times and ruin the tail.
    threadpoolctl.threadpool_limits(limits=1)
    # one that is stuck would keep its core, and the state of its session, from the next monitor
    die_with_parent()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the gateway has gone first
        serve(socket.socket(fileno=int(sys.argv[1])), MonotonicClock(), unpack_tuning(sys.argv[2]))
