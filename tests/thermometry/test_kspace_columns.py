"""The kernels of the k-space hybrid against dense matrices written anew."""

import numpy as np
import pytest

from thermometry.kspace.columns import (
    Crop,
    crop_to,
    match,
    only_measured,
    refit,
    sparse_change,
    spread,
    turn,
)

N, N_COILS, N_COLUMNS = 24, 4, 3


def lines_of(acceleration):
    return (np.arange(N) - N // 2) % acceleration == 0


def dense(measured):
    """Image (y,) → centred orthonormal k-space at the measured lines, as a matrix."""
    k = np.flatnonzero(measured) - N // 2
    return np.exp(-2j * np.pi * np.outer(k, np.arange(N)) / N) / np.sqrt(N)


@pytest.fixture
def signal():
    rng = np.random.default_rng(3)
    shape = (N_COILS, N_COLUMNS, N)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def normal_of(signal, column, measured):
    """Fᴴ F of one column's model: phases (y,) → k-space of all coils."""
    model = np.concatenate([dense(measured) * coil[column] for coil in signal])
    return model.conj().T @ model


@pytest.mark.parametrize("acceleration", [1, 2, 4, 5])
def test_unmeasured_lines_are_zero_and_measured_ones_stay(signal, acceleration):
    measured = lines_of(acceleration)
    operator = dense(measured)
    seen = only_measured(signal, measured)
    assert np.abs(seen - signal @ (operator.conj().T @ operator).T).max() < 1e-5
    assert np.abs(only_measured(seen, measured) - seen).max() < 1e-5  # a projection


def test_a_point_spreads_as_the_measured_lines_say():
    measured = lines_of(5)
    operator = dense(measured)
    expected = operator.conj().T @ operator
    kernel = spread(measured)
    found = kernel[N - 1 + np.arange(N)[:, None] - np.arange(N)]
    assert np.abs(found - expected).max() < 1e-6


def test_match_is_the_adjoint_of_the_model(signal):
    rng = np.random.default_rng(4)
    residual = rng.standard_normal(signal.shape).astype(np.complex64)
    assert np.abs(match(residual, signal) - np.sum(signal.conj() * residual, axis=0)).max() < 1e-5


def test_a_turn_is_a_complex_exponential():
    phase = np.linspace(-9, 9, 50, dtype=np.float32).reshape(2, 25)
    assert np.abs(turn(phase) - np.exp(1j * phase)).max() < 1e-6


def test_one_refit_solves_the_normal_equations_of_the_chosen_pixels(signal):
    measured = lines_of(2)
    truth = np.zeros((N_COLUMNS, N), np.float32)
    truth[1, 4:9] = 0.01  # small, so that one step is enough
    data = only_measured(signal * turn(truth), measured)
    matched = match(data - only_measured(signal, measured), signal)
    chosen = np.zeros(truth.shape, np.bool_)
    chosen[1, 3:11] = True
    step, inverse, weight = refit(matched, signal, spread(measured), chosen, 0.0)
    assert np.abs(step - truth).max() < 2e-4
    normal = normal_of(signal, 1, measured).real
    places = np.flatnonzero(chosen[1])
    inside = np.linalg.inv(normal[np.ix_(places, places)])
    assert np.allclose(inverse[1, places], inside.diagonal(), rtol=1e-4)
    # what is left to a pixel that is not chosen, once the chosen ones have taken their part
    cross = normal[15, places]
    assert weight[1, 15] == pytest.approx(normal[15, 15] - cross @ inside @ cross, rel=1e-3)
    assert not inverse[0].any()


def test_sparse_change_keeps_the_heat_and_drops_its_ghosts(signal):
    measured = lines_of(4)
    truth = np.zeros((N_COLUMNS, N), np.float32)
    truth[0, 7] = 1.5
    data = only_measured(signal * turn(truth), measured)
    matched = match(data - only_measured(signal, measured), signal)
    threshold = np.full(truth.shape, 0.02, np.float32)
    everywhere = np.ones(truth.shape, np.bool_)
    change = sparse_change(matched, signal, spread(measured), everywhere, threshold)
    assert abs(change[0, 7] - (np.exp(1.5j) - 1)) < 0.1
    ghosts = np.abs(change[0, [1, 13, 19]])  # a quarter of the field of view apart
    assert ghosts.max() < 0.05
    assert not change[1:].any()


def test_no_candidate_no_change(signal):
    measured, nowhere = lines_of(4), np.zeros((N_COLUMNS, N), np.bool_)
    matched = match(signal, signal)
    found = sparse_change(
        matched, signal, spread(measured), nowhere, np.ones(matched.shape, np.float32)
    )
    assert not found.any()


def test_a_crop_gives_back_what_it_took():
    modelled = np.zeros((2, 6, 9), np.bool_)
    modelled[0, 2, 3] = modelled[1, 4, 6] = True
    crop = crop_to(modelled)
    assert (crop.first, crop.last, crop.planes) == (3, 7, (2, 4, 6))
    volume = np.arange(2 * 6 * 9, dtype=np.float32).reshape(2, 6, 9)
    back = crop.volume(crop.columns(volume))
    assert np.array_equal(back[..., 3:7], volume[..., 3:7])
    assert not back[..., :3].any()
    assert not back[..., 7:].any()


def test_an_image_without_signal_still_has_a_column():
    assert crop_to(np.zeros((1, 4, 4), np.bool_)) == Crop((1, 4, 4), 0, 1)
