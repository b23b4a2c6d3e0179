"""SENSE: the unfolding is the least-squares image of its own forward model, and knows its noise."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import sigpy.alg

from recon import ReconstructionSettings
from recon.unfolding import unfolding
from tests.recon.parallel import (
    N_COILS,
    N,
    absorbed,
    calibrated,
    complex_noise,
    error,
    image_of_all_lines,
    kspace,
    lines_of,
    make_frame,
    make_method,
    patient,
    reconstructed,
    unit_whitening,
)  # fmt: skip

INSIDE = np.abs(patient()) > 0.5
REGULARISATION = ReconstructionSettings().regularisation


def random_lines(rng):
    """A mask that no lattice has: the centre, and a third of the rest."""
    center = set(range(N // 2 - 12, N // 2 + 12))
    return [(line, 0) for line in range(N) if line in center or rng.random() < 1 / 3]


@pytest.fixture(scope="module")
def truth():
    return image_of_all_lines()


def by_conjugate_gradients(operator, data):
    """The regularised least-squares image, iterated to the end in double precision."""
    right = operator.H(data.astype(np.complex128))
    image = np.zeros_like(right)
    normal = operator.H * operator
    method = sigpy.alg.ConjugateGradient(
        lambda x: normal(x) + REGULARISATION * x, right, image, max_iter=400, tol=1e-9
    )
    while not method.done():
        method.update()
    return image


SAMPLINGS = {
    "lattice of 2": lines_of("separate", 2),
    "lattice of 4": lines_of("separate", 4),
    "lattice of 3, which 64 is no multiple of": lines_of("separate", 3),
    "embedded": lines_of("unflagged", 2),
    "random": random_lines(np.random.default_rng(1)),
    "partial Fourier": [(line, 0) for line in range(20, N)],
}


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_image_is_that_of_converged_conjugate_gradients(sampling):
    method = make_method("sense", regularisation=REGULARISATION)
    rng = np.random.default_rng(2)
    data = kspace(patient()) + 0.02 * complex_noise(rng, N_COILS, N, N)
    frame = make_frame(data, SAMPLINGS[sampling])
    known = calibrated(method, frame)
    partial = absorbed(method, frame, known)
    operator = method.operator(known, partial)
    expected = by_conjugate_gradients(operator, data[:, None])
    image = method.finish(partial, frame, known)
    assert np.linalg.norm(image.pixels - expected) < 1e-3 * np.linalg.norm(expected)
    is_lattice = sampling in ("lattice of 2", "lattice of 4")
    assert (known.unfolding.shifts is not None) == is_lattice


@pytest.mark.parametrize("mode", ["separate", "embedded", "unflagged", "interleaved"])
def test_every_mode_of_calibration_gives_the_image_of_all_lines(truth, mode):
    method, known = make_method("sense", mode=mode), None
    for number in range(3 if mode == "interleaved" else 1):
        assert known is None or not known.is_ready
        frame = make_frame(kspace(patient()), lines_of(mode, offset=number % 2))
        known = calibrated(method, frame, known)
    image = reconstructed(method, frame, known)
    assert image.is_complete
    assert error(image, truth) < 0.02


def test_lattices_of_other_offset_unfold_too(truth):
    method, known = make_method("sense", mode="interleaved"), None
    for offset in (1, 0, 1):
        frame = make_frame(kspace(patient()), lines_of("interleaved", offset=offset))
        known = calibrated(method, frame, known)
    one, two = (
        reconstructed(method, make_frame(kspace(patient()), lines_of("interleaved", 2, o)), known)
        for o in (0, 1)
    )
    assert error(one, truth) < 0.02
    assert np.linalg.norm(one.pixels - two.pixels) < 0.02 * np.linalg.norm(one.pixels)


def test_until_the_centre_is_known_images_are_incomplete():
    method = make_method("sense", mode="interleaved")
    frame = make_frame(kspace(patient()), lines_of("interleaved"))
    known = calibrated(method, frame)
    assert not known.is_ready
    assert not reconstructed(method, frame, known).is_complete
    assert not calibrated(method, frame, known).is_ready


def test_heat_is_seen_as_it_is():
    heat = patient(heat_rad=1.5)
    method = make_method("sense")
    frame = make_frame(kspace(patient()), lines_of("separate"))
    known = calibrated(method, frame)
    before = reconstructed(method, frame, known)
    after = reconstructed(method, make_frame(kspace(heat), lines_of("separate")), known)
    seen = np.angle(after.pixels[0] * before.pixels[0].conj())
    assert np.abs(seen - np.angle(heat * patient().conj()))[INSIDE].max() < 0.03


@pytest.mark.parametrize("are_known", [True, False])
def test_a_phase_of_the_whole_frame_passes(are_known):
    method = make_method("sense")
    frame = make_frame(kspace(patient()), lines_of("unflagged"))
    known = calibrated(method, frame)
    turned = replace(frame, samples=(np.exp(2j) * frame.samples).astype(np.complex64))
    one = reconstructed(method, frame, known)
    two = reconstructed(method, turned, known if are_known else calibrated(method, turned))
    assert np.abs(two.pixels - np.exp(2j) * one.pixels).max() < 1e-4 * np.abs(one.pixels).max()


@pytest.mark.parametrize("mode", ["separate", "unflagged"])
def test_noise_has_the_strength_that_the_image_says(mode):
    rng = np.random.default_rng(4)
    method = make_method("sense", whitening=unit_whitening(rng))
    known = calibrated(method, make_frame(30 * kspace(patient()), lines_of(mode)))
    lines, power = lines_of(mode), 0.0
    for _ in range(200):
        image = reconstructed(method, make_frame(complex_noise(rng, N_COILS, N, N), lines), known)
        power = power + np.abs(image.pixels) ** 2 / 200
    measured = np.sqrt(power[0].reshape(8, 8, 8, 8).mean(axis=(1, 3)))
    said = np.sqrt((image.noise_std[0] ** 2).reshape(8, 8, 8, 8).mean(axis=(1, 3)))
    assert np.abs(measured / said - 1).max() < 0.05
    assert image.coil_pixels is None


def test_one_flat_coil_and_half_the_lines_is_a_known_g_factor():
    # Two coils that see opposite halves unfold without loss; noise of half the lines: √2 over all
    maps = np.zeros((2, 1, 8, 1), np.complex64)
    maps[0, 0, :4], maps[1, 0, 4:] = 1, 1
    measured = np.arange(8) % 2 == 0
    found = unfolding(maps, measured, 0.0)
    np.testing.assert_allclose(found.noise_std, np.sqrt(2), rtol=1e-5)


def test_one_coil_and_half_the_lines_is_no_crash_without_regularisation():
    # Nothing tells a pixel from its alias: each gets half, and no noise is invented
    maps = np.ones((1, 1, 8, 1), np.complex64)
    for measured in (np.arange(8) % 2 == 0, np.arange(8) > 2):
        found = unfolding(maps, measured, 0.0)
        assert np.isfinite(found.weights).all()
        assert np.isfinite(found.noise_std).all()
        assert found.noise_std.max() < 2


def test_a_calibration_travels():
    method = make_method("sense")
    frame = make_frame(kspace(patient()), lines_of("separate"))
    known = pickle.loads(pickle.dumps(calibrated(method, frame)))
    assert reconstructed(method, frame, known).is_complete


def test_nan_teaches_nothing_and_stays_in_the_image():
    method = make_method("sense")
    frame = make_frame(kspace(patient()), lines_of("separate"))
    known = calibrated(method, frame)
    samples = frame.samples.copy()
    samples[40, 2, 7] = np.nan
    spoilt = replace(frame, samples=samples)
    assert calibrated(method, spoilt) is None
    assert not np.isfinite(reconstructed(method, spoilt, known).pixels).all()


def test_a_lost_line_is_no_crash():
    method = make_method("sense")
    frame = make_frame(kspace(patient()), lines_of("separate"))
    known = calibrated(method, frame)
    lossy = replace(
        frame, readouts=frame.readouts[:-3], samples=frame.samples[:-3], is_complete=False
    )
    image = reconstructed(method, lossy, known)
    assert not image.is_complete
    assert np.isfinite(image.pixels).all()


@pytest.mark.parametrize("acceleration", [2, 3])
def test_lines_that_only_the_first_frame_had_are_not_missed(truth, acceleration):
    # Its weights on later frames would leave aliases, and temperatures 4 °C wrong
    method = make_method("sense", acceleration=acceleration)
    known = calibrated(method, make_frame(kspace(patient()), lines_of("unflagged", acceleration)))
    later = make_frame(kspace(patient()), lines_of("interleaved", acceleration))
    image = reconstructed(method, later, known)
    alone = calibrated(method, make_frame(kspace(patient()), lines_of("separate", acceleration)))
    direct = reconstructed(
        method, make_frame(kspace(patient()), lines_of("separate", acceleration)), alone
    )
    assert image.is_complete
    assert error(image, direct) < 0.01


def test_a_lattice_with_a_line_less_has_weights_of_its_own():
    # 64 lines hold 22, 21 and 21 of a lattice of three; each is its own model's least squares
    method, known = make_method("sense", acceleration=3, mode="interleaved"), None
    data = kspace(patient())
    for offset in (1, 2, 0, 1, 2):
        known = calibrated(method, make_frame(data, lines_of("interleaved", 3, offset)), known)
    for offset in (0, 1, 2):
        frame = make_frame(data, lines_of("interleaved", 3, offset))
        operator = method.operator(known, absorbed(method, frame, known))
        expected = by_conjugate_gradients(operator, data[:, None])
        image = reconstructed(method, frame, known)
        assert np.linalg.norm(image.pixels - expected) < 1e-3 * np.linalg.norm(expected)


def test_noise_is_that_of_the_lines_a_frame_has():
    rng = np.random.default_rng(6)
    method = make_method("sense", whitening=unit_whitening(rng))
    both, lattice = lines_of("unflagged"), lines_of("interleaved")
    known = calibrated(method, make_frame(30 * kspace(patient()), both))
    power = {}
    for name, lines in (("both", both), ("lattice", lattice)):
        seen = 0.0
        for _ in range(100):
            frame = make_frame(complex_noise(rng, N_COILS, N, N), lines)
            image = reconstructed(method, frame, known)
            seen = seen + np.abs(image.pixels) ** 2 / 100
        power[name] = seen.mean() / np.mean(image.noise_std**2)
    assert abs(power["both"] - 1) < 0.03
    assert abs(power["lattice"] - 1) < 0.03
