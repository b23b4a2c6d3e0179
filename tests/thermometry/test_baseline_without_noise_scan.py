"""The baseline of scans that say nothing of their noise, or that drift far while it is gathered."""

import numpy as np
import pytest

from tests.thermometry.phantoms import (
    BODY_C,
    anatomy,
    complex_noise,
    coordinates,
    fold,
    heated,
    make_image,
    make_plan,
)
from thermometry import SingleBaseline
from thermometry.baseline import finish, gather
from thermometry.drift import DriftBasis

SHAPE = (1, 48, 48)
N_FRAMES, N_BASELINE = 20, 5


def mixing(n_coils, *, correlation, gains=1.0):
    """(coil, coil): what makes white noise of noise with this correlation and these gains."""
    turn = np.exp(0.3j * np.subtract.outer(np.arange(n_coils), np.arange(n_coils)))
    covariance = correlation * turn + (1 - correlation) * np.eye(n_coils)
    return np.broadcast_to(gains, n_coils)[:, None] * np.linalg.cholesky(covariance)


@pytest.mark.parametrize(
    ("n_coils", "correlation", "gains"),
    [(4, 0.0, 1.0), (4, 0.6, 1.0), (4, 0.3, (1.0, 3.0, 0.3, 2.0)), (16, 0.3, 1.0), (1, 0.0, 1.0)],
    ids=["equal", "correlated", "unequal", "many", "one"],
)
def test_the_reported_deviation_is_that_of_the_errors(n_coils, correlation, gains):
    rng = np.random.default_rng(3)
    coils = anatomy(SHAPE, n_coils) * np.broadcast_to(gains, n_coils)[:, None, None, None]
    mixer = 0.03 * mixing(n_coils, correlation=correlation, gains=gains)
    noise = [
        np.tensordot(mixer, complex_noise(rng, coils.shape, 1.0), axes=1) for _ in range(N_FRAMES)
    ]
    thermometer = SingleBaseline(make_plan(SHAPE, baseline_frames=N_BASELINE, drift_order=0))
    _, maps = fold(thermometer, [make_image(coils + n, i) for i, n in enumerate(noise)])
    errors = [(m.temperature_c - BODY_C) / m.temperature_std_c for m in maps[N_BASELINE:]]
    assert 0.95 < np.nanstd(errors) < 1.05
    assert all(m.valid.mean() > 0.99 for m in maps[N_BASELINE:])


def test_a_dead_coil_without_a_noise_scan_changes_nothing():
    rng = np.random.default_rng(4)
    alive = [anatomy(SHAPE, 3) + complex_noise(rng, (3, *SHAPE), 0.03) for _ in range(8)]
    with_dead = [np.concatenate([one, np.zeros((1, *SHAPE))]) for one in alive]
    thermometer = SingleBaseline(make_plan(SHAPE, baseline_frames=N_BASELINE))
    _, maps = fold(thermometer, [make_image(one, i) for i, one in enumerate(alive)])
    _, others = fold(thermometer, [make_image(one, i) for i, one in enumerate(with_dead)])
    np.testing.assert_allclose(others[-1].temperature_c, maps[-1].temperature_c, atol=2e-2)
    ratio = others[-1].temperature_std_c / maps[-1].temperature_std_c
    assert 0.9 < np.nanmedian(ratio) < 1.1


def test_a_few_pixels_of_flow_do_not_pass_for_noise():
    rng = np.random.default_rng(5)
    basis, gathering = DriftBasis(SHAPE, 0), None
    for _ in range(N_BASELINE):
        coils = anatomy(SHAPE, 4) + complex_noise(rng, (4, *SHAPE), 0.03)
        coils[..., :4, :8] *= 1 + complex_noise(rng, (4, 8), 1.0)
        gathering = gather(gathering, coils.astype(np.complex64), noise_std=None, basis=basis)
    reference = finish(gathering, min_snr=5.0)
    assert reference.noise_variance == pytest.approx(0.03**2, rel=0.05)
    np.testing.assert_allclose(reference.whitening, np.eye(4), atol=0.1)


def test_a_noise_scan_leaves_the_coils_as_they_are():
    rng = np.random.default_rng(6)
    basis, gathering = DriftBasis(SHAPE, 0), None
    for _ in range(2):
        coils = anatomy(SHAPE, 4) + complex_noise(rng, (4, *SHAPE), 0.03)
        coils = coils.astype(np.complex64)
        gathering = gather(gathering, coils, noise_std=0.03, basis=basis)
    reference = finish(gathering, min_snr=5.0)
    assert reference.whitening is None
    assert reference.white(coils) is coils


@pytest.mark.parametrize("order", [0, 1, 2])
def test_drift_may_pass_a_turn_while_the_baseline_is_gathered(order):
    _, y, x = coordinates(SHAPE)
    shapes = (0.4, 0.4 + 0.35 * x - 0.3 * y, 0.4 + 0.3 * x + 0.25 * x * y - 0.3 * y**2)
    coils = anatomy(SHAPE, 4)
    rise_c = [10.0 if i >= 20 else 0.0 for i in range(24)]
    spot = np.hypot(y, x) < 0.15
    images = [
        make_image(heated(coils, rise * spot, drift_rad=i * shapes[order]), i, noise_std=1e-3)
        for i, rise in enumerate(rise_c)
    ]
    plan = make_plan(SHAPE, baseline_frames=20, drift_order=order, heated_mask=spot)
    _, maps = fold(SingleBaseline(plan), images)
    np.testing.assert_allclose(maps[-1].temperature_c[spot], BODY_C + 10.0, atol=0.1)
    np.testing.assert_allclose(maps[-1].temperature_c[~spot], BODY_C, atol=0.1)


def test_what_is_no_noise_does_not_weigh_the_coils():
    """A noise-free phantom scatters by its drift alone: whitening by that moved 55.3 °C by 0.2."""
    rng = np.random.default_rng(5)
    profile = rng.standard_normal((4, 1, 16, 16)) + 1j * rng.standard_normal((4, 1, 16, 16))
    steady = (1000.0 * profile).astype(np.complex64)
    gathering = None
    for frame in range(4):
        drifting = steady * (1 + 1e-5 * frame * profile).astype(np.complex64)
        gathering = gather(gathering, drifting, noise_std=None, basis=DriftBasis((1, 16, 16), 0))
    assert finish(gathering, min_snr=5.0).whitening is None
