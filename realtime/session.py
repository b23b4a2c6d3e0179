"""One treatment at the gateway: readouts in, exactly one answer for each frame out.

It owns the assembler, the slots and the answers; it knows no socket and reads no clock.
"""

from typing import Literal

import numpy as np
from msgspec.structs import replace

from messages import Acquisition, MonitorError, SessionHeader, Waveform, is_imaging
from messages.acquisition import NOISE_MEASUREMENT
from realtime import control
from realtime.alerts import faults
from realtime.answers import AlertIds, Answers, PictureSink
from realtime.assembler import OpenFrame
from realtime.companions import Companions, is_companion
from realtime.device_reports import DeviceReports
from realtime.frame_times import FrameTimes
from realtime.header_in_force import header_in_force
from realtime.protocol import Protocol as TreatmentProtocol
from realtime.remarks import Remarks
from realtime.requests import DeviceReport
from realtime.scan_counter import ScanCounter
from realtime.session_frames import SessionFrames
from realtime.session_memory import Keeper, NothingKept, SessionMemory
from realtime.session_setup import (
    NoiseReadouts,
    RunIdentity,
    assembler_for,
    companion_rows,
    configuration,
    plan_layout,
    start_of,
    stop_of,
)
from realtime.signals import Signals
from realtime.slots import Slots
from realtime.worker_watch import WorkerWatch

State = Literal["waiting", "admitting", "running", "recovering", "over"]


