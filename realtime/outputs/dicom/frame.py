"""The DICOM objects of one frame."""

import numpy as np
from pydicom.dataset import Dataset

from messages import Maps
from realtime.outputs.dicom.lesion import lesion_masks, lesion_segmentation
from realtime.outputs.dicom.magnitude import magnitude_instances
from realtime.outputs.dicom.parametric_map import TEMPERATURE, THERMAL_DOSE, parametric_map
from realtime.outputs.dicom.place import place_of
from realtime.outputs.dicom.study import Study


def frame_instances(maps: Maps, study: Study) -> list[Dataset]:
    """Return magnitude, temperature, thermal dose and lesion, as far as the frame has them.

    A map of which no pixel is valid is left out, and so is a lesion where none may be. Raises
    MonitorError where the frame has no place in the patient.
    """
    source = magnitude_instances(maps, place_of(maps), study)
    found = list(source)
    for quantity, values in (
        (TEMPERATURE, maps.temperature_c),
        (THERMAL_DOSE, maps.dose_cem43_min),
    ):
        if values is None:
            continue
        valid = np.isfinite(values) if maps.valid is None else maps.valid & np.isfinite(values)
        if valid.any():
            shown = np.where(valid, values, np.float32(np.nan))
            found.append(parametric_map(shown, quantity, maps, study, source))
    masks = lesion_masks(maps)
    if masks is not None:
        found.append(lesion_segmentation(masks, maps, study, source))
    return found
