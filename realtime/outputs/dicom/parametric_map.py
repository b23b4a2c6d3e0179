"""Temperature and thermal dose of a frame as Parametric Maps, in their units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from messages import Maps
from realtime.outputs.dicom.library import settle
from realtime.outputs.dicom.study import (
    MANUFACTURER,
    MODEL,
    SCHEME,
    SERIAL,
    Study,
    series_number,
    series_uid,
)

CEM43 = Code("CEM43", SCHEME, "Cumulative equivalent minutes at 43 °C")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a map tells. meant: values outside it mean nothing. window: center and width."""

    kind: str
    label: str
    explanation: str
    unit: Code
    quantity: Code
    meant: tuple[float, float]
    window: tuple[float, float]


TEMPERATURE = Quantity(
    "temperature",
    "TEMPERATURE",
    "Temperature of tissue by MR thermometry",
    Code("Cel", "UCUM", "degree Celsius"),
    Code("246508008", "SCT", "Temperature"),
    (-273.15, 1000.0),
    (50.0, 30.0),
)
THERMAL_DOSE = Quantity(
    "cem43",
    "CEM43",
    "Thermal dose, equivalent minutes at 43 degrees Celsius",
    Code("min", "UCUM", "minute"),
    CEM43,
    (0.0, 1e30),
    (120.0, 240.0),
)


def parametric_map(
    values: NDArray[np.float32],
    quantity: Quantity,
    maps: Maps,
    study: Study,
    source: Sequence[Dataset],
) -> Dataset:
    """Return values (z, y, x) as 32-bit floats, NaN where not valid.

    source: the planes of the frame's magnitude, which it lies upon.
    """
    values = np.where(np.isfinite(values), values, np.float32(np.nan))
    center, width = quantity.window
    kind, contrast = quantity.kind, maps.key.contrast
    found = ParametricMap(
        source_images=source,
        pixel_array=values.astype(np.float32),
        series_instance_uid=series_uid(study, kind, contrast),
        series_number=series_number(kind, contrast),
        sop_instance_uid=study.uid(kind, contrast, maps.frame_id),
        instance_number=maps.frame_id + 1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=study.version,
        device_serial_number=SERIAL,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            RealWorldValueMapping(
                quantity.label,
                quantity.explanation,
                quantity.unit,
                quantity.meant,
                slope=1.0,
                intercept=0.0,
                quantity_definition=quantity.quantity,
            )
        ],
        voi_lut_transformations=[VOILUTTransformation(center, width)],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label=quantity.label,
        content_description=quantity.explanation,
    )
    settle(found, study, kind=kind, maps=maps)
    found.Laterality = ""
    return found
