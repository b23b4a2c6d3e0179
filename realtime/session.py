"""One treatment at the gateway: readouts in, exactly one answer for each frame out.

It owns the assembler, the slots and the answers; it knows no socket and reads no clock.
"""

import math
from typing import Literal, Protocol

import numpy as np

from messages import (
    Acquisition,
    Maps,
    MonitorError,
    Pose,
    RunStop,
    SessionHeader,
    is_imaging,
)
from messages.acquisition import NOISE_MEASUREMENT
from realtime import control
from realtime.alerts import faults
from realtime.answers import Answers, Sink
from realtime.assembler import Assembler, OpenFrame
from realtime.frame_times import FrameTimes
from realtime.mailbox import MAP_NAMES, Layout
from realtime.protocol import Protocol as TreatmentProtocol
from realtime.session_memory import SessionMemory
from realtime.session_setup import (
    NoiseReadouts,
    RunIdentity,
    configuration,
    plan_layout,
    start_of,
)
from realtime.slots import Slots, Tenant

# A worker that has had a whole frame, or a configuration, for this long is killed and replaced.
HUNG_FRAME_NS = 10_000_000_000
HUNG_ADMISSION_NS = 60_000_000_000

State = Literal["waiting", "admitting", "running", "recovering", "over"]


class WorkerPort(Protocol):
    """What a session asks of its worker."""

    def configure(
        self, configuration: control.Configuration, *, mailbox_fd: int, checkpoint_fd: int
    ) -> None:
        """Begin a session."""
        ...

    def send(self, order: control.ToWorker) -> None:
        """Send an order."""
        ...

    def ring(self) -> None:
        """Say that more has landed."""
        ...


