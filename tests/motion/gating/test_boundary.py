"""Areas outside a boundary, to a part of a pixel, against the closed form of circles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion.gating import boundary, inside_percent, make_gate, outside_percent, shape
from motion.gating.avoidance import avoidance_zone
from motion.gating.gate import GatePlan
from motion.gating.outline import outline
from tests.motion.gating.made import CENTRE_MM, PIXEL_MM, TARGET, disc

PIXELS = [(1.0, 1.0), (2.0, 2.0), (1.2, 1.8)]


def lens_mm2(radius, other, distance):
    """Return the area that two circles share."""
    if distance <= abs(other - radius):
        return math.pi * min(radius, other) ** 2
    if distance >= radius + other:
        return 0.0
    first = math.acos((distance**2 + radius**2 - other**2) / (2 * distance * radius))
    second = math.acos((distance**2 + other**2 - radius**2) / (2 * distance * other))
    return radius**2 * (first - math.sin(2 * first) / 2) + other**2 * (
        second - math.sin(2 * second) / 2
    )


def circle(radius_mm, pixel_mm):
    """Return a disc's mask, and the radius of the circle that has its area."""
    mask = disc(radius_mm, n=100, pixel_mm=pixel_mm, centre_mm=(48.3, 49.1))
    return mask, math.sqrt(np.count_nonzero(mask) * pixel_mm[0] * pixel_mm[1] / math.pi)


def gate_of(mask, pixel_mm, margin_mm=3.0):
    return make_gate(GatePlan(mask, pixel_mm, margin_mm, 5.0))


@pytest.mark.parametrize("pixel_mm", PIXELS)
@pytest.mark.parametrize("radius_mm", [10.0, 16.0])
@pytest.mark.parametrize("angle", [0.0, 0.9, 2.1])
def test_the_share_of_a_moved_circle_is_that_of_the_closed_form(pixel_mm, radius_mm, angle):
    mask, r_mm = circle(radius_mm, pixel_mm)
    moving = gate_of(mask, pixel_mm)
    for distance in np.arange(0.0, 14.0, 0.7):
        place = distance * math.cos(angle), distance * math.sin(angle)
        expected = 100.0 * (1.0 - lens_mm2(r_mm, r_mm + 3.0, distance) / (math.pi * r_mm**2))
        seen = outside_percent(moving.exit_line, moving.target, place)
        # a disc of pixels is a circle to a fifth of a pixel, which is 3 % of so small an area
        assert seen == pytest.approx(expected, abs=3.0 if max(pixel_mm) > 1.0 else 1.5)


@pytest.mark.parametrize("pixel_mm", PIXELS)
def test_the_distance_is_that_from_a_circle(pixel_mm):
    mask, r_mm = circle(14.0, pixel_mm)
    line = outline(mask, pixel_mm, around_mm=8.0)
    signed = line.distance_mm()
    at_mm = np.argwhere(np.abs(signed) < 6.0)
    centre_mm = np.argwhere(mask).mean(axis=0) * pixel_mm
    places_mm = np.array(line.first_mm) + at_mm * np.array(line.step_mm)
    true_mm = np.hypot(*(places_mm - centre_mm).T) - r_mm
    error_mm = signed[tuple(at_mm.T)] - true_mm
    assert abs(float(error_mm.mean())) < 0.05 * max(pixel_mm)
    assert float(np.abs(error_mm).max()) < 0.5 * max(pixel_mm), "the corner of a stair"


@pytest.mark.parametrize("pixel_mm", PIXELS)
def test_points_stand_for_the_mask_s_area_and_place(pixel_mm):
    mask, r_mm = circle(14.0, pixel_mm)
    line = outline(mask, pixel_mm)
    area_mm2 = np.count_nonzero(line.inside) * math.prod(line.step_mm)
    assert area_mm2 == pytest.approx(math.pi * r_mm**2, rel=0.005)
    moving = shape(mask, pixel_mm)
    assert moving.points_mm.mean(axis=0) == pytest.approx(moving.centre_mm, abs=0.1 * max(pixel_mm))


