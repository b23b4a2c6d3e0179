"""truth.h5, which a simulator leaves beside a run, and how far the measurement was from it."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from messages import MonitorError
from realtime.outputs.report_maps import MapFile

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """frame_time_s (frame,); bandlimited_c float32 (frame, y, x): what a perfect measurement shows.

    peak_c (sample,) at sample_time_s (sample,): the middle of the focus, frames or no frames;
    empty where the simulator does not tell. dose_cem43_min float32 (frame, y, x), or None.
    """

    frame_time_s: Real
    bandlimited_c: NDArray[np.float32]
    sample_time_s: Real
    peak_c: Real
    dose_cem43_min: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class TemperatureError:
    """Measured minus true over all frames with a temperature, in °C.

    standardised_std: standard deviation of error / reported standard deviation; 1 is right.
    """

    n: int
    mean_c: float
    rms_c: float
    max_c: float
    standardised_std: float


def read_truth(path: Path, *, body_c: float) -> Truth:
    """Return the truth of a treatment, or of a scan, which tells the rise above the body's.

    Raises MonitorError where the file is neither.
    """
    try:
        with h5py.File(path, "r") as file:
            return _of_treatment(file) if "sample_time_s" in file else _of_scan(file, body_c)
    except (OSError, KeyError, ValueError) as error:
        raise MonitorError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error


def _of_treatment(file: h5py.File) -> Truth:
    return Truth(
        np.asarray(file["frame_time_s"][:], np.float64),
        np.asarray(file["temperature_bandlimited_c"][:], np.float32),
        np.asarray(file["sample_time_s"][:], np.float64),
        np.asarray(file["peak_c"][:], np.float64),
        np.asarray(file["dose_cem43_min"][:], np.float32),
    )


def _of_scan(file: h5py.File, body_c: float) -> Truth:
    name = "rise_bandlimited_c" if "rise_bandlimited_c" in file else "rise_c"
    warm_c = np.asarray(file[name][:], np.float32) + np.float32(body_c)
    return Truth(
        np.asarray(file["frame_time_s"][:], np.float64), warm_c, np.zeros(0), np.zeros(0), None
    )


def temperature_error(maps: MapFile, truth: Truth, region: Mask) -> TemperatureError | None:
    """Compare every valid pixel of a region, bool (z, y, x), in every frame that has both.

    None where nothing can be compared. Sums in float64: half a million squares lose digits else.
    """
    if truth.bandlimited_c.shape[1:] != maps.shape[1:]:
        return None
    errors: list[Real] = []
    scaled: list[Real] = []
    for row, frame in enumerate(maps.frame):
        if not 0 <= frame < len(truth.bandlimited_c):
            continue
        measured_c = maps.temperature_c(row)
        inside = region & np.isfinite(measured_c) & np.isfinite(truth.bandlimited_c[frame])
        error_c = (measured_c - truth.bandlimited_c[frame])[inside].astype(np.float64)
        errors.append(error_c)
        scaled.append(error_c / maps.read("temperature_std_c", row)[inside])
    error_c = np.concatenate(errors) if errors else np.zeros(0)
    if not error_c.size:
        return None
    return TemperatureError(
        int(error_c.size),
        float(error_c.mean()),
        float(np.sqrt(np.mean(error_c**2))),
        float(np.abs(error_c).max()),
        float(np.concatenate(scaled).std()),
    )
