"""The pictures of a frame as MRD images, one series each: magnitude, temperature, dose, target.

The bytes are written here rather than by `ismrmrd.Image.from_array`, whose transposition default
changed between 1.14 and 1.15; the ismrmrd package's own reader is the referee in the tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from messages import Maps, MotionReading
from realtime.streams import mrd_layout as layout

MAGNITUDE_SERIES = 0
TEMPERATURE_SERIES = 1
DOSE_SERIES = 2
TARGET_SERIES = 3

ResultType = Literal["float32", "int16"]
_DATA_TYPE: dict[ResultType, int] = {"float32": 5, "int16": 2}
_MAGNITUDE = 1  # image_type; all are real and not negative, which a viewer shows as they are
_NO_VALUE = -32768  # int16 has no NaN: below every number that a map can hold
_MOST_MAGNITUDE = 4095  # 12 bits, what DICOM viewers expect of a magnitude


@dataclass(frozen=True, slots=True)
class _Series:
    """One kind of picture.

    step: what one count of an int16 stands for; 0 where the numbers are arbitrary: each image is
        then scaled to its own brightest pixel, and the scale is told.
    window: centre and width in `unit`; None: from dark to the brightest.
    """

    index: int
    name: str
    unit: str
    step: float
    lookup_table: str
    window: tuple[float, float] | None


_MAGNITUDE_SERIES = _Series(MAGNITUDE_SERIES, "magnitude", "a.u.", 0.0, "", None)
# 0.01 °C is a tenth of the best noise, and 32767 of them reach 327 °C
_TEMPERATURE_SERIES = _Series(
    TEMPERATURE_SERIES, "temperature", "degree Celsius", 0.01, "MicroDeltaHotMetal.pal", (50, 40)
)
# 240 CEM43 is the usual target of ablation; what exceeds 3276.7 is shown as that
_DOSE_SERIES = _Series(
    DOSE_SERIES, "thermal dose", "CEM43 min", 0.1, "MicroDeltaHotMetal.pal", (120, 240)
)


# 0 outside, 1 inside
_TARGET_SERIES = _Series(TARGET_SERIES, "target", "1", 1.0, "", (0.5, 1.0))


def encode_maps(
    maps: Maps,
    *,
    result_type: ResultType = "float32",
    motion: MotionReading | None = None,
    has_magnitude: bool = True,
) -> Iterator[bytes]:
    """Yield the IMAGE messages of magnitude and of those maps that there are.

    float32: pixels as they are, NaN where they were not valid; the target is 0 or 1. int16: counts,
    saturated at ±32767, -32768 where not valid; RescaleSlope says what a count of temperature or
    dose is, and windows speak of rescaled values, as the MRD standard's meta attributes have it.
    image_index is the frame's number modulo 65536, because MRD gives it 16 bits.
    motion: is told in each image's attributes. has_magnitude: False where it has gone ahead.
    """
    target = None if maps.target_mask is None else maps.target_mask.astype(np.float32)
    pictures = (
        (maps.magnitude if has_magnitude else None, _MAGNITUDE_SERIES),
        (maps.temperature_c, _TEMPERATURE_SERIES),
        (maps.dose_cem43_min, _DOSE_SERIES),
        (target, _TARGET_SERIES),
    )
    for pixels, series in pictures:
        if pixels is not None:
            yield _message(maps, pixels, series, result_type, motion)


def _message(
    maps: Maps,
    pixels: NDArray[np.float32],
    series: _Series,
    result_type: ResultType,
    motion: MotionReading | None,
) -> bytes:
    # only what has no scale of its own is shown by its brightest pixel
    brightest = _brightest(pixels) if series.window is None else 1.0
    step = 1.0
    if result_type == "int16":
        step = series.step or (brightest or 1.0) / _MOST_MAGNITUDE
    stored = _counts(pixels, step) if result_type == "int16" else pixels.astype("<f4", copy=False)
    meta = _attributes(maps, series, step, brightest, result_type)
    if motion is not None:
        _tell_motion(meta, motion)
    attributes = str(meta.serialize()).encode("utf-8")
    head = _head(maps, pixels.shape, series.index)
    head.data_type = _DATA_TYPE[result_type]
    head.attribute_string_len = len(attributes)
    return b"".join(
        (
            layout.MESSAGE_ID.pack(layout.IMAGE),
            bytes(head),
            layout.ATTRIBUTE_LENGTH.pack(len(attributes)),
            attributes,
            stored.tobytes(),  # C order (z, y, x): x runs fastest
        )
    )


def _brightest(pixels: NDArray[np.float32]) -> float:
    """Return the largest finite value, 1 where there is none."""
    largest = float(np.fmax.reduce(pixels, axis=None))
    if np.isfinite(largest):
        return largest
    seen = pixels[np.isfinite(pixels)]
    return float(seen.max()) if seen.size else 1.0


def _counts(pixels: NDArray[np.float32], step: float) -> NDArray[np.int16]:
    is_finite = np.isfinite(pixels)
    counts = np.clip(np.rint(np.where(is_finite, pixels, 0) / step), -32767, 32767)
    return np.where(is_finite, counts, _NO_VALUE).astype("<i2")


def _attributes(
    maps: Maps, series: _Series, step: float, brightest: float, result_type: ResultType
) -> ismrmrd.Meta:
    is_arbitrary = series.step == 0.0
    center, width = series.window or (brightest / step / 2, brightest / step)
    meta = ismrmrd.Meta()
    meta["DataRole"] = ["Quantitative"]
    meta["SeriesDescriptionAdditional"] = series.name
    meta["ImageComments"] = f"{series.name} in {series.unit}; research use"
    meta["Unit"] = series.unit
    meta["Keep_image_geometry"] = "1"
    meta["ImageRowDir"] = [f"{one:.9g}" for one in maps.pose.read_dir]
    meta["ImageColumnDir"] = [f"{one:.9g}" for one in maps.pose.phase_dir]
    meta["WindowCenter"] = f"{center:g}"
    meta["WindowWidth"] = f"{width:g}"
    if result_type == "int16":
        meta["PixelPaddingValue"] = f"{_NO_VALUE}"
        meta["ImageScaleFactor" if is_arbitrary else "RescaleSlope"] = f"{step:.9g}"
    if result_type == "int16" and not is_arbitrary:
        meta["RescaleIntercept"] = "0"
    if series.lookup_table:
        meta["LUTFileName"] = series.lookup_table
    return meta


def _tell_motion(meta: ismrmrd.Meta, motion: MotionReading) -> None:
    """Add where the target is; what is not known has no attribute."""
    values = {
        "DisplacementMm": motion.displacement_mm,  # (y, x)
        "DisplacementLpsMm": motion.displacement_lps_mm,
        "PredictedDisplacementMm": motion.predicted_mm,
        "EffectTimeS": motion.effect_time_s,
        "Similarity": motion.similarity,
    }
    for name, value in values.items():
        if value is not None:
            numbers = value if isinstance(value, tuple) else (value,)
            meta[name] = [f"{one:.9g}" for one in numbers]
    if motion.doubts:
        meta["Doubts"] = list(motion.doubts)
    meta["GateOpen"] = "1" if motion.is_gate_open else "0"


def _head(maps: Maps, shape: tuple[int, ...], series: int) -> ismrmrd.ImageHeader:
    n_z, n_y, n_x = shape
    key, pose = maps.key, maps.pose
    head = ismrmrd.ImageHeader()
    head.version = 1
    head.matrix_size = (n_x, n_y, n_z)
    head.field_of_view = maps.fov_mm
    head.channels = 1
    head.position = pose.position_mm
    head.read_dir = pose.read_dir
    head.phase_dir = pose.phase_dir
    head.slice_dir = pose.slice_dir
    head.patient_table_position = pose.patient_table_position
    head.slice, head.contrast, head.phase = key.slice, key.contrast, key.phase
    head.repetition, head.set = key.repetition, key.set
    head.acquisition_time_stamp = maps.acquisition_time_stamp
    head.physiology_time_stamp = maps.physiology_time_stamp
    head.image_type = _MAGNITUDE
    head.image_index = maps.frame_id % 65536
    head.image_series_index = series
    return head