class Session:
    """A treatment from its header to its last answer.

    An imaging session is patient: its source waits for the worker, and no frame is LATE.

    header: as received; what the protocol overrides is applied here.
    is_lossless: a replay at full speed: the source waits, nothing depends on a clock.
    may_treat: False where it must never publish a permit (see `Answers`).
    """

    def __init__(
        self,
        protocol: TreatmentProtocol,
        header: SessionHeader,
        run: RunIdentity,
        sink: PictureSink,
        worker: control.WorkerPort,
        *,
        is_lossless: bool,
        may_treat: bool = True,
        alert_ids: AlertIds | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.protocol = protocol
        self.header = header = header_in_force(header, protocol)
        self.run = run
        self.state: State = "waiting"
        self.is_closing = False
        self.n_workers_lost = 0
        self._is_begun = False
        self.assembler = assembler_for(protocol, header)
        self.n_readouts = self.n_unused = 0
        self._sink = sink
        self._worker = worker
        self._is_lossless = is_lossless
        # whoever sends a scan to see it expects every image of it
        self.is_patient = is_lossless or protocol.protocol.therapy == "imaging"
        self._slots = Slots(0, is_lossless=self.is_patient)
        self.answers = Answers(
            protocol,
            sink,
            is_deadline_enforced=not self.is_patient,
            may_treat=may_treat,
            alert_ids=alert_ids,
        )
        self._times = FrameTimes(protocol, header)
        self._noise = NoiseReadouts()
        self._companions = Companions(header.encodings[0], n_echoes=self.assembler.n_echoes)
        self._signals = Signals()
        self._counter = ScanCounter()
        self._remarks = Remarks(self.answers)
        self._n_extra = 0
        self.device = DeviceReports()
        self._frames: SessionFrames | None = None
        self._keeper = keeper or NothingKept()
        self._memory: SessionMemory | None = None
        self._configuration: control.Configuration | None = None
        self._n_assigned = self._last_readout_ns = 0
        self._watch = WorkerWatch(is_patient=self.is_patient)

    def accepts(self) -> bool:
        """Whether a readout may be handed over now; if not, the source has to wait."""
        if self.state == "admitting":
            return False
        if not self.is_patient:
            return True
        is_free = self._slots.has_room or self._slots.is_stuck
        return self.state == "waiting" or (self.state == "running" and is_free)

    def readout(self, acquisition: Acquisition, *, received_ns: int) -> None:
        """Take one readout. Raises MonitorError where it cannot belong to this session."""
        self.n_readouts += 1
        self._last_readout_ns = received_ns
        self._counter.note(acquisition.scan_counter, measurement=acquisition.measurement_uid)
        flags = acquisition.flags
        if flags & NOISE_MEASUREMENT:
            self._noise.add(acquisition)
            return
        is_image = is_imaging(flags)
        if not (is_image or is_companion(flags)):
            return
        if not np.isfinite(acquisition.samples).all():
            # once a frame: thousands of alerts would keep other sessions waiting
            finding = faults.not_finite(readout=self.n_readouts)
            self._remarks.once("not finite", finding, of=self.assembler.n_frames)
        if not is_image:
            self._accompany(acquisition)
        elif acquisition.encoding_space_ref != 0:
            space = acquisition.encoding_space_ref
            self._pass_over(f"readouts of encoded space {space} make no image, only those of 0 do")
        else:
            if self._memory is None:
                self._request_admission(acquisition)
                self._watch.begin(received_ns)
            self._place(acquisition, received_ns)

    def waveform(self, waveform: Waveform) -> None:
        """Take a stretch of a physiological signal."""
        self._counter.note_waveform(waveform.scan_counter)
        self._signals.add(waveform)

    def device_said(self, report: DeviceReport, *, now_ns: int) -> None:
        """Take a report of the therapy device. Raises MonitorError where it cannot be."""
        late_ns = 0 if self.is_patient else now_ns - self._last_readout_ns
        self.device.take(report, now_s=self._times.now_s(late_ns))

    def worker_said(self, message: control.ToGateway, *, now_ns: int) -> None:
        """Take an answer of the worker. Raises MonitorError where the session is refused."""
        if isinstance(message, control.Pictured):
            if self._frames is not None:
                self._sink.show(self._frames.picture(message))
            return
        if isinstance(message, control.Done | control.Failed):
            self._slots.finish(message.slot)
        if self._slots.assigned is None:
            self._watch.end()  # otherwise it spoke of a frame that was taken back
        if isinstance(message, control.Refused):
            raise MonitorError(message.text)
        if isinstance(message, control.Ready):
            self._begin(message)
        elif isinstance(message, control.Done):
            self._conclude(message, now_ns)
        else:
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

    def worker_back(self, worker: control.WorkerPort, *, now_ns: int) -> None:
        """Set the next worker up from the last checkpoint."""
        self._worker = worker
        if self._configuration is not None and self._memory is not None:
            self._watch.begin(now_ns)
            again = replace(self._configuration, has_had_frames=self.answers.counts.n_frames > 0)
            self._memory.configure(worker, again, self._keeper)

    def tick(self, now_ns: int) -> None:
        """Answer what is late, close what has stalled, let a lease lapse."""
        stall_ns = self._stall_ns()
        if stall_ns is not None and now_ns >= stall_ns:
            self._close_open_frames(self._last_readout_ns, now_ns)
        self.answers.tick(now_ns)
        for waveform in self._signals.take_untold() if self._is_begun else ():
            self._sink.publish(waveform)
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
        for waveform in self._signals.take_untold(all_at_once=True) if self._is_begun else ():
            self._sink.publish(waveform)
        self.device.close()
        self._sink.publish(
            stop_of(
                self.run,
                status,
                reason,
                ended_utc=ended_utc,
                counts=self.answers.counts,
                n_readouts=self.n_readouts,
                n_duplicate_readouts=self.assembler.n_duplicates,
                n_lost_readouts=self._counter.n_lost,
                n_unused_readouts=self.n_unused,
            )
        )
        if self._memory is not None:
            self._memory.close()
            self._keeper.end(status, had_permit=self.answers.had_permit)
            self._memory = self._frames = None  # whoever keeps the alerts keeps no frames

    def _request_admission(self, first: Acquisition) -> None:
        noise = self._noise.take(n_coils=first.n_coils, readout=self.n_readouts)
        n_imaging = self.assembler.capacity
        encoding = self.header.encodings[0]
        self._n_extra = companion_rows(encoding, n_imaging, n_waiting=self._companions.most)
        n_rows, n_joined = n_imaging + self._n_extra, self.assembler.n_echoes
        therapy = self.protocol.protocol.therapy
        layout = plan_layout(self.header, first, therapy, n_readouts=n_rows, n_joined=n_joined)
        checkpoint_fd = self._keeper.checkpoint(self.header, first, layout)
        self._memory = SessionMemory(layout, checkpoint_fd)
        self._frames = SessionFrames(
            self._memory,
            self._times,
            self._signals.with_frames,
            self.device,
            n_extra=self._n_extra,
        )
        self._slots = Slots(layout.n_slots, is_lossless=self.is_patient)
        self._configuration = configuration(
            self.protocol,
            self.header,
            first,
            layout,
            noise,
            is_deadline_enforced=not self.is_patient,
            may_treat=self.answers.may_treat,
            awaits_refinement=self._is_lossless,
        )
        self.state = "admitting"
        self._memory.configure(self._worker, self._configuration, self._keeper)

    def _begin(self, ready: control.Ready) -> None:
        self.state, self._configuration = "running", control.pinned(self._configuration, ready)
        if self._frames is not None:
            self._frames.image_shape, self._frames.fov_mm = ready.image_shape, ready.fov_mm
        if self.n_workers_lost:
            self.answers.worker_back()
        if not self._is_begun:
            self._is_begun = True
            self._sink.publish(start_of(self.run, self.protocol, self.header, ready))
            if ready.expected_late:
                self.answers.remark(faults.late_expected(ready.expected_late))
            for told in self._keeper.begin(took_over=ready.took_over):
                self.answers.remark(told)

    def _place(self, acquisition: Acquisition, received_ns: int) -> None:
        frames = self._frames
        if frames is None:
            return
        frames.refuse_changed_shape(acquisition, readout=self.n_readouts)
        placement = self.assembler.place(
            acquisition,
            readout=self.n_readouts,
            n_waiting=self._companions.n_waiting(acquisition),
        )
        for frame in placement.ended:
            self._close(frame, received_ns, received_ns)
        frame = placement.frame
        if placement.is_new:
            self._open(frame, frames, acquisition, received_ns)
        tenant = self._slots.find(frame.frame_id)
        if placement.row is not None:
            frames.land(tenant, frame, placement.row, acquisition)
        if placement.is_last:
            self._close(frame, received_ns, received_ns)
        elif tenant is not None and tenant is self._slots.assigned:
            self._worker.ring()

    def _accompany(self, companion: Acquisition) -> None:
        """Let a navigator or calibration line travel with its frame, or wait for it."""
        frames = self._frames
        if frames is not None and not self._n_extra:
            self._pass_over(
                "navigators or calibration lines come, but the header tells of neither EPI nor "
                "acceleration"
            )
            return
        frame = self.assembler.frame_for(companion)
        if frame is None or frames is None:
            self._companions.wait(companion, readout=self.n_readouts)
            return
        row, frame.n_companions = frame.n_rows, frame.n_companions + 1
        tenant = self._slots.find(frame.frame_id)
        frames.land_companion(tenant, frame, row, companion, readout=self.n_readouts)
        if tenant is not None and tenant is self._slots.assigned:
            self._worker.ring()

    def _pass_over(self, text: str) -> None:
        self.n_unused += 1
        self._remarks.once(text, faults.unused(f"readout {self.n_readouts}: {text}"))

    def _open(
        self, frame: OpenFrame, frames: SessionFrames, first: Acquisition, now_ns: int
    ) -> None:
        key = frame.key
        stream = (key.slice, key.contrast, key.phase, key.set)
        tenant, dropped = self._slots.admit(frame.frame_id, stream)
        self._drop(dropped, now_ns)
        if tenant is not None:
            frames.open(tenant, frame)
        for row, companion in enumerate(self._companions.take(first)):
            frames.land_companion(tenant, frame, row, companion, readout=self.n_readouts)
        if tenant is not None:
            self._assign(now_ns)

    def _close_open_frames(self, received_ns: int, now_ns: int) -> None:
        for frame in self.assembler.end():
            self._close(frame, received_ns, now_ns)

    def _close(self, frame: OpenFrame, received_ns: int, now_ns: int) -> None:
        """Open the frame's deadline and let the worker finish it."""
        tenant = self._slots.find(frame.frame_id)
        if self._frames is not None:
            self._frames.close(tenant, frame, received_ns)
        if tenant is not None and tenant is self._slots.assigned:
            self._watch.begin(now_ns)
            self._worker.ring()  # before all that is only ours to note
        self.answers.open(
            frame.frame_id, frame.key, received_ns=received_ns, is_complete=frame.is_complete
        )
        doubt = self._times.take_remark()
        if doubt:
            self.answers.remark(faults.time_stamps(doubt))
        if tenant is None:
            self._drop([frame.frame_id], now_ns)
        elif tenant is not self._slots.assigned:
            self._assign(now_ns)

    def _assign(self, now_ns: int) -> None:
        if self.state != "running":
            return
        tenant, dropped = self._slots.assign_next()
        self._drop(dropped, now_ns)
        if tenant is not None:
            self._n_assigned += 1
            if tenant.is_closed:
                self._watch.begin(now_ns)
            self._worker.send(control.Assign(tenant.slot, self._n_assigned % 2))

    def _drop(self, frame_ids: list[int], now_ns: int) -> None:
        for frame_id in frame_ids:
            self.answers.late(frame_id, "a newer frame overtook it", now_ns=now_ns)

    def _conclude(self, done: control.Done, now_ns: int) -> None:
        if self._frames is not None:
            verdict = self.answers.computed(self._frames.verdict(done), now_ns=now_ns)
            self._sink.publish(self._frames.maps(done, verdict))

    def is_worker_busy(self) -> bool:
        """Whether the worker has a whole frame, or a configuration, in hand."""
        return self._watch.is_busy

    def is_hung(self, now_ns: int) -> bool:
        """Whether the worker has had a whole frame, or a configuration, for far too long."""
        return self._watch.is_hung(now_ns, is_setting_up=self.state != "running")

    def _stall_ns(self) -> int | None:
        """Return when an open frame has waited too long for its next readout."""
        is_made_to_wait = self._is_lossless or self.state != "running" or not self.accepts()
        if is_made_to_wait or not self.assembler.open:
            return None
        return self._last_readout_ns + int(self.protocol.stream.stall_ms * 1e6)

    def _fault(self, frame_id: int, text: str, now_ns: int) -> None:
        keys = {one.frame_id: one.key for one in self.assembler.open.values()}
        self.answers.fault(frame_id, text, now_ns=now_ns, key=keys.get(frame_id))
