"""One readout, as the scanner sent it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]

# MRD acquisition flags that the monitor acts on; flag n of the standard is bit n - 1.
LAST_IN_SLICE = 1 << 7
LAST_IN_REPETITION = 1 << 13
NOISE_MEASUREMENT = 1 << 18
PARALLEL_CALIBRATION = 1 << 19
PARALLEL_CALIBRATION_AND_IMAGING = 1 << 20
REVERSE = 1 << 21
NAVIGATION = 1 << 22
PHASE_CORRECTION = 1 << 23
LAST_IN_MEASUREMENT = 1 << 24
HIGH_PERFORMANCE_FEEDBACK = 1 << 25
DUMMY = 1 << 26
REAL_TIME_FEEDBACK = 1 << 27
PHASE_STABILISATION_REFERENCE = 1 << 29
PHASE_STABILISATION = 1 << 30
COMPRESSED_ZFP = 1 << 52
COMPRESSED_NHLBI = 1 << 53

# Readouts with one of these make no image. Flag 29 (surface coil correction) is left out on
# purpose: real Siemens conversions set it on every imaging line.
NOT_IMAGING = (
    NOISE_MEASUREMENT
    | PARALLEL_CALIBRATION
    | NAVIGATION
    | PHASE_CORRECTION
    | HIGH_PERFORMANCE_FEEDBACK
    | DUMMY
    | REAL_TIME_FEEDBACK
    | PHASE_STABILISATION_REFERENCE
    | PHASE_STABILISATION
)


def is_imaging(flags: int) -> bool:
    """Whether a readout with these flags belongs to an image.

    A line for calibration and imaging does, even where a converter flags it as both kinds.
    """
    if flags & PARALLEL_CALIBRATION_AND_IMAGING:
        flags &= ~PARALLEL_CALIBRATION
    return not flags & NOT_IMAGING


@dataclass(frozen=True, slots=True)
class EncodingCounters:
    """Where a readout stands in the acquisition: the counters of its MRD header."""

    kspace_encode_step_1: int = 0
    kspace_encode_step_2: int = 0
    average: int = 0
    slice: int = 0
    contrast: int = 0
    phase: int = 0
    repetition: int = 0
    set: int = 0
    segment: int = 0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a readout's slice lies in the patient (LPS, mm; directions are unit vectors)."""

    position_mm: Vector = (0.0, 0.0, 0.0)
    read_dir: Vector = (1.0, 0.0, 0.0)
    phase_dir: Vector = (0.0, 1.0, 0.0)
    slice_dir: Vector = (0.0, 0.0, 1.0)
    patient_table_position: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Acquisition:
    """One readout with its encoding counters, flags and time stamps.

    samples: complex64 (coil, sample), discard_pre and discard_post still included.
    trajectory: float32 (sample, dimension), dimension 0 where there is none.
    acquisition_time_stamp: scanner ticks, whose unit the session decides.
    """

    flags: int
    measurement_uid: int
    scan_counter: int
    acquisition_time_stamp: int
    physiology_time_stamp: tuple[int, int, int]
    discard_pre: int
    discard_post: int
    center_sample: int
    encoding_space_ref: int
    sample_time_us: float
    pose: Pose
    idx: EncodingCounters
    samples: NDArray[np.complex64]
    trajectory: NDArray[np.float32]

    @property
    def n_coils(self) -> int:
        """Active channels."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Samples along the readout."""
        return int(self.samples.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A stretch of a physiological signal: ECG, pulse, respiration.

    samples: uint32 (channel, sample). run_id: set where it is published. time_s: scanner time of
    the first sample, once a frame has told what a tick is.
    """

    flags: int
    measurement_uid: int
    scan_counter: int
    time_stamp: int
    sample_time_us: float
    waveform_id: int
    samples: NDArray[np.uint32]
    run_id: str = ""
    time_s: float | None = None
