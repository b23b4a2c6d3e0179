"""Noise of equal size in every coil, and a noise_std that is true."""

import numpy as np
import pytest

from messages.acquisition import REVERSE
from recon import CoilMaps, Whitening, whitening_from_noise

N_COILS = 4
NOISE_DWELL_US, IMAGING_DWELL_US, BANDWIDTH = 2.5, 10.0, 0.8


def unit_noise(rng, shape):
    """Complex noise with E|n|² = 1."""
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)


def mixing(rng):
    """A coupling of the coils, far from diagonal, with gains of one to eight."""
    return unit_noise(rng, (N_COILS, N_COILS)) + np.diag(2.0 ** np.arange(N_COILS))


def measured_whitening(rng, mix, *, n_samples=200_000):
    samples = mix @ unit_noise(rng, (N_COILS, n_samples))
    return whitening_from_noise(
        samples.astype(np.complex64),
        noise_sample_time_us=NOISE_DWELL_US,
        acquisition_sample_time_us=IMAGING_DWELL_US,
        relative_receiver_noise_bandwidth=BANDWIDTH,
    )


def imaging_noise(rng, mix, n_readouts, n_samples):
    """Noise as the receiver makes it: power ∝ 1 / dwell, no roll-off in the middle of the band."""
    scale = np.sqrt(NOISE_DWELL_US / IMAGING_DWELL_US / BANDWIDTH)
    return scale * (mix @ unit_noise(rng, (n_readouts, N_COILS, n_samples)))


def test_samples_have_unit_covariance_after_whitening():
    rng = np.random.default_rng(1)
    mix = mixing(rng)
    whitening = measured_whitening(rng, mix)
    white = whitening.matrix @ imaging_noise(rng, mix, 1, 200_000)[0]
    covariance = white @ white.conj().T / white.shape[1]
    # 200 000 samples: each entry is known to 0.3 %
    assert np.abs(covariance - np.eye(N_COILS)).max() < 0.015
    assert whitening.sample_time_us == NOISE_DWELL_US
    assert whitening.n_noise_samples == 200_000


def test_bandwidth_is_one_where_the_header_gives_none():
    rng = np.random.default_rng(2)
    samples = unit_noise(rng, (2, 50_000)).astype(np.complex64)
    times = {"noise_sample_time_us": 5.0, "acquisition_sample_time_us": 5.0}
    without = whitening_from_noise(samples, **times, relative_receiver_noise_bandwidth=None)
    given = whitening_from_noise(samples, **times, relative_receiver_noise_bandwidth=1.0)
    np.testing.assert_array_equal(without.matrix, given.matrix)


# (name, plan, rows of one frame): each changes how many samples stand behind a pixel
CASES = {
    "full": ({"encoded": (32, 32, 1)}, {"n_samples": 32}, range(32)),
    "oversampled": (
        {
            "encoded": (64, 40, 1),
            "recon": (32, 32, 1),
            "encoded_fov_mm": (128.0, 80.0, 5.0),
            "recon_fov_mm": (64.0, 64.0, 5.0),
        },
        {"n_samples": 64},
        range(40),
    ),
    "partial Fourier": ({"encoded": (32, 32, 1)}, {"n_samples": 32}, range(12, 32)),
    "asymmetric echo": (
        {"encoded": (32, 32, 1)},
        {"n_samples": 24, "center_sample": 8},
        range(32),
    ),
    "reversed and off by one": (
        {"encoded": (32, 32, 1)},
        {"n_samples": 32, "flags": REVERSE},
        range(32),
    ),
    "uneven averages": (
        {"encoded": (32, 32, 1)},
        {"n_samples": 32},
        [*range(32), *range(10, 22), *range(14, 18)],
    ),
    "interpolated": (
        {
            "encoded": (32, 24, 1),
            "recon": (32, 32, 1),
            "encoded_fov_mm": (64.0, 64.0, 5.0),
            "recon_fov_mm": (64.0, 64.0, 5.0),
        },
        {"n_samples": 32},
        range(24),
    ),
    "k-space cropped": (
        {
            "encoded": (32, 32, 1),
            "recon": (16, 16, 1),
            "encoded_fov_mm": (64.0, 64.0, 5.0),
            "recon_fov_mm": (64.0, 64.0, 5.0),
        },
        {"n_samples": 32},
        range(32),
    ),
    "3-D": ({"encoded": (16, 12, 8)}, {"n_samples": 16}, range(96)),
}


