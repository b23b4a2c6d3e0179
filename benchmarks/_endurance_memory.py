"""What a process holds, over the frames that it has answered, and whether that grows."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _table import MeasurementError
from numpy.typing import NDArray

MB = 1e6
PER_FRAMES = 100_000
# Of the frames. The logs of power and beam fill in thousands, CPython's free lists of tuples in
# tens of thousands: up to then memory grows by ten bytes a frame, and a short run shows only that.
WARM_SHARE = 0.2
LEAST_SAMPLES = 12
N_BLOCKS = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held after so many frames."""

    frame: int
    resident_bytes: int
    n_descriptors: int


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth in MB per 100 000 frames, with its standard error."""

    mb: float
    error_mb: float

    def __str__(self) -> str:
        return f"{self.mb:+.3f} ± {self.error_mb:.3f} MB"


def sample(pid: int, frame: int) -> Sample:
    """Return what a process holds now. Raises MeasurementError where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        n_descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError as error:
        raise MeasurementError(f"process {pid} is gone after {frame} frames: {error}") from error
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    if found is None:
        raise MeasurementError(f"process {pid} has ended after {frame} frames")
    return Sample(frame, 1024 * int(found.group(1)), n_descriptors)


def settled(samples: list[Sample]) -> list[Sample]:
    """Return the samples after the warm-up."""
    last = samples[-1].frame if samples else 0
    return [one for one in samples if one.frame >= WARM_SHARE * last]


def slope(frames: NDArray[np.float64], n_bytes: NDArray[np.float64]) -> Slope:
    """Return the median slope of all pairs (Theil 1950, Sen 1968) and its standard error.

    Neighbouring samples are alike, since memory moves in steps: medians of a dozen stretches are
    compared, and the error is that of their scatter about the line.
    """
    if len(frames) < LEAST_SAMPLES:
        raise MeasurementError(f"{len(frames)} samples, at least {LEAST_SAMPLES} tell a slope")
    at = np.array([np.median(one) for one in np.array_split(frames, N_BLOCKS)]) / PER_FRAMES
    held = np.array([np.median(one) for one in np.array_split(n_bytes, N_BLOCKS)]) / MB
    one, other = np.triu_indices(N_BLOCKS, 1)
    steepness = float(np.median((held[other] - held[one]) / (at[other] - at[one])))
    left = held - steepness * at
    left -= np.median(left)
    spread = float(np.sum((at - at.mean()) ** 2))
    # 1.4826 median absolute deviations are a standard deviation; a step is no noise: the larger
    scatter = max(1.4826 * float(np.median(np.abs(left))), float(np.std(left)))
    return Slope(steepness, scatter / np.sqrt(spread))


def slope_of(samples: list[Sample]) -> Slope:
    """Return how resident memory grows after the warm-up."""
    kept = settled(samples)
    return slope(
        np.array([one.frame for one in kept], np.float64),
        np.array([one.resident_bytes for one in kept], np.float64),
    )
