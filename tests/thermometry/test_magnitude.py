"""Signal against the baseline's: what motion and boiling leave, and heat does not."""

import numpy as np
import pytest

from tests.thermometry.phantoms import anatomy, fold, heated, hot_spot, make_image, make_plan
from thermometry import SingleBaseline

SHAPE = (1, 32, 32)


def contrasty():
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    bright = 0.4 + 0.6 * (np.hypot(y, x) < 0.6) + 0.3 * (np.abs(x - 0.2) < 0.15)
    return (anatomy(SHAPE) * bright).astype(np.complex64)


def last(coils_now, *, before=None):
    coils = contrasty() if before is None else before
    images = [make_image(coils, noise_std=0.01), make_image(coils_now, noise_std=0.01)]
    _, maps = fold(SingleBaseline(make_plan(SHAPE, drift_order=0)), images)
    return maps[-1]


def test_heat_leaves_the_signal_as_it_is():
    coils = contrasty()
    seen = last(heated(coils, hot_spot(SHAPE, 15)))
    assert np.abs(seen.magnitude_ratio[seen.valid] - 1).max() < 1e-3
    assert seen.similarity == pytest.approx(1.0, abs=1e-5)


def test_a_bubble_takes_the_signal_and_is_no_temperature():
    coils = contrasty()
    coils[:, 0, 15:18, 15:18] *= 0.3
    seen = last(coils)
    np.testing.assert_allclose(seen.magnitude_ratio[0, 15:18, 15:18], 0.3, atol=1e-3)
    gone = contrasty()
    gone[:, 0, 15:18, 15:18] = 0
    seen = last(gone)
    assert not seen.valid[0, 16, 16]
    assert seen.magnitude_ratio[0, 16, 16] < 0.01, "what has no temperature still has a signal"


def test_a_shifted_head_is_less_alike_whatever_the_scale():
    coils = contrasty()
    near, far = (last(np.roll(coils, n, axis=2)).similarity for n in (1, 3))
    assert far < near < 0.999
    assert last(3 * coils).similarity == pytest.approx(1.0, abs=1e-5)


def test_an_even_object_has_no_likeness_to_tell():
    even = anatomy(SHAPE)
    assert np.isnan(last(even, before=even).similarity)


def test_nothing_is_said_where_the_baseline_has_no_signal():
    coils = contrasty()
    coils[:, 0, :5] = 0
    assert np.isnan(last(coils, before=coils).magnitude_ratio[0, :5]).all()


def test_a_phase_that_no_drift_explains_is_a_misfit():
    coils = contrasty()
    ripple = np.exp(0.5j * np.sin(np.arange(32)))[None, None, None, :].astype(np.complex64)
    assert last(coils).misfit_sigma < 1.3
    assert last(coils * ripple).misfit_sigma > 5


def test_an_empty_image_is_like_nothing_and_is_no_temperature():
    seen = last(np.zeros_like(contrasty()))
    assert seen.similarity == 0.0
    assert not seen.valid.any()
