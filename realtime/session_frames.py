"""Frames on their way through shared memory: each row as it lands, the slot's own at both ends."""

from typing import Any

from messages import Acquisition, FrameKey, Maps, MonitorError, Verdict
from realtime import control
from realtime.assembler import OpenFrame
from realtime.device_reports import DeviceReports
from realtime.frame_times import FrameTimes
from realtime.mailbox import KEY_FIELDS
from realtime.session_memory import SessionMemory
from realtime.slots import Tenant
from realtime.waveform_queue import WaveformQueue


class SessionFrames:
    """The gateway's pen for the slots; which frame has which slot is decided elsewhere.

    A frame without a slot (tenant None) has times all the same: the scanner's clock goes on.
    """

    def __init__(
        self,
        memory: SessionMemory,
        times: FrameTimes,
        waveforms: WaveformQueue,
        device: DeviceReports,
        *,
        n_extra: int,
    ) -> None:
        self._memory = memory
        self._times = times
        self._waveforms = waveforms
        self._n_extra = n_extra
        self._device = device
        # of the images, known once the worker has planned
        self.image_shape, self.fov_mm = (0, 0, 0), (0.0, 0.0, 0.0)

    def refuse_changed_shape(self, acquisition: Acquisition, *, readout: int) -> None:
        """Raise MonitorError for an imaging readout of another shape than the first had."""
        layout = self._memory.layout
        if acquisition.n_coils != layout.n_coils or acquisition.n_samples != layout.n_samples:
            raise MonitorError(
                f"readout {readout}: {acquisition.n_coils} channels × {acquisition.n_samples} "
                f"samples, the session began with {layout.n_coils} × {layout.n_samples}; "
                "a changed acquisition needs a new session and baseline"
            )
        n_dimensions, given = layout.n_trajectory_dimensions, acquisition.trajectory.shape[1]
        if n_dimensions not in (0, given):
            raise MonitorError(
                f"readout {readout}: a trajectory of {given} dimensions, the session began with "
                f"{n_dimensions}"
            )

    def open(self, tenant: Tenant, frame: OpenFrame) -> None:
        """Begin a slot: the worker looks up the slice's calibration by the key."""
        row, key = self._memory.mailbox.slots[tenant.slot], frame.key
        row["n_landed"] = row["is_closed"] = row["waveform_length"] = 0
        row["frame_id"] = frame.frame_id
        row["repetition"], row["slice"], row["contrast"] = key.repetition, key.slice, key.contrast
        row["phase"], row["set"] = key.phase, key.set

    def land(
        self, tenant: Tenant | None, frame: OpenFrame, row: int, acquisition: Acquisition
    ) -> None:
        """Put an imaging readout into its row."""
        self._times.note(frame.frame_id, acquisition)
        if tenant is not None:
            self._memory.mailbox.scatter(tenant.slot, row, acquisition)

    def land_companion(
        self,
        tenant: Tenant | None,
        frame: OpenFrame,
        row: int,
        acquisition: Acquisition,
        *,
        readout: int,
    ) -> None:
        """Put a navigator or calibration line into its row. Raises MonitorError: it does not fit.

        readout: its count in the session, for the message.
        """
        layout = self._memory.layout
        if acquisition.n_coils != layout.n_coils or acquisition.n_samples > layout.n_samples:
            raise MonitorError(
                f"readout {readout}: a navigator or calibration line of {acquisition.n_coils} "
                f"channels × {acquisition.n_samples} samples, the image's lines have "
                f"{layout.n_coils} × {layout.n_samples}, expected no more"
            )
        if frame.n_companions > self._n_extra:
            raise MonitorError(
                f"readout {readout}: more than {self._n_extra} navigators and calibration lines "
                f"in frame {frame.frame_id}, as many as it has lines"
            )
        self._times.note(frame.frame_id, acquisition, is_companion=True)
        if tenant is not None:
            self._memory.mailbox.scatter(tenant.slot, row, acquisition)

    def close(self, tenant: Tenant | None, frame: OpenFrame, received_ns: int) -> None:
        """Write what only a frame's end tells, and then that it is closed."""
        centre = self._times.centre(frame.frame_id)
        times_s, centre_s = self._times.settle(frame.frame_id)
        if tenant is None:
            return
        mailbox, pose = self._memory.mailbox, centre.pose
        row = mailbox.slots[tenant.slot]
        row["received_ns"] = received_ns
        row["ticks"], row["physiology_ticks"] = centre.ticks, centre.physiology_ticks
        mailbox.readouts[tenant.slot]["time_s"][: len(times_s)] = times_s
        row["time_s"] = centre_s
        row["is_complete"] = frame.is_complete
        self._device.write(row)
        row["pose"] = (
            pose.position_mm, pose.read_dir, pose.phase_dir, pose.slice_dir,
            pose.patient_table_position,
        )  # fmt: skip
        mailbox.write_waveforms(tenant.slot, self._waveforms.take(self._times.time_s))
        tenant.is_closed = True
        row["is_closed"] = 1

    def verdict(self, done: control.Done) -> bytes:
        """Return the verdict that the worker has written, as JSON."""
        return self._memory.mailbox.read_verdict(done.result)

    def picture(self, pictured: control.Pictured) -> Maps:
        """Return the magnitude that the worker has put there ahead of its verdict, as a view."""
        row = self._memory.mailbox.slots[pictured.slot]
        key = FrameKey(*(int(row[name]) for name in KEY_FIELDS))
        return self._shown(pictured, key, None, names=("magnitude",))

    def maps(self, done: control.Done, verdict: Verdict) -> Maps:
        """Return the pictures that the worker has put beside its verdict, as views."""
        return self._shown(done, verdict.key, verdict.time_s)

    def _shown(
        self,
        told: control.Pictured | control.Done,
        key: FrameKey,
        time_s: float | None,
        *,
        names: tuple[str, ...] = (),
    ) -> Maps:
        mailbox = self._memory.mailbox
        images: dict[str, Any] = mailbox.images(told.result, self.image_shape)
        row = mailbox.slots[told.slot]
        one, two, three = row["physiology_ticks"].tolist()
        return Maps(
            told.frame_id,
            key,
            time_s,
            self.fov_mm,
            mailbox.pose(told.slot),
            **{name: images[name] for name in names or images},
            acquisition_time_stamp=int(row["ticks"]),
            physiology_time_stamp=(one, two, three),
        )
