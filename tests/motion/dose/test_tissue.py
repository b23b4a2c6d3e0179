"""Tissue in the slice goes with the field; far from it, with the target."""

import numpy as np
import pytest

from messages import Pose
from motion.dose import Accumulator, DoseCloud, DosePlan, ImageField, Place
from motion.dose.course import Course
from motion.dose.delivery import Portion
from motion.dose.tissue import FADE_MM, Tissue
from tests.motion.dose.plans import along, box, log, played, ramp_plan, structure

SAGITTAL = Pose(
    position_mm=(3.0, 0.0, 0.0),
    read_dir=(0.0, 1.0, 0.0),
    phase_dir=(0.0, 0.0, -1.0),
    slice_dir=(1.0, 0.0, 0.0),
)
FOV_MM = (64.0, 64.0, 6.0)  # 2 mm pixels, 3 mm to either side


def uniform_field(y_mm, x_mm):
    field = np.zeros((2, 32, 32), np.float32)
    field[0], field[1] = y_mm, x_mm
    return ImageField(field, SAGITTAL, FOV_MM)


def received(point_mm, field, at_mm=(0.0, 0.0, 0.0), gradient=(0.01, 0.02, 0.1)):
    plan = ramp_plan(gradients=(gradient,))
    portion = Portion(0, 100.0, np.array(at_mm), field, field, 0.5)
    tissue = Tissue(plan.grid, np.array([point_mm], float))
    return float(tissue.received_gy(plan, (portion,))[0]) - 20.0 - np.dot(gradient, point_mm)


def test_in_the_slice_the_field_replaces_the_displacement_in_its_plane():
    """4 mm along y of the image is 4 mm towards -z; 2 mm along x is 2 mm towards posterior."""
    off = received((3.0, 0.0, 0.0), uniform_field(4.0, 2.0), at_mm=(5.0, 1.0, 1.0))
    assert off == pytest.approx(0.01 * 5.0 + 0.02 * 2.0 - 0.1 * 4.0, abs=1e-4)


def test_the_field_gives_way_to_the_target_beside_the_slice():
    field = uniform_field(4.0, 0.0)
    at = {x: received((3.0 + x, 0.0, 0.0), field) for x in (3.0, 3.0 + FADE_MM / 2, 3.0 + FADE_MM)}
    assert list(at.values()) == pytest.approx([-0.4, -0.2, 0.0], abs=1e-4)


def test_beyond_the_image_and_where_the_field_says_nothing_tissue_goes_with_the_target():
    small = ImageField(np.full((2, 4, 4), 9.0, np.float32), SAGITTAL, (8.0, 8.0, 6.0))
    silent = uniform_field(np.nan, np.nan)
    for field in (small, silent):
        off = received((3.0, 0.0, 12.0), field, at_mm=(0.0, 0.0, 2.0))
        assert off == pytest.approx(0.2, abs=1e-4)


def test_a_field_is_followed_frame_by_frame():
    """A field that moves all of the slice is as good as a displacement of all."""
    plan = ramp_plan(points_mm=((3.0, 0.0, 0.0),))
    times = np.arange(0.0, 4.01, 0.125)
    reports = [log((0.0, 1, 0.0), (4.0, 1, 100.0))] * len(times)
    rigid = along(times, lambda t: (0.0, 0.0, 2.0 * np.sin(t)))
    dense = [
        Place(one.time_s, (0.0, 0.0, 0.0), uniform_field(-one.displacement_mm[2], 0.0))
        for one in rigid
    ]
    _, by_rigid = played(Accumulator(plan), rigid, reports)
    _, by_dense = played(Accumulator(plan), dense, reports)
    assert by_dense[-1].so_far[0].mean_gy == pytest.approx(by_rigid[-1].so_far[0].mean_gy, abs=1e-3)


def blob_plan(points_mm, mu=100.0):
    grid = box()
    gy = 30.0 * np.exp(-np.sum(grid.points_mm() ** 2, axis=-1) / 2 / 6.0**2)
    cloud = DoseCloud(1, mu, gy.astype(np.float32), grid)
    return DosePlan((cloud,), (structure(points_mm),), "target")


def test_moving_tissue_and_dose_together_changes_nothing():
    """Translation: points moved by minus the displacement receive what resting ones do."""
    rng = np.random.default_rng(2)
    points, shift = rng.uniform(-6, 6, (50, 3)), np.array([1.3, -2.1, 3.7])
    plan = blob_plan(points)
    rest = Tissue(plan.grid, points).received_gy(plan, (Portion(0, 100.0, np.zeros(3)),))
    moved = Tissue(plan.grid, points - shift).received_gy(plan, (Portion(0, 100.0, shift),))
    np.testing.assert_allclose(moved, rest, atol=1e-3)


def test_interpolation_follows_the_curve_between_voxels():
    """A Gaussian of 6 mm on 2 mm voxels, at points anywhere, against its formula."""
    points = np.random.default_rng(3).uniform(-10, 10, (4000, 3))
    true = 30.0 * np.exp(-np.sum(points**2, axis=1) / 2 / 6.0**2)
    plan = blob_plan(points)
    told = Tissue(plan.grid, points).received_gy(plan, (Portion(0, 100.0, np.zeros(3)),))
    assert np.abs(told - true).max() < 0.1, "linear interpolation is up to 1 Gy off"


def test_voxels_are_met_exactly_and_no_dose_is_below_zero():
    grid = box()
    gy = np.where(grid.points_mm()[..., 2] > 1.0, 30.0, 0.0).astype(np.float32)
    plan = DosePlan((DoseCloud(1, 1.0, gy, grid),), (structure((0.0, 0.0, 0.0)),), "target")
    whole = (Portion(0, 1.0, np.zeros(3)),)
    at_rest = Tissue(grid, grid.points_mm().reshape(-1, 3)).received_gy(plan, whole)
    np.testing.assert_allclose(at_rest.reshape(gy.shape), gy, atol=1e-4)
    between = np.stack([np.zeros(400), np.zeros(400), np.linspace(-15, 15, 400)], axis=1)
    assert Tissue(grid, between).received_gy(plan, whole).min() >= 0.0


def test_the_course_keeps_units_and_mean_displacement():
    rng = np.random.default_rng(4)
    at_mm, mu = rng.normal(0, 4, (500, 3)) * [0.2, 0.5, 2.0], rng.random(500)
    portions = tuple(Portion(0, m, a) for m, a in zip(mu.tolist(), at_mm, strict=True))
    course = Course.of(1).followed_by(portions[:200]).followed_by(portions[200:])
    for most in (9, 1000):
        places, units = course.places(most)
        assert len(places) <= most
        assert units.sum() == pytest.approx(mu.sum())
        np.testing.assert_allclose(units[:, 0] @ places, mu @ at_mm, atol=1e-9)
    few, units = course.places(9)
    spread = units[:, 0] @ (few - units[:, 0] @ few / mu.sum()) ** 2 / mu.sum()
    assert spread[2] == pytest.approx(64.0, rel=0.15), "the main direction keeps its spread"