def test_a_displacement_of_a_hundredth_of_a_pixel_shows():
    moving = gate_of(TARGET, PIXEL_MM)
    shares = [outside_percent(moving.exit_line, moving.target, (y, 0.0))
              for y in np.arange(5.0, 9.0, 0.2)]  # fmt: skip
    assert np.all(np.diff(shares) > 0.0)
    assert np.diff(shares).max() < 2.0, "no step of whole pixels"


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 20.0), st.floats(0.0, 6.3), st.floats(0.0, 5.0))
def test_more_margin_never_leaves_more_outside(distance_mm, angle, more_mm):
    target, near, far = NESTED[0], NESTED[1], _wider(more_mm)
    place = distance_mm * math.cos(angle), distance_mm * math.sin(angle)
    assert outside_percent(far, target, place) <= outside_percent(near, target, place) + 1e-3
    assert 0.0 <= outside_percent(near, target, place) <= 100.0


NESTED = (shape(TARGET, PIXEL_MM), boundary(TARGET, PIXEL_MM, margin_mm=2.0, soft_mm=1.0))
WIDER = {n: boundary(TARGET, PIXEL_MM, margin_mm=2.0 + n, soft_mm=1.0) for n in range(6)}


def _wider(more_mm):
    return WIDER[math.floor(more_mm)]


def test_a_target_that_swells_leaves_by_its_matrix():
    moving = gate_of(TARGET, PIXEL_MM)
    swollen = ((1.4, 0.0), (0.0, 1.4))  # 15 mm to 21 mm, the boundary lies at 18 mm
    seen = outside_percent(moving.exit_line, moving.target, (0.0, 0.0), matrix=swollen)
    assert seen == pytest.approx(100.0 * (1.0 - (18.0 / 21.0) ** 2), abs=2.0)


def test_a_field_moves_each_point_by_itself():
    moving = gate_of(TARGET, PIXEL_MM)
    field_mm = np.zeros((2, *TARGET.shape), np.float32)
    field_mm[0] = 4.0
    rigid = outside_percent(moving.exit_line, moving.target, (4.0, 0.0))
    seen = outside_percent(moving.exit_line, moving.target, (99.0, 99.0), field_mm=field_mm)
    assert seen == pytest.approx(rigid, abs=1e-3), "the field holds the whole displacement"
    field_mm[0, :, : round(CENTRE_MM[1])] = 30.0
    half = outside_percent(moving.exit_line, moving.target, (0.0, 0.0), field_mm=field_mm)
    assert 48.0 <= half < 60.0, "half of it, and little of the other half"


def test_far_away_is_outside_whatever_the_number():
    moving = gate_of(TARGET, PIXEL_MM)
    for place in ((500.0, 0.0), (-1e6, 1e6), (0.0, -200.0)):
        assert outside_percent(moving.exit_line, moving.target, place) == 100.0


@pytest.mark.parametrize("at", [(0, 0), (0, 95), (50, 50)])
def test_a_target_of_one_pixel_or_at_the_edge_has_an_area_too(at):
    mask = np.zeros((96, 96), np.bool_)
    mask[at] = True
    moving = gate_of(mask, PIXEL_MM)
    assert outside_percent(moving.exit_line, moving.target, (0.0, 0.0)) == 0.0
    assert outside_percent(moving.exit_line, moving.target, (6.0, 0.0)) == 100.0


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="the mask is empty"):
        shape(np.zeros((8, 8), np.bool_), PIXEL_MM)


def test_an_organ_in_the_beam_is_known_by_its_share():
    zone = avoidance_zone(TARGET, PIXEL_MM, margin_mm=3.0)
    assert float(zone.sum()) == pytest.approx(math.pi * 18.0**2, rel=0.01)
    assert inside_percent(zone, TARGET) == pytest.approx(100.0, abs=0.1)
    far = disc(8.0, centre_mm=(CENTRE_MM[0], CENTRE_MM[1] + 35.0))
    assert inside_percent(zone, far) == pytest.approx(0.0, abs=0.1)
    near = disc(8.0, centre_mm=(CENTRE_MM[0], CENTRE_MM[1] + 20.0))
    expected = 100.0 * lens_mm2(8.0, 18.0, 20.0) / (math.pi * 64.0)
    assert inside_percent(zone, near) == pytest.approx(expected, abs=2.0)


def test_an_organ_that_is_not_tracked_has_no_share():
    zone = avoidance_zone(TARGET, PIXEL_MM, margin_mm=3.0)
    assert math.isnan(inside_percent(zone, None))
    assert math.isnan(inside_percent(zone, np.zeros_like(TARGET)))
