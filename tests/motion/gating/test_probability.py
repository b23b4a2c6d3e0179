"""The probability of being outside is that of the error's distribution."""

import math

import numpy as np
import pytest

from motion.gating import make_gate, outside_percent, outside_probability, scales_mm
from tests.motion.gating.made import plan, predicted

GATE = make_gate(plan())


def probability(place_mm, scale_mm, *, above_percent=5.0):
    scale = np.array([[one, one] if np.isscalar(one) else one for one in scale_mm], np.float32)
    return outside_probability(
        GATE.exit_line, GATE.target.moved(place_mm), scale, above_percent=above_percent
    )


@pytest.mark.parametrize("place_mm", [(0.0, 0.0), (3.0, 0.0), (4.0, 1.0), (5.0, 0.0), (2.0, -5.0)])
@pytest.mark.parametrize("scale_mm", [(0.5, 0.3), (1.5, 0.5), (3.0, 1.0)])
def test_it_is_the_share_of_drawn_errors_that_leave(place_mm, scale_mm):
    drawn = np.random.default_rng(2).standard_t(4, (3000, 2)) * scale_mm
    left = [
        outside_percent(GATE.exit_line, GATE.target, (place_mm[0] + y, place_mm[1] + x)) > 5.0
        for y, x in drawn
    ]
    # a binomial share of 3000 is uncertain by 0.01, the grid by 0.03 where the error is small
    assert probability(place_mm, scale_mm) == pytest.approx(np.mean(left), abs=0.05)


def test_without_any_error_it_is_certain():
    assert probability((0.0, 0.0), (0.0, 0.0)) == 0.0
    assert probability((9.0, 0.0), (0.0, 0.0)) == pytest.approx(1.0, abs=1e-6)


def test_a_wider_error_is_never_safer_inside():
    steps = [probability((0.0, 0.0), (one, one)) for one in np.arange(0.2, 6.0, 0.2)]
    assert np.all(np.diff(steps) > -0.01)
    assert steps[-1] > 0.6


def test_only_the_side_that_leads_outside_counts():
    outward = probability((4.0, 0.0), ([0.1, 3.0], 0.1))
    inward = probability((4.0, 0.0), ([3.0, 0.1], 0.1))
    assert outward > 0.2
    assert inward < 0.1


def test_a_share_of_everything_is_never_passed():
    assert probability((50.0, 0.0), (1.0, 1.0), above_percent=100.0) == 0.0


def test_the_scale_comes_from_the_calibrated_interval():
    scale = scales_mm(predicted(0.25, (0.0, 0.0), 2.1318, coverage=0.9))
    # 90 % of Student's t with four degrees of freedom lie within ±2.1318
    assert scale == pytest.approx(np.ones((2, 2)), abs=1e-4)
    wider = scales_mm(predicted(0.25, (0.0, 0.0), 2.1318, coverage=0.5))
    assert np.all(wider > 2.0), "half of the errors within the same interval: they are larger"


@pytest.mark.parametrize(
    "prediction",
    [
        predicted(0.25, (math.nan, 0.0)),
        predicted(0.25, (0.0, 0.0), math.inf),
        predicted(0.25, (0.0, 0.0), math.nan),
        predicted(0.25, (0.0, 0.0), -1.0),
    ],
)
def test_an_interval_that_says_nothing_has_no_scale(prediction):
    assert scales_mm(prediction) is None
