"""Temperature moved back with the tissue, against fields that are known in closed form."""

from dataclasses import replace

import numpy as np
import pytest

from messages import Displacement, FrameKey, TemperatureMap
from thermometry.registration import Registration

SHAPE = (1, 40, 48)
PIXEL_MM = (2.0, 1.5)
Y, X = np.mgrid[: SHAPE[1], : SHAPE[2]].astype(float)
TARGET = (Y - 18) ** 2 + (X - 22) ** 2 <= 16
MOVING = ((Y - 18) ** 2 + (X - 22) ** 2 <= 100)[None]


def displaced(y_mm, x_mm, *, std=0.0, **changes):
    place = Displacement(
        frame_id=3,
        key=FrameKey(),
        time_s=1.0,
        displacement_mm=(y_mm, x_mm),
        target_mask=TARGET,
        area_mm2=100.0,
        volume_mm3=500.0,
        similarity=0.99,
        displacement_std_mm=std,
    )
    return replace(place, **changes)


def heat(y_px, x_px, *, width_px=3.0):
    return (37 + 20 * np.exp(-((Y - y_px) ** 2 + (X - x_px) ** 2) / (2 * width_px**2)))[None]


def mapped(temperature_c, **changes):
    temperature_c = np.asarray(temperature_c, np.float32)
    fields = {
        "frame_id": 3,
        "key": FrameKey(),
        "time_s": 1.0,
        "temperature_c": temperature_c,
        "temperature_std_c": np.full(SHAPE, 0.5, np.float32),
        "common_std_c": np.full(SHAPE, 0.2, np.float32),
        "valid": np.ones(SHAPE, np.bool_),
        "is_baseline": False,
        "baseline_frames": 5,
    }
    return TemperatureMap(**{**fields, **changes})


@pytest.fixture
def registration():
    return Registration(MOVING, TARGET, PIXEL_MM)


def test_a_shift_by_whole_pixels_is_exact(registration):
    found = registration(mapped(heat(18 + 3, 22 - 2)), displaced(6.0, -3.0))
    assert np.allclose(found.temperature_c[MOVING], heat(18, 22)[MOVING], atol=1e-5)
    assert np.allclose(found.temperature_std_c[MOVING], 0.5)
    assert found.valid.all()


@pytest.mark.parametrize("shift_px", [(0.5, 0.5), (2.3, -1.7), (-4.1, 0.2)])
def test_a_hot_spot_that_moved_with_its_tissue_stays_where_it_was(registration, shift_px):
    y_px, x_px = shift_px
    moved = mapped(heat(18 + y_px, 22 + x_px))
    found = registration(moved, displaced(y_px * PIXEL_MM[0], x_px * PIXEL_MM[1]))
    error_c = (found.temperature_c - heat(18, 22))[MOVING]
    assert np.abs(error_c).max() < 0.15  # the pixels themselves differ by up to 12 °C
    assert np.abs((moved.temperature_c - heat(18, 22))[MOVING]).max() > 1.0


def test_a_matrix_turns_about_the_targets_centroid(registration):
    stretch = ((1.1, 0.0), (0.0, 1.0))
    off_mm = (Y - 18) * PIXEL_MM[0]
    found = registration(mapped((37 + off_mm)[None]), displaced(0.0, 0.0, matrix=stretch))
    assert np.allclose(found.temperature_c[MOVING], (37 + 1.1 * off_mm)[None][MOVING], atol=1e-4)


def test_a_field_moves_each_pixel_by_its_own(registration):
    field_mm = np.stack([0.05 * (Y - 18) ** 2, np.zeros_like(Y)]).astype(np.float32)
    found = registration(mapped((37 + Y * PIXEL_MM[0])[None]), displaced(0, 0, field_mm=field_mm))
    expected = (37 + Y * PIXEL_MM[0] + field_mm[0])[None]
    assert np.allclose(found.temperature_c[MOVING], expected[MOVING], atol=1e-3)


def test_what_does_not_move_with_the_target_is_left_alone(registration):
    before = mapped(heat(18, 22))
    found = registration(before, displaced(7.0, 4.0))
    assert np.array_equal(found.temperature_c[~MOVING], before.temperature_c[~MOVING])


def test_the_standard_deviation_is_that_of_a_weighted_mean(registration):
    rng = np.random.default_rng(4)
    shift = displaced(0.5 * PIXEL_MM[0], 0.5 * PIXEL_MM[1])
    noisy = [registration(mapped(37 + 0.5 * rng.standard_normal(SHAPE)), shift) for _ in range(200)]
    measured_c = np.std([one.temperature_c[MOVING] for one in noisy])
    said_c = float(np.median(noisy[0].temperature_std_c[MOVING]))
    assert said_c == pytest.approx(measured_c, rel=0.03)
    assert said_c < 0.5


def test_a_place_that_is_not_sure_makes_a_slope_not_sure(registration):
    found = registration(mapped(37 + 4 * Y[None] * PIXEL_MM[0]), displaced(0, 0, std=0.5))
    expected_c = np.hypot(0.5, 4 * 0.5)  # its own, and 4 °C a mm times 0.5 mm
    assert found.temperature_std_c[MOVING] == pytest.approx(expected_c, rel=1e-3)
    assert found.common_std_c[MOVING] == pytest.approx(np.hypot(0.2, 2.0), rel=1e-3)
    assert np.allclose(found.temperature_std_c[~MOVING], 0.5)


def test_a_place_of_no_known_error_is_not_valid(registration):
    found = registration(mapped(heat(18, 22)), displaced(0.0, 0.0, std=np.nan))
    assert not found.valid[MOVING].any()


def test_a_pixel_whose_neighbours_are_not_valid_is_not_valid(registration):
    valid = np.ones(SHAPE, np.bool_)
    valid[0, 20, 22] = False
    holed = mapped(np.where(valid, heat(18, 22), np.nan), valid=valid)
    found = registration(holed, displaced(0.5 * PIXEL_MM[0], 0.0))
    # linear neighbours of (19.5, 22) and (20.5, 22) hold it; those of (18.5, 22) do not
    assert not found.valid[0, 19, 22]
    assert not found.valid[0, 20, 22]
    assert found.valid[0, 18, 22]
    assert np.isfinite(found.temperature_c[found.valid]).all()


def test_tissue_that_left_the_image_is_not_valid(registration):
    found = registration(mapped(heat(18, 22)), displaced(60.0, 0.0))
    assert not found.valid[MOVING].all()
    assert found.valid[~MOVING].all()


@pytest.mark.parametrize("doubts", [("jump",), ("out-of-plane", "low-similarity")])
def test_nobody_knows_where_doubted_tissue_is(registration, doubts):
    found = registration(mapped(heat(18, 22)), displaced(0.0, 0.0, doubts=doubts))
    assert not found.valid[MOVING].any()
    assert np.isnan(found.temperature_c[MOVING]).all()
    assert found.valid[~MOVING].all()


def test_the_magnitude_moves_too(registration):
    found = registration.image(heat(20, 22).astype(np.float32), displaced(4.0, 0.0))
    assert np.allclose(found[MOVING], heat(18, 22)[MOVING], atol=1e-4)


def test_while_the_baseline_is_gathered_nothing_moves(registration):
    before = mapped(np.full(SHAPE, 37.0), is_baseline=True)
    assert registration(before, displaced(5.0, 0.0)) is before


def test_heat_before_the_tracker_has_learned_is_not_summed_in_pixels(registration):
    found = registration(mapped(heat(18, 22)), displaced(5.0, 0.0, is_training=True))
    assert not found.valid[MOVING].any()
    assert found.valid[~MOVING].all()
