"""Contours become solids of the right volume, in the right place."""

import numpy as np
import pytest

from messages import MonitorError
from realtime.rt.raster import solid, structure
from realtime.rt.rtstruct import read_structures
from tests.realtime.rt.rt_files import circle, save_structures, square


def roi(tmp_path, contours, **named):
    path = save_structures(tmp_path / "s.dcm", {"a": contours}, **named)
    return read_structures(path).roi("a")


def test_a_box_has_its_volume_and_its_middle(tmp_path):
    """20 × 20 mm on five planes 3 mm apart: each plane stands for 3 mm, 6000 mm³ in all."""
    one = structure(
        roi(tmp_path, [square(z, center=(5.0, -7.0)) for z in (0, 3, 6, 9, 12)]),
        role="target",
        voxel_mm=2.5,
    )
    assert one.volume_mm3.sum() == pytest.approx(6000.0, rel=0.03)
    middle = one.volume_mm3 @ one.points_mm / one.volume_mm3.sum()
    np.testing.assert_allclose(middle, [5.0, -7.0, 6.0], atol=0.05)


def test_a_sphere_has_its_volume(tmp_path):
    """Radius 15 mm on planes 3 mm apart; between planes the outline is interpolated."""
    planes = [circle(z, np.sqrt(15.0**2 - z**2)) for z in np.arange(-13.5, 14, 3.0)]
    one = structure(roi(tmp_path, planes), role="target", voxel_mm=2.5)
    assert one.volume_mm3.sum() == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.02)


def test_a_contour_within_a_contour_is_a_hole(tmp_path):
    planes = [square(z, half) for z in (0, 3, 6) for half in (10.0, 5.0)]
    one = roi(tmp_path, planes)
    assert solid(one, step_mm=0.5).volume_mm3 == pytest.approx((400 - 100) * 9, rel=0.03)
    inside = solid(one, step_mm=0.5).contains(np.array([[0.0, 0.0, 3.0], [7.5, 0.0, 3.0]]))
    assert inside.tolist() == [False, True]


def test_two_missing_planes_are_filled_and_more_part_the_structure(tmp_path):
    near = solid(roi(tmp_path, [square(z) for z in (0, 3, 6, 15, 18, 21)]), step_mm=0.5)
    far = solid(roi(tmp_path, [square(z) for z in (0, 3, 6, 30, 33, 36)]), step_mm=0.5)
    between = np.array([[0.0, 0.0, 10.5]])
    assert near.contains(between).all()
    assert not far.contains(between).any()
    assert far.volume_mm3 == pytest.approx(400 * 18, rel=0.04)


def test_sagittal_contours_are_as_good_as_transverse_ones(tmp_path):
    turned = [square(z)[:, [2, 0, 1]] for z in (0, 3, 6)]
    one = solid(roi(tmp_path, turned), step_mm=0.5)
    assert one.volume_mm3 == pytest.approx(400 * 9, rel=0.03)
    assert one.contains(np.array([[3.0, 9.0, 9.0], [9.0, 3.0, 9.0]])).tolist() == [True, False]


def test_a_small_structure_has_many_points_all_the_same(tmp_path):
    one = structure(roi(tmp_path, [square(z, 1.5) for z in (0, 1, 2)]), role="oar", voxel_mm=2.5)
    assert len(one.volume_mm3) > 200
    assert one.volume_mm3.sum() == pytest.approx(27.0, rel=0.05)


def test_a_large_structure_has_points_for_the_time_of_a_frame(tmp_path):
    planes = [square(z, 100.0) for z in range(0, 200, 5)]
    one = structure(roi(tmp_path, planes), role="oar", voxel_mm=2.5)
    assert len(one.volume_mm3) < 16_000
    assert one.volume_mm3.sum() == pytest.approx(200**3, rel=0.01)


@pytest.mark.parametrize("geometry", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_what_is_no_closed_contour_is_refused_by_name(geometry, tmp_path):
    with pytest.raises(MonitorError, match=f"s.dcm: ROI 'a' has a contour of type {geometry}"):
        roi(tmp_path, [square(0)], geometry=geometry)


def test_contours_that_are_not_parallel_are_refused(tmp_path):
    with pytest.raises(MonitorError, match="not flat, or not parallel"):
        roi(tmp_path, [square(0), square(3)[:, [2, 0, 1]]])


def test_a_name_that_is_not_there_lists_what_is(tmp_path):
    path = save_structures(tmp_path / "s.dcm", {"GTV": [square(0)], "cord": [square(3)]})
    with pytest.raises(MonitorError, match="'liver' is not there, expected one of 'GTV', 'cord'"):
        read_structures(path).roi("liver")
