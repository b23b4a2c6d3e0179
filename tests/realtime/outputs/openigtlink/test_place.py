"""A voxel is where the patient is: checked against positions written down voxel by voxel."""

import itertools

import numpy as np
import pytest

from messages import FrameKey, Maps, Pose
from realtime.outputs.openigtlink import devices
from realtime.outputs.openigtlink.place import shift_of, voxel_to_ras
from realtime.regions import _pixel_of
from tests.realtime.outputs.openigtlink.peer import only


def oblique(turn_rad=0.4, tilt_rad=-0.7):
    """Read, phase and slice direction of a slice that is turned in its plane and tilted."""
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(tilt_rad), np.sin(tilt_rad)
    return (np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ turned).T


def frame(shape, fov_mm, axes, position_mm=(12.0, -30.0, 7.5), **maps):
    pose = Pose(position_mm, *(tuple(one) for one in axes))
    return Maps(0, FrameKey(0, 0, 0, 0, 0), 0.0, fov_mm, pose, np.zeros(shape, np.float32), **maps)


def place_lps(maps, z, y, x):
    """Where a pixel is, by the definition: pixel n // 2 of each axis at the pose's position."""
    n_z, n_y, n_x = maps.magnitude.shape
    fov_x, fov_y, fov_z = maps.fov_mm
    pose = maps.pose
    return (
        np.array(pose.position_mm)
        + (x - n_x // 2) * fov_x / n_x * np.array(pose.read_dir)
        + (y - n_y // 2) * fov_y / n_y * np.array(pose.phase_dir)
        + (z - n_z // 2) * fov_z / n_z * np.array(pose.slice_dir)
    )


CASES = [
    ((1, 4, 6), (240.0, 120.0, 5.0), np.eye(3)),
    ((1, 8, 8), (200.0, 200.0, 3.0), oblique()),
    ((3, 5, 7), (210.0, 100.0, 12.0), oblique(1.1, 0.3)),
    ((1, 6, 4), (80.0, 120.0, 4.0), np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])),  # sagittal
]


@pytest.mark.parametrize(("shape", "fov_mm", "axes"), CASES)
def test_each_voxel_lies_where_the_pose_says(shape, fov_mm, axes):
    maps = frame(shape, fov_mm, axes)
    (message,) = devices.pictures(maps, utc_s=0.0)
    matrix = only(message.content).ijk_to_ras
    for z, y, x in itertools.product(*map(range, shape)):
        ras = matrix @ (x, y, z, 1.0)
        expected = place_lps(maps, z, y, x) * (-1, -1, 1)
        assert np.abs(ras[:3] - expected).max() < 1e-3  # mm; the protocol's floats have 32 bits


def test_a_bright_voxel_is_found_again_at_its_place_in_the_patient():
    maps = frame((1, 16, 12), (120.0, 240.0, 5.0), oblique())
    maps.magnitude[0, 11, 3] = 1.0
    (message,) = devices.pictures(maps, utc_s=0.0)
    found = only(message.content)
    k, j, i = np.unravel_index(found.voxels.argmax(), found.voxels.shape)
    lps = (found.ijk_to_ras @ (i, j, k, 1.0))[:3] * (-1, -1, 1)
    pixel = _pixel_of(lps, shape=(1, 16, 12), fov_mm=maps.fov_mm, pose=maps.pose)
    assert np.allclose(pixel, (0, 11, 3), atol=1e-4)


def test_the_matrix_keeps_what_a_region_of_the_protocol_means():
    maps = frame((2, 9, 10), (100.0, 90.0, 8.0), oblique())
    ras = voxel_to_ras(maps) @ (4.0, 2.0, 1.0, 1.0)
    point = tuple(ras[:3] * (-1, -1, 1))
    assert np.allclose(
        _pixel_of(point, shape=(2, 9, 10), fov_mm=maps.fov_mm, pose=maps.pose), (1, 2, 4)
    )


def test_a_shift_to_the_patients_left_is_one_to_negative_r():
    assert (shift_of((3.0, -2.0, 5.0)) @ (0, 0, 0, 1)).tolist() == [-3.0, 2.0, 5.0, 1.0]
