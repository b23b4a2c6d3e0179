"""Heat beside its target, and heat that stays on the way to it."""

from dataclasses import replace

import numpy as np
import pytest

from realtime.alerts.limits import FocusOffset, NearField
from realtime.alerts.rules_place import _heat_mm
from tests.realtime.alerts.observations import (
    BODY_C,
    find,
    frames,
    full,
    seen,
    severity,
    temperature_map,
    told,
    with_focus,
)
from thermometry import Focus

SKIN = NearField(region="focus", warn_above_c=3.0, hold_above_c=6.0, max_residual_c=1.0)


@pytest.mark.parametrize(
    ("rise_c", "expected"), [(2.9, None), (3.0, "warn"), (5.9, "warn"), (6.1, "hold")]
)
def test_the_mean_rise_on_the_way_warns_and_holds(rise_c, expected):
    assert severity(SKIN, seen(temperature_map(with_focus(BODY_C + rise_c)))) == expected


def test_one_hot_pixel_is_not_the_mean():
    values = np.full((4, 4), BODY_C)
    values[1, 1] = BODY_C + 40.0
    assert find(SKIN, seen(temperature_map(with_focus(values)))) is None


ON, OFF, AGAIN = (1.0, 30.0), (5.0, 0.0), (15.0, 30.0)


def after_a_pause(left_c, *, steps=(ON, OFF, AGAIN), std_c=0.2):
    return told(frames(0, 2.0, 2.0, 2.0, 2.0, 2.0, left_c, 2.0, steps=steps, std_c=std_c))


@pytest.mark.parametrize(("left_c", "expected"), [(0.8, None), (1.2, "warn")])
def test_heat_left_over_when_power_comes_on_again_warns(left_c, expected):
    # frames every 2 s: the seventh, at 14 s, is the last before the power
    assert severity(SKIN, after_a_pause(left_c)) == expected


def test_a_short_interruption_is_no_new_sonication():
    assert find(SKIN, after_a_pause(2.0, steps=(ON, (11.0, 0.0), AGAIN))) is None


def test_left_over_heat_is_not_noise():
    assert find(SKIN, after_a_pause(1.2, std_c=0.6)) is None, "± 0.15 of the mean, twice"


def test_the_first_sonication_on_warm_tissue_warns_too():
    warm = told(frames(1.5, 1.5, 1.5, steps=[(0.0, 0.0), (5.0, 30.0)], std_c=0.2))
    assert severity(SKIN, warm) == "warn"


def test_left_over_heat_is_forgotten_when_the_power_goes_off():
    off = frames(2.0, 2.0, 2.0, steps=[(0.0, 0.0), (3.0, 30.0), (5.0, 0.0)], std_c=0.2)
    assert severity(SKIN, told(off[:2])) == "warn"
    assert find(SKIN, told(off)) is None


TARGET = FocusOffset(region="focus", warn_above_mm=2.0, hold_above_mm=3.0)
CENTRE = 5.5  # of the focus: pixels 4 to 7


def spot(y_px, x_px, *, rise_c=20.0, std_c=0.1, noise=0.0, valid=None):
    y, x = np.mgrid[:16, :16]
    values = rise_c * np.exp(-((y - y_px) ** 2 + (x - x_px) ** 2) / (2 * 1.5**2))
    noisy = values + noise * np.random.default_rng(3).standard_normal(values.shape)
    return temperature_map((BODY_C + noisy)[None], std_c=full(std_c), valid=valid)


@pytest.mark.parametrize(
    ("off_px", "expected"), [(0.0, None), (0.9, None), (1.1, "warn"), (1.4, "warn"), (1.7, "hold")]
)
def test_the_centroid_of_heat_tells_the_offset_in_mm(off_px, expected):
    # pixels of 2 mm along x, 1 mm along y
    size = {"voxel_mm": (3.0, 1.0, 2.0)}
    assert severity(TARGET, seen(spot(CENTRE, CENTRE + off_px), **size)) == expected
    along_y = seen(spot(CENTRE + off_px, CENTRE), **size)
    assert severity(TARGET, along_y) is None, "half as many millimetres"


def test_the_centroid_is_found_to_a_tenth_of_a_pixel():
    found = find(TARGET, seen(spot(7.7, 6.9), voxel_mm=(3.0, 1.0, 1.0)))
    assert found.value == pytest.approx(np.hypot(2.2, 1.4), abs=0.1)


def test_no_heat_has_no_place():
    assert find(TARGET, seen(spot(10.0, 10.0, rise_c=3.9))) is None
    assert find(TARGET, seen(spot(10.0, 10.0, rise_c=10.0, std_c=2.1))) is None, "under 5 sigma"
    assert find(TARGET, seen(temperature_map(valid=np.zeros(full(0).shape, bool)))) is None


def test_an_uncertain_centroid_must_be_off_by_more():
    size = {"voxel_mm": (3.0, 2.0, 2.0)}
    assert severity(TARGET, seen(spot(CENTRE, 6.65), **size)) == "warn"
    assert find(TARGET, seen(spot(CENTRE, 6.65, std_c=3.9), **size)) is None


def test_the_stated_error_of_the_centroid_is_true():
    rng = np.random.default_rng(11)
    exact = spot(7.0, 8.0, std_c=1.0)
    found, said_mm = [], []
    for _ in range(300):
        noisy = exact.temperature_c + rng.standard_normal(exact.temperature_c.shape)
        noisy = replace(exact, temperature_c=noisy.astype(np.float32))
        at_mm, std_mm = _heat_mm(TARGET, seen(noisy), np.array([0.0, 7.0, 8.0]))
        found.append(at_mm - [0.0, 7.0, 8.0])
        said_mm.append(std_mm)
    spread_mm = np.sqrt(np.mean(np.square(found).sum(axis=1)))
    # first order: half maximum itself moves with the noise
    assert spread_mm == pytest.approx(np.mean(said_mm), rel=0.2)
    assert np.abs(np.mean(found, axis=0)).max() < 0.05


def test_hot_pixels_far_away_are_not_the_focus():
    far = spot(CENTRE, CENTRE)
    far.temperature_c[0, 15, 15] = 80.0
    near = FocusOffset(region="focus", within_mm=6.0)
    assert find(near, seen(far)) is None


def test_where_arfi_found_the_focus_counts_without_any_heat():
    size = {"voxel_mm": (3.0, 1.0, 1.0)}
    assert find(TARGET, seen(focus=pushed(1.9), **size)) is None
    found = find(TARGET, seen(focus=pushed(3.1), **size))
    assert found.severity == "hold"
    assert "ARFI" in found.text


def pushed(off_px, std_px=0.01):
    return Focus((0.0, CENTRE, CENTRE + off_px), (0.29, 5.0, std_px), peak_um=5.0)


def test_an_uncertain_arfi_focus_must_be_off_by_more():
    size = {"voxel_mm": (3.0, 1.0, 1.0)}
    assert severity(TARGET, seen(focus=pushed(3.4, std_px=0.15), **size)) == "hold"
    assert severity(TARGET, seen(focus=pushed(3.4, std_px=0.4), **size)) == "warn"
    assert find(TARGET, seen(focus=pushed(3.4, std_px=0.8), **size)) is None
    # deviations across the offset say nothing of its length; one that is no number holds
    assert severity(TARGET, seen(focus=pushed(np.nan), **size)) == "hold"