@pytest.mark.parametrize("case", CASES)
def test_noise_std_is_what_the_pixels_have(case, make_plan, make_rows, reconstruct):
    encoding, columns, lines = CASES[case]
    rng = np.random.default_rng(3)
    mix = mixing(rng)
    lines = np.array(lines)
    n_lines = encoding["encoded"][1]
    rows = make_rows(len(lines), lines=lines % n_lines, **columns)
    rows["kspace_encode_step_2"] = lines // n_lines
    # The whitening is exact here, so that only the propagation is judged.
    scale = np.sqrt(IMAGING_DWELL_US / NOISE_DWELL_US * BANDWIDTH)
    exact = Whitening((scale * np.linalg.inv(mix)).astype(np.complex64), NOISE_DWELL_US, 1)
    the_plan = make_plan(
        n_coils=N_COILS, n_samples=columns["n_samples"], whitening=exact, **encoding
    )
    coil_pixels, combined = [], []
    maps = None
    for _ in range(40):
        samples = imaging_noise(rng, mix, len(rows), columns["n_samples"])
        image = reconstruct(the_plan, rows, samples, maps=maps)
        if maps is None:
            maps = fixed_maps(image.coil_pixels.shape, rng)
            continue
        coil_pixels.append(image.coil_pixels)
        combined.append(image.pixels)
    pixels = np.moveaxis(np.array(coil_pixels), 1, 0).reshape(N_COILS, -1)
    covariance = pixels @ pixels.conj().T / pixels.shape[1]
    # 40 frames of 256 to 1500 independent pixels and 4 coils: the mean power is known to 0.5 % or
    # better, its root to half of that
    power = np.real(np.trace(covariance)) / N_COILS
    assert abs(np.sqrt(power) / image.noise_std - 1) < 0.01
    assert np.abs(covariance / image.noise_std**2 - np.eye(N_COILS)).max() < 0.05
    assert abs(np.std(combined) / image.noise_std - 1) < 0.015


def fixed_maps(shape, rng):
    weights = unit_noise(rng, shape)
    weights /= np.sqrt(np.sum(np.abs(weights) ** 2, axis=0))
    return CoilMaps(weights.astype(np.complex64))


def test_noise_through_the_whole_chain_is_white(make_plan, make_rows, reconstruct):
    rng = np.random.default_rng(4)
    mix = mixing(rng)
    whitening = measured_whitening(rng, mix)
    the_plan = make_plan(n_coils=N_COILS, encoded=(128, 128, 1), whitening=whitening)
    rows = make_rows(128, n_samples=128)
    image = reconstruct(the_plan, rows, imaging_noise(rng, mix, 128, 128))
    pixels = image.coil_pixels.reshape(N_COILS, -1)
    covariance = pixels @ pixels.conj().T / pixels.shape[1]
    assert image.noise_std == pytest.approx(1.0)
    assert abs(np.std(pixels) - image.noise_std) < 0.02 * image.noise_std
    assert np.abs(covariance - np.eye(N_COILS)).max() < 0.04  # 16 384 pixels: 0.8 % an entry


def test_without_a_noise_scan_there_is_no_noise_std(make_plan, make_rows, reconstruct):
    image = reconstruct(make_plan(), make_rows(16, n_samples=16), np.ones((16, 1, 16)))
    assert image.noise_std is None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda n: n.__setitem__(1, 0), "coil 1 has a noise power of 0"),
        (lambda n: n.__setitem__((2, 5), np.nan), "coil 2 has a noise power of nan"),
        (lambda n: n.__setitem__(2, n[0]), "not linearly independent"),
    ],
)
def test_a_noise_scan_without_an_inverse_is_refused(spoil, says):
    noise = unit_noise(np.random.default_rng(5), (3, 100)).astype(np.complex64)
    spoil(noise)
    with pytest.raises(ValueError, match=says):
        whitening_from_noise(
            noise,
            noise_sample_time_us=5.0,
            acquisition_sample_time_us=5.0,
            relative_receiver_noise_bandwidth=None,
        )


def test_a_dwell_time_of_zero_is_refused():
    noise = unit_noise(np.random.default_rng(6), (2, 100)).astype(np.complex64)
    with pytest.raises(ValueError, match="noise_sample_time_us is 0"):
        whitening_from_noise(
            noise,
            noise_sample_time_us=0.0,
            acquisition_sample_time_us=5.0,
            relative_receiver_noise_bandwidth=None,
        )


def test_too_few_noise_samples_are_refused():
    with pytest.raises(ValueError, match="4 samples for 4 coils"):
        measured_whitening(np.random.default_rng(7), np.eye(N_COILS), n_samples=4)
