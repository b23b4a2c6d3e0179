"""Where DICOM says that a voxel lies is where the monitor knows it to lie."""

import dataclasses

import numpy as np
import pytest

from messages import MonitorError, Pose
from realtime.outputs.dicom.frame import frame_instances
from realtime.outputs.dicom.study import study_of
from realtime.protocol import parse_protocol
from realtime.regions import region_masks
from tests.harness import PROTOCOL
from tests.realtime.outputs.dicom.made import FOV_MM, SHAPE, START, at_mm, frame, pose

STUDY = study_of(START)
# the standard planes, an oblique one, and one whose stack runs against row x column
POSES = {
    "transverse": Pose((5.0, 6.0, 7.0)),
    "sagittal": Pose((5.0, 6.0, 7.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
    "coronal": Pose((5.0, 6.0, 7.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "oblique": pose(1),
    "left-handed": dataclasses.replace(pose(2), slice_dir=tuple(-v for v in pose(2).slice_dir)),
}


def planes(dataset):
    """Return (position, orientation, spacing, pixels) of each plane of an object."""
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        yield (dataset.ImagePositionPatient, dataset.ImageOrientationPatient,
               dataset.PixelSpacing, dataset.pixel_array)  # fmt: skip
        return
    shared = dataset.SharedFunctionalGroupsSequence[0]
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    groups = dataset.PerFrameFunctionalGroupsSequence
    for group, plane in zip(groups, pixels, strict=True):
        number = 1
        if "SegmentIdentificationSequence" in group:
            number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        if number == 1:
            yield (group.PlanePositionSequence[0].ImagePositionPatient,
                   shared.PlaneOrientationSequence[0].ImageOrientationPatient,
                   shared.PixelMeasuresSequence[0].PixelSpacing, plane)  # fmt: skip


def voxels_mm(dataset, is_wanted):
    """Return where wanted voxels lie, by equation C.7.6.2.1-1 of PS3.3 alone."""
    found = []
    for position, orientation, spacing, pixels in planes(dataset):
        row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
        down_mm, along_mm = (float(one) for one in spacing)
        for j, i in np.argwhere(is_wanted(pixels)):
            found.append(np.array(position, float) + row * along_mm * i + column * down_mm * j)
    return np.array(sorted(tuple(one) for one in found))


@pytest.mark.parametrize("name", POSES)
def test_every_object_lies_where_the_monitor_measured(name):
    place = POSES[name]
    made = frame(place=place)
    # a brightness of its own at each corner of an asymmetric figure
    made.magnitude[:] = 0.0
    figure = [(0, 2, 11), (0, 2, 16), (0, 4, 11), (1, 7, 3)]
    for index in figure:
        made.magnitude[index] = 1.0
    *magnitudes, temperature, dose, lesion = frame_instances(made, STUDY)
    expected = np.array(sorted(tuple(at_mm(place, index)) for index in figure))
    lit = np.concatenate([voxels_mm(one, lambda p: p > 0) for one in magnitudes])
    np.testing.assert_allclose(sorted(map(tuple, lit)), expected, atol=1e-4)
    hot = [tuple(at_mm(place, (0, y, x))) for y in (2, 3, 4) for x in range(11, 17)]
    beyond = sorted([*hot, tuple(at_mm(place, (1, 7, 3)))])
    np.testing.assert_allclose(voxels_mm(temperature, lambda p: p > 50), sorted(hot), atol=1e-4)
    np.testing.assert_allclose(voxels_mm(dose, lambda p: p > 240), beyond, atol=1e-4)
    np.testing.assert_allclose(voxels_mm(lesion, lambda p: p > 0), beyond, atol=1e-4)


def test_a_region_s_center_lies_in_the_pixel_where_the_monitor_draws_it():
    place, corner = POSES["oblique"], (1, 9, 4)
    center = ", ".join(f"{v:.6f}" for v in at_mm(place, corner))
    text = PROTOCOL.format(deadline_ms=100.0, lease_ms=400.0, stall_ms=200.0)
    text = text.replace("center_px = [16.0, 16.0]", f"center_mm = [{center}]")
    text = text.replace("radii_px = [2.0, 2.0]", "radii_px = [0.6, 0.6]")
    mask = region_masks(parse_protocol(text), shape=SHAPE, fov_mm=FOV_MM, pose=place)["focus"]
    assert np.argwhere(mask).tolist() == [[0, 9, 4], [1, 9, 4]]  # of every plane
    made = frame(place=place)
    made.magnitude[:] = mask
    both = [voxels_mm(one, lambda p: p > 0) for one in frame_instances(made, STUDY)[:2]]
    found = np.concatenate([one for one in both if len(one)])
    assert np.linalg.norm(found - at_mm(place, corner), axis=1).min() < 1e-3


def test_all_objects_of_a_run_share_one_frame_of_reference():
    found = [*frame_instances(frame(), STUDY), *frame_instances(frame(place=pose(2)), STUDY)]
    assert len({one.FrameOfReferenceUID for one in found}) == 1


@pytest.mark.parametrize(
    "bad", [{"read_dir": (0.0, 0.0, 0.0)}, {"phase_dir": pose().read_dir}], ids=["none", "skew"]
)
def test_a_scanner_that_gives_no_directions_is_told(bad):
    with pytest.raises(MonitorError, match=r"frame 3: the slice's directions are .* DICOM could"):
        frame_instances(frame(place=dataclasses.replace(pose(), **bad)), STUDY)
