"""The k-space of one dynamic, readout by readout."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messages.acquisition import Acquisition, Pose, Waveform

READOUT = np.dtype(
    [
        ("kspace_encode_step_1", np.int32),
        ("kspace_encode_step_2", np.int32),
        ("center_sample", np.int32),
        ("n_samples", np.int32),
        ("discard_pre", np.int32),
        ("discard_post", np.int32),
        ("segment", np.int32),
        ("average", np.int32),
        ("repetition", np.int32),
        ("contrast", np.int32),
        ("encoding_space_ref", np.int32),
        ("flags", np.uint64),
        ("sample_time_us", np.float32),
        ("time_s", np.float64),
    ],
    align=True,
)
"""One row a readout. time_s is scanner time, NaN where the scanner gives no clock."""


def readout_row(acquisition: Acquisition) -> tuple[int | float, ...]:
    """Return a readout as a row of `READOUT`, its time unknown (NaN)."""
    idx = acquisition.idx
    return (
        idx.kspace_encode_step_1, idx.kspace_encode_step_2, acquisition.center_sample,
        acquisition.n_samples, acquisition.discard_pre, acquisition.discard_post, idx.segment,
        idx.average, idx.repetition, idx.contrast, acquisition.encoding_space_ref,
        acquisition.flags, acquisition.sample_time_us, math.nan,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class FrameKey:
    """Which image a frame becomes. Averages and segments of one image share a key.

    contrast: 0 where the frame holds a joined echo train.
    """

    repetition: int = 0
    slice: int = 0
    contrast: int = 0
    phase: int = 0
    set: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The readouts of one dynamic (one slice or volume, one echo train), in order of arrival.

    readouts: rows of `READOUT` (readout,). EPI navigators and calibration lines stand among them,
        before the lines that they belong to; their flags tell. Those of a joined echo train are
        told apart by their contrast.
    samples: complex64 (readout, coil, sample); a row is valid up to its n_samples.
    trajectory: float32 (readout, sample, dimension) as the scanner sent it, units unknown; None
        where it sent none.
    waveforms: what came since the frame before: ECG, pulse, respiration.
    time_s: scanner time of the k-space centre, of a joined echo train the mean over its echoes;
        NaN where the scanner gives no clock.
    is_complete: every expected line has landed.
    """

    frame_id: int
    key: FrameKey
    readouts: NDArray[Any]
    samples: NDArray[np.complex64]
    time_s: float
    pose: Pose
    is_complete: bool
    trajectory: NDArray[np.float32] | None = None
    waveforms: tuple[Waveform, ...] = ()