class Session:
    """A treatment from its header to its last answer."""

    def __init__(
        self,
        protocol: TreatmentProtocol,
        header: SessionHeader,
        run: RunIdentity,
        sink: Sink,
        worker: WorkerPort,
        *,
        is_lossless: bool,
        n_alerts: int = 0,
    ) -> None:
        self.protocol = protocol
        self.header = header
        self.run = run
        self.state: State = "waiting"
        self.is_closing = False
        self.n_workers_lost = 0
        self._is_begun = False
        self.answers = Answers(
            protocol, sink, is_deadline_enforced=not is_lossless, n_alerts=n_alerts
        )
        self.assembler = Assembler(header)
        self.n_readouts = 0
        self._sink = sink
        self._worker = worker
        self._is_lossless = is_lossless
        self._slots = Slots(0, is_lossless=is_lossless)
        self._times = FrameTimes(protocol, header)
        self._noise = NoiseReadouts()
        self._memory: SessionMemory | None = None
        self._configuration: control.Configuration | None = None
        self._shape = (0, 0, 0)
        self._fov_mm = (0.0, 0.0, 0.0)
        self._poses: dict[int, Pose] = {}
        self._n_assigned = 0
        self._last_readout_ns = 0
        self._waiting_since_ns: int | None = None
        self._power_w = math.nan
        self._power_on_since_s = math.nan

    def accepts(self) -> bool:
        """Whether a readout may be handed over now; if not, the source has to wait."""
        if self.state == "admitting":
            return False
        if not self._is_lossless:
            return True
        is_free = self._slots.has_room or self._slots.is_stuck
        return self.state == "waiting" or (self.state == "running" and is_free)

    def readout(self, acquisition: Acquisition, *, received_ns: int) -> None:
        """Take one readout. Raises MonitorError where it cannot belong to this session."""
        self.n_readouts += 1
        self._last_readout_ns = received_ns
        if acquisition.flags & NOISE_MEASUREMENT:
            self._noise.add(acquisition, readout=self.n_readouts)
        elif is_imaging(acquisition.flags) and acquisition.encoding_space_ref == 0:
            if not np.isfinite(acquisition.samples).all():
                self.answers.remark(faults.not_finite(readout=self.n_readouts))
            if self._memory is None:
                self._request_admission(acquisition)
                self._waiting_since_ns = received_ns
            self._place(acquisition, received_ns)

    def power(self, watts: float) -> None:
        """Take what the therapy device says of its power, from now on in scanner time."""
        was_on = self._power_w > 0
        self._power_w = watts
        if watts > 0 and not was_on:
            self._power_on_since_s = self._times.latest_s
        elif watts <= 0:
            self._power_on_since_s = math.nan

    def worker_said(self, message: control.ToGateway, *, now_ns: int) -> None:
        """Take an answer of the worker. Raises MonitorError where the session is refused."""
        self._waiting_since_ns = None
        if isinstance(message, control.Refused):
            raise MonitorError(message.text)
        if isinstance(message, control.Ready):
            self._begin(message)
        elif isinstance(message, control.Done):
            self._conclude(message, now_ns)
        else:
            self._slots.finish()
            self._fault(message.frame_id, message.text, now_ns)
        self._assign(now_ns)

    def worker_lost(self, text: str, *, now_ns: int) -> None:
        """Answer what the worker had in hand with FAULT, and wait for the next worker."""
        if self.state == "over" or self._configuration is None:
            return
        self.state = "recovering"
        self.n_workers_lost += 1
        for frame_id in self._slots.clear():
            self._fault(frame_id, text, now_ns)
        self.answers.worker_lost(text)

    def worker_back(self, worker: WorkerPort, *, now_ns: int) -> None:
        """Set the next worker up from the last checkpoint."""
        self._worker = worker
        self._waiting_since_ns = now_ns
        if self._configuration is not None and self._memory is not None:
            self._configure(self._configuration, self._memory)

    def tick(self, now_ns: int) -> None:
        """Answer what is late, close what has stalled, let a lease lapse."""
        stall_ns = self._stall_ns()
        if stall_ns is not None and now_ns >= stall_ns:
            self._close_open_frames(self._last_readout_ns, now_ns)
        self.answers.tick(now_ns)
        if self.is_closing and self._slots.is_empty and self.answers.is_idle:
            self.state = "over"

    def next_ns(self) -> int | None:
        """Return when `tick` must be called at the latest."""
        dues = (self.answers.next_ns(), self._stall_ns())
        return min((due for due in dues if due is not None), default=None)

    def end(self, *, now_ns: int) -> None:
        """Close what is open, and be over once all is answered: the source will send no more."""
        self._close_open_frames(now_ns, now_ns)
        self.is_closing = True
        self.tick(now_ns)

    def stop(self, status: str, reason: str, *, ended_utc: str, now_ns: int) -> None:
        """End the run whatever its state, and say how."""
        self.state = "over"
        self.answers.end(reason, now_ns=now_ns)
        counts = self.answers.counts
        self._sink.publish(
            RunStop(
                self.run.run_id,
                status,
                reason,
                ended_utc,
                n_frames=counts.n_frames,
                n_late=counts.n_late,
                n_fault=counts.n_fault,
                n_incomplete=counts.n_incomplete,
                n_readouts=self.n_readouts,
                n_duplicate_readouts=self.assembler.n_duplicates,
            )
        )
        if self._memory is not None:
            self._memory.close()

    def _request_admission(self, first: Acquisition) -> None:
        noise = self._noise.take(n_coils=first.n_coils, readout=self.n_readouts)
        layout = plan_layout(self.header, first, n_readouts=self.assembler.capacity)
        self._memory = SessionMemory(layout)
        self._slots = Slots(layout.n_slots, is_lossless=self._is_lossless)
        self._configuration = configuration(
            self.protocol,
            self.header,
            first,
            layout,
            noise,
            is_deadline_enforced=not self._is_lossless,
            checkpoint_bytes=self._memory.checkpoint_bytes,
        )
        self.state = "admitting"
        self._configure(self._configuration, self._memory)

    def _configure(self, configuration: control.Configuration, memory: SessionMemory) -> None:
        self._worker.configure(
            configuration, mailbox_fd=memory.mailbox_fd, checkpoint_fd=memory.checkpoint_fd
        )

    def _begin(self, ready: control.Ready) -> None:
        is_first, self._is_begun = not self._is_begun, True
        self.state = "running"
        self._shape, self._fov_mm = ready.image_shape, ready.fov_mm
        if self.n_workers_lost:
            self.answers.worker_back()
        if not is_first:
            return
        self._sink.publish(start_of(self.run, self.protocol, self.header, ready))

    def _place(self, acquisition: Acquisition, received_ns: int) -> None:
        memory = self._memory
        if memory is None:
            return
        self._refuse_changed_shape(acquisition, memory.layout)
        placement = self.assembler.place(acquisition, readout=self.n_readouts)
        for frame in placement.ended:
            self._close(frame, received_ns, received_ns)
        frame = placement.frame
        if placement.is_new:
            self._open(frame, acquisition, received_ns)
        tenant = self._slots.find(frame.frame_id)
        if placement.row is not None:
            self._times.note(frame.frame_id, acquisition)
            if tenant is not None:
                memory.mailbox.scatter(tenant.slot, placement.row, acquisition)
        if placement.is_last:
            self._close(frame, received_ns, received_ns)
        elif tenant is not None and tenant is self._slots.assigned:
            self._worker.ring()

    def _refuse_changed_shape(self, acquisition: Acquisition, layout: Layout) -> None:
        if acquisition.n_coils != layout.n_coils or acquisition.n_samples != layout.n_samples:
            raise MonitorError(
                f"readout {self.n_readouts}: {acquisition.n_coils} channels × "
                f"{acquisition.n_samples} samples, the session began with {layout.n_coils} × "
                f"{layout.n_samples}; a changed acquisition needs a new session and baseline"
            )

    def _open(self, frame: OpenFrame, acquisition: Acquisition, now_ns: int) -> None:
        idx = acquisition.idx
        self._poses[frame.frame_id] = acquisition.pose
        stream = (idx.slice, idx.contrast, idx.phase, idx.set)
        tenant, dropped = self._slots.admit(frame.frame_id, stream)
        self._drop(dropped, now_ns)
        if tenant is not None and self._memory is not None:
            row = self._memory.mailbox.slots[tenant.slot]
            row["n_landed"] = row["is_closed"] = 0
            row["frame_id"] = frame.frame_id
            self._assign(now_ns)

    def _close_open_frames(self, received_ns: int, now_ns: int) -> None:
        for frame in self.assembler.end():
            self._close(frame, received_ns, now_ns)

    def _close(self, frame: OpenFrame, received_ns: int, now_ns: int) -> None:
        """Open the frame's deadline and let the worker finish it."""
        self.answers.open(
            frame.frame_id,
            frame.key,
            received_ns=received_ns,
            is_complete=frame.is_complete,
        )
        tenant = self._slots.find(frame.frame_id)
        pose = self._poses.pop(frame.frame_id, Pose())
        if tenant is None or self._memory is None:
            self._times.settle(frame.frame_id)
            self._drop([frame.frame_id], now_ns)
            return
        self._write_row(tenant, frame, pose, received_ns)
        if tenant is self._slots.assigned:
            self._waiting_since_ns = now_ns
            self._worker.ring()
        else:
            self._assign(now_ns)

    def _write_row(self, tenant: Tenant, frame: OpenFrame, pose: Pose, received_ns: int) -> None:
        if self._memory is None:
            return
        mailbox, key = self._memory.mailbox, frame.key
        row = mailbox.slots[tenant.slot]
        row["received_ns"] = received_ns
        row["ticks"] = self._times.centre_ticks(frame.frame_id)
        times_s, centre_s = self._times.settle(frame.frame_id)
        mailbox.readouts[tenant.slot]["time_s"][: len(times_s)] = times_s
        row["time_s"] = centre_s
        row["is_complete"] = frame.is_complete
        row["power_w"], row["power_on_since_s"] = self._power_w, self._power_on_since_s
        row["repetition"], row["slice"], row["contrast"] = key.repetition, key.slice, key.contrast
        row["phase"], row["set"] = key.phase, key.set
        row["pose"] = (
            pose.position_mm, pose.read_dir, pose.phase_dir, pose.slice_dir,
            pose.patient_table_position,
        )  # fmt: skip
        tenant.is_closed = True
        row["is_closed"] = 1

    def _assign(self, now_ns: int) -> None:
        if self.state != "running":
            return
        tenant, dropped = self._slots.assign_next()
        self._drop(dropped, now_ns)
        if tenant is not None:
            self._n_assigned += 1
            self._waiting_since_ns = now_ns if tenant.is_closed else None
            self._worker.send(control.Assign(tenant.slot, self._n_assigned % 2))

    def _drop(self, frame_ids: list[int], now_ns: int) -> None:
        for frame_id in frame_ids:
            self.answers.late(frame_id, "a newer frame overtook it", now_ns=now_ns)

    def _conclude(self, done: control.Done, now_ns: int) -> None:
        memory = self._memory
        self._slots.finish()
        if memory is None:
            return
        verdict_text = memory.mailbox.read_verdict(done.result)
        verdict = self.answers.computed(verdict_text, now_ns=now_ns)
        images = memory.mailbox.images(done.result, self._shape)
        self._sink.publish(
            Maps(
                frame_id=done.frame_id,
                key=verdict.key,
                time_s=verdict.time_s,
                fov_mm=self._fov_mm,
                pose=memory.mailbox.pose(done.slot),
                acquisition_time_stamp=int(memory.mailbox.slots[done.slot]["ticks"]),
                valid=images["valid"],
                **{name: images[name] for name in MAP_NAMES},
            )
        )

    def is_hung(self, now_ns: int) -> bool:
        """Whether the worker has had a whole frame, or a configuration, for far too long."""
        if self._waiting_since_ns is None:
            return False
        is_patient = self.state != "running" or self._is_lossless
        limit_ns = HUNG_ADMISSION_NS if is_patient else HUNG_FRAME_NS
        return now_ns - self._waiting_since_ns > limit_ns

    def _stall_ns(self) -> int | None:
        """Return when an open frame has waited too long for its next readout."""
        if not self.assembler.open or self._is_lossless or self.state != "running":
            return None
        return self._last_readout_ns + int(self.protocol.stream.stall_ms * 1e6)

    def _fault(self, frame_id: int, text: str, now_ns: int) -> None:
        keys = {one.frame_id: one.key for one in self.assembler.open.values()}
        self.answers.fault(frame_id, text, now_ns=now_ns, key=keys.get(frame_id))
