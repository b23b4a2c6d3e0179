"""The lesion as Segmentation: where thermal dose has passed 240 CEM43 min, surely or perhaps."""

from collections.abc import Sequence

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
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
from thermometry.dose.thresholds import THRESHOLDS

_CATEGORY = Code("49755003", "SCT", "Morphologically Altered Structure")
_LESION = Code("52988006", "SCT", "Lesion")
_FAMILY = Code("THRESHOLD", SCHEME, "Thermal dose beyond a threshold")
_LIMIT_CEM43_MIN = THRESHOLDS["necrosis"].cem43_min
_SIDES = ("estimate", "surely: low side of the 95 % interval", "perhaps: high side")
_MOST_LABEL = 64


def lesion_masks(maps: Maps) -> NDArray[np.bool_] | None:
    """Return (z, y, x, side) by the dose's estimate, low and high side; None where there is none.

    The low side is what has surely passed the limit, the high side what may have.
    """
    sides = (maps.dose_cem43_min, maps.dose_low_cem43_min, maps.dose_high_cem43_min)
    masks = [_beyond(dose) for dose in sides if dose is not None]
    if len(masks) < len(sides) or not any(mask.any() for mask in masks):
        return None
    return np.stack(masks, axis=-1)


def lesion_segmentation(
    masks: NDArray[np.bool_], maps: Maps, study: Study, source: Sequence[Dataset]
) -> Dataset:
    """Return `lesion_masks` as three segments, one within the other.

    source: the planes of the frame's magnitude, which it lies upon.
    """
    kind, contrast = "lesion", maps.key.contrast
    algorithm = AlgorithmIdentificationSequence(
        name=f"CEM43 at least {_LIMIT_CEM43_MIN:g} min", family=_FAMILY, version=study.version
    )
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=f"at least {_LIMIT_CEM43_MIN:g} CEM43 min, {side}"[:_MOST_LABEL],
            segmented_property_category=_CATEGORY,
            segmented_property_type=_LESION,
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, side in enumerate(_SIDES, 1)
    ]
    found = Segmentation(
        source_images=source,
        pixel_array=masks.astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=series_uid(study, kind, contrast),
        series_number=series_number(kind, contrast),
        sop_instance_uid=study.uid(kind, contrast, maps.frame_id),
        instance_number=maps.frame_id + 1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=study.version,
        device_serial_number=SERIAL,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label="LESION",
        content_description="Tissue by its thermal dose",
        omit_empty_frames=True,
    )
    settle(found, study, kind=kind, maps=maps)
    return found


def _beyond(dose: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(dose >= _LIMIT_CEM43_MIN)  # false for NaN
