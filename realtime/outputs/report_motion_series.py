"""The motion of a run as columns: what the curves, pictures and figures of the report work with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages import Pose
from realtime.outputs.report_motion_record import MotionRow
from realtime.outputs.report_record import RunRecord

Real = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ANATOMY = ("LR", "AP", "SI")
_TOWARDS = ("left", "posterior", "superior")
_ALONG = 0.9  # cosine from which on an image axis is called by the patient's


@dataclass(frozen=True, slots=True, eq=False)
class MotionSeries:
    """Columns of motion.csv, (frame,) or (frame, axis), axis (y, x).

    at: seconds since the first frame, or the frame's number where there is no clock; frames that
        were not computed lie between their neighbours. lasts: until the next frame.
    reference: the frame that displacements count from, NaN where there was none yet.
    beam: 1 on, 0 off, NaN unknown.
    """

    has_clock: bool
    frame: NDArray[np.int64]
    slice: NDArray[np.int64]
    at: Real
    lasts: Real
    time_s: Real
    displacement_mm: Real
    lps_mm: Real
    reference: Real
    effect_time_s: Real
    predicted_mm: Real
    low_mm: Real
    high_mm: Real
    gate_center_mm: Real
    similarity: Real
    similarity_limit: Real
    outside_percent: Real
    predicted_outside_percent: Real
    probability: Real
    area_mm2: Real
    beam: Real
    is_tracked: Flags
    is_training: Flags
    is_followed: Flags
    is_gate_open: Flags
    is_granted: Flags

    @property
    def label(self) -> str:
        """What the horizontal axis is called."""
        return "scanner time (s)" if self.has_clock else "frame"

    @property
    def effect_at(self) -> Real:
        """Where on the horizontal axis each prediction belongs; NaN without a clock."""
        if not self.has_clock:
            return np.full(self.at.shape, np.nan)
        return self.at + self.effect_time_s - self.time_s

    @property
    def is_treating(self) -> Flags:
        """Frames after training and with a place for the gate: those that may have a beam."""
        trained = np.flatnonzero(self.is_training)
        after = np.arange(self.at.size) >= (int(trained[-1]) + 1 if trained.size else 0)
        placed = np.flatnonzero(after & np.isfinite(self.gate_center_mm).all(axis=1))
        return np.arange(self.at.size) >= placed[0] if placed.size else after


@dataclass(frozen=True, slots=True)
class Direction:
    """One axis of one slice. sign: +1 where the image's axis runs towards `towards`."""

    slice: int
    axis: int
    name: str
    towards: str
    sign: float


def motion_series(run: RunRecord) -> MotionSeries | None:
    """Return the columns, None where no frame was answered."""
    rows = sorted(run.motion, key=lambda row: row.frame_id)
    if not rows:
        return None
    time_s = _column(rows, "time_s")
    at, has_clock = _places(time_s, _column(rows, "frame_id"))
    steps = np.diff(at)
    last = float(np.median(steps)) if steps.size else 1.0
    beam = [np.nan if row.is_beam_on is None else float(row.is_beam_on) for row in rows]
    return MotionSeries(
        has_clock=has_clock,
        frame=np.array([row.frame_id for row in rows]),
        slice=np.array([row.slice for row in rows]),
        at=at,
        lasts=np.append(steps, last),
        time_s=time_s,
        displacement_mm=_column(rows, "displacement_mm"),
        lps_mm=_column(rows, "lps_mm"),
        reference=np.array([row.reference_frame for row in rows], np.float64),
        effect_time_s=_column(rows, "effect_time_s"),
        predicted_mm=_column(rows, "predicted_mm"),
        low_mm=_column(rows, "low_mm"),
        high_mm=_column(rows, "high_mm"),
        gate_center_mm=_column(rows, "gate_center_mm"),
        similarity=_column(rows, "similarity"),
        similarity_limit=_column(rows, "similarity_limit"),
        outside_percent=_column(rows, "outside_percent"),
        predicted_outside_percent=_column(rows, "predicted_outside_percent"),
        probability=_column(rows, "probability"),
        area_mm2=_column(rows, "area_mm2"),
        beam=np.array(beam),
        is_tracked=np.array([row.is_tracked for row in rows]),
        is_training=np.array([row.is_training for row in rows]),
        is_followed=np.array([row.is_followed for row in rows]),
        is_gate_open=np.array([row.is_gate_open for row in rows]),
        is_granted=np.array([row.is_granted for row in rows]),
    )


def directions(run: RunRecord, series: MotionSeries) -> list[Direction]:
    """Return each slice's two axes by the patient's, superior-inferior first where it is seen."""
    found = []
    for number in sorted({int(one) for one in series.slice}):
        pose = _pose_of(run, number)
        for axis in (0, 1):
            found.append(_direction(pose, number, axis))
    order = {"SI": 0, "AP": 1, "LR": 2}
    return sorted(found, key=lambda one: (order.get(one.name, 3), one.slice, one.axis))


def _direction(pose: Pose | None, number: int, axis: int) -> Direction:
    if pose is not None:
        vector = (pose.phase_dir, pose.read_dir)[axis]
        along = int(np.argmax(np.abs(vector)))
        if abs(vector[along]) > _ALONG:
            sign = float(np.sign(vector[along]))
            return Direction(number, axis, _ANATOMY[along], _TOWARDS[along], sign)
    name = "yx"[axis]
    return Direction(number, axis, f"image {name}", f"{name} of slice {number}", 1.0)


def _pose_of(run: RunRecord, number: int) -> Pose | None:
    if run.maps is None:
        return None
    rows = np.flatnonzero(run.maps.slice == number)
    return run.maps.pose_of(int(rows[0])) if rows.size else None


def _places(time_s: Real, frame: Real) -> tuple[Real, bool]:
    known = np.isfinite(time_s)
    if known.sum() < 2:
        return frame.astype(np.float64), False
    return np.interp(frame, frame[known], time_s[known]) - time_s[known][0], True


def _column(rows: list[MotionRow], name: str) -> Real:
    return np.array([getattr(row, name) for row in rows], np.float64)
