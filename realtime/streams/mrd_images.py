"""The pictures of a frame as MRD images: one series each for magnitude, temperature and dose.

The bytes are written here rather than by `ismrmrd.Image.from_array`, whose transposition default
changed between 1.14 and 1.15; the ismrmrd package's own reader is the referee in the tests.
"""

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from messages import Maps
from realtime.streams import mrd_layout as layout

MAGNITUDE_SERIES = 0
TEMPERATURE_SERIES = 1
DOSE_SERIES = 2

_FLOAT = 5
_MAGNITUDE = 1  # image_type; all three are real and not negative, which a viewer shows as they are
_TEMPERATURE_WINDOW_C = (50.0, 40.0)  # centre, width: 30 to 70 °C
_DOSE_WINDOW_CEM43_MIN = (120.0, 240.0)  # 240 CEM43 is the usual target of ablation


def encode_maps(maps: Maps) -> tuple[bytes, bytes, bytes]:
    """Return the IMAGE messages of magnitude, temperature and dose, NaN where not valid.

    image_index is the frame's number modulo 65536, because MRD gives it 16 bits.
    """
    seen = maps.magnitude[np.isfinite(maps.magnitude)]
    brightest = float(seen.max()) if seen.size else 1.0
    return (
        _message(
            maps,
            maps.magnitude,
            series=MAGNITUDE_SERIES,
            attributes=_attributes("magnitude", "a.u.", brightest / 2, brightest),
        ),
        _message(
            maps,
            maps.temperature_c,
            series=TEMPERATURE_SERIES,
            attributes=_attributes("temperature", "degree Celsius", *_TEMPERATURE_WINDOW_C),
        ),
        _message(
            maps,
            maps.dose_cem43_min,
            series=DOSE_SERIES,
            attributes=_attributes("thermal dose", "CEM43 min", *_DOSE_WINDOW_CEM43_MIN),
        ),
    )


def _attributes(name: str, unit: str, center: float, width: float) -> bytes:
    meta = ismrmrd.Meta()
    meta["DataRole"] = ["Quantitative"]
    meta["SeriesDescriptionAdditional"] = name
    meta["ImageComments"] = f"{name} in {unit}; research use"
    meta["Unit"] = unit
    meta["WindowCenter"] = f"{center:g}"
    meta["WindowWidth"] = f"{width:g}"
    meta["Keep_image_geometry"] = "1"
    text: str = meta.serialize()
    return text.encode("utf-8")


def _message(
    maps: Maps,
    pixels: NDArray[np.float32],
    *,
    series: int,
    attributes: bytes,
) -> bytes:
    n_z, n_y, n_x = pixels.shape
    key, pose = maps.key, maps.pose
    head = ismrmrd.ImageHeader()
    head.version = 1
    head.data_type = _FLOAT
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
    head.image_type = _MAGNITUDE
    head.image_index = maps.frame_id % 65536
    head.image_series_index = series
    head.attribute_string_len = len(attributes)
    return b"".join(
        (
            layout.MESSAGE_ID.pack(layout.IMAGE),
            bytes(head),
            layout.ATTRIBUTE_LENGTH.pack(len(attributes)),
            attributes,
            pixels.astype("<f4", copy=False).tobytes(),  # C order (z, y, x): x runs fastest
        )
    )
