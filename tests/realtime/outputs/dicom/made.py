"""A frame made by hand, lying obliquely, whose every value and place is known."""

import numpy as np

from messages import FrameKey, Maps, Pose, RunStart

SHAPE = (2, 12, 20)
FOV_MM = (60.0, 24.0, 8.0)  # (x, y, z): voxels of 3 x 2 x 4 mm
STEP_MM = (4.0, 2.0, 3.0)  # (z, y, x)
POSITION_MM = (12.5, -30.25, 41.0)
START = RunStart(
    "20261121T105052-15016-001", "mrgfus-demo", "abc", "mrgfus", "digest", "tcp:x",
    "2026-11-21T10:50:53.729+00:00", "machine", {"mr-therapy-monitor": "0.1.0"}, SHAPE, FOV_MM,
    100.0, 4500.0, {},
)  # fmt: skip


def axes(seed):
    """Return three directions at right angles: read, phase, slice, as float32 as scanners send."""
    found, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return [tuple(float(v) for v in np.float32(one)) for one in found]


def pose(seed=1):
    return Pose(POSITION_MM, *axes(seed))


def frame(*, frame_id=3, contrast=0, place=None, heat_c=23.5):
    """A hot spot that lies nowhere by symmetry, and one pixel of each map that is not valid."""
    rng = np.random.default_rng(frame_id)
    magnitude = rng.random(SHAPE, dtype=np.float32) * 3e-4
    temperature = np.full(SHAPE, 37.0, np.float32)
    dose = np.full(SHAPE, 0.01, np.float32)
    temperature[0, 2:5, 11:17] += heat_c
    dose[0, 2:5, 11:17] = 300.0
    dose[1, 7, 3] = 250.0
    temperature[1, 0, 0] = dose[1, 0, 0] = np.nan
    return Maps(
        frame_id, FrameKey(frame_id, 0, contrast), 12.5, FOV_MM, place or pose(), magnitude,
        temperature_c=temperature,
        temperature_std_c=np.full(SHAPE, 0.3, np.float32),
        valid=np.isfinite(temperature),
        dose_cem43_min=dose,
        dose_low_cem43_min=dose * np.float32(0.9),
        dose_high_cem43_min=dose * np.float32(1.5),
        run_id=START.run_id,
        region_bits=np.zeros(SHAPE, np.uint16),
    )  # fmt: skip


def at_mm(place, index):
    """Return where a voxel (z, y, x) lies in the patient, by the monitor's own rule."""
    steps = (place.slice_dir, place.phase_dir, place.read_dir)
    offsets = zip(index, SHAPE, STEP_MM, steps, strict=True)
    off = sum((n - size // 2) * mm * np.array(axis) for n, size, mm, axis in offsets)
    return np.array(place.position_mm) + off
