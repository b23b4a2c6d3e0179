"""Cartesian images against closed forms, against SigPy, and in the traps that headers lay."""

import numpy as np
import pytest
import sigpy

from messages import EncodingLimit
from messages.acquisition import (
    NAVIGATION,
    NOISE_MEASUREMENT,
    PARALLEL_CALIBRATION,
    PARALLEL_CALIBRATION_AND_IMAGING,
    PHASE_CORRECTION,
    REVERSE,
)
from recon import METHODS, CartesianFFT

ROUNDING = 1e-5  # of the largest pixel
OVERSAMPLED = {
    "encoded": (64, 40, 1),
    "recon": (32, 32, 1),
    "encoded_fov_mm": (128.0, 80.0, 5.0),
    "recon_fov_mm": (64.0, 64.0, 5.0),
}


def complex_noise(rng, shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def point_kspace(k, position, size):
    """Signal of a unit point `position` pixels from the centre of a field of view of `size`."""
    return np.exp(-2j * np.pi * k * position / size)


def assert_point(image, where):
    """All the signal in one pixel, real and positive: its phase tests the centre conventions."""
    peak = np.unravel_index(np.argmax(np.abs(image.coil_pixels[0])), image.pixels.shape)
    assert tuple(map(int, peak)) == where
    value = image.coil_pixels[0][where]
    rest = image.coil_pixels[0].copy()
    rest[where] = 0
    assert value.real > 0
    assert abs(value.imag) < 1e-4 * value.real
    assert np.abs(rest).max() < 1e-4 * value.real
    return float(value.real)


@pytest.mark.parametrize(("n_x", "n_y"), [(16, 16), (15, 12), (16, 9), (7, 5)])
def test_a_point_lands_on_its_pixel(make_plan, make_rows, reconstruct, n_x, n_y):
    k_x, k_y = np.arange(n_x) - n_x // 2, np.arange(n_y) - n_y // 2
    samples = point_kspace(k_y, -2, n_y)[:, None] * point_kspace(k_x, 3, n_x)
    rows = make_rows(n_y, n_samples=n_x)
    image = reconstruct(make_plan(encoded=(n_x, n_y, 1)), rows, samples[:, None])
    amplitude = assert_point(image, (0, n_y // 2 - 2, n_x // 2 + 3))
    assert amplitude == pytest.approx(np.sqrt(n_x * n_y), rel=1e-5)  # orthonormal


def test_a_point_in_three_dimensions(make_plan, make_rows, reconstruct):
    n_x, n_y, n_z = 16, 10, 6
    step_1, step_2 = np.meshgrid(np.arange(n_y), np.arange(n_z))
    k_x = np.arange(n_x) - n_x // 2
    samples = (
        point_kspace(step_2.ravel() - n_z // 2, 2, n_z)
        * point_kspace(step_1.ravel() - n_y // 2, -3, n_y)
    )[:, None] * point_kspace(k_x, 5, n_x)
    rows = make_rows(
        n_y * n_z, n_samples=n_x, lines=step_1.ravel(), kspace_encode_step_2=step_2.ravel()
    )
    image = reconstruct(make_plan(encoded=(n_x, n_y, n_z)), rows, samples[:, None])
    assert_point(image, (n_z // 2 + 2, n_y // 2 - 3, n_x // 2 + 5))


def test_oversampling_is_removed_along_readout_and_phase(make_plan, make_rows, reconstruct):
    k_x, k_y = np.arange(64) - 32, np.arange(40) - 20
    samples = point_kspace(k_y, 10, 40)[:, None] * point_kspace(k_x, -7, 64)
    image = reconstruct(make_plan(**OVERSAMPLED), make_rows(40, n_samples=64), samples[:, None])
    assert image.pixels.shape == (1, 32, 32)
    assert_point(image, (0, 16 + 10, 16 - 7))


def test_a_point_outside_the_field_of_view_is_cropped(make_plan, make_rows, reconstruct):
    k_x, k_y = np.arange(64) - 32, np.arange(40) - 20
    samples = point_kspace(k_y, 0, 40)[:, None] * point_kspace(k_x, 20, 64)
    image = reconstruct(make_plan(**OVERSAMPLED), make_rows(40, n_samples=64), samples[:, None])
    assert np.abs(image.coil_pixels).max() < 1e-4


def test_a_rectangle_has_its_edges_and_height(make_plan, make_rows, reconstruct):
    # ∫ over the rectangle of e^(-2πi k r): a sinc; nothing of it is known to the FFT
    n, width_x, width_y, shift_y = 128, 41, 61, 10
    k = np.arange(n) - n // 2

    def rectangle(width, shift):
        return width * np.sinc(k * width / n) * np.exp(-2j * np.pi * k * shift / n)

    samples = rectangle(width_y, shift_y)[:, None] * rectangle(width_x, 0)
    image = reconstruct(
        make_plan(encoded=(n, n, 1)), make_rows(n, n_samples=n), samples[:, None] / n
    )
    pixels = image.coil_pixels[0, 0]
    y, x = np.mgrid[:n, :n] - n // 2
    distance_x, distance_y = np.abs(x) - width_x / 2, np.abs(y - shift_y) - width_y / 2
    inside = (distance_x < -5) & (distance_y < -5)
    outside = (distance_x > 5) | (distance_y > 5)
    assert np.abs(pixels[inside] - 1).max() < 0.05  # Gibbs ringing five pixels from an edge
    assert np.abs(pixels[outside]).max() < 0.05
    assert np.abs(pixels.sum() - width_x * width_y) < 1


def direct_sum(kspace, k, positions, size):
    """Σ s(k) e^(2πi k r / size) / √size along the last axis, in float64."""
    return kspace @ np.exp(2j * np.pi * np.outer(k, positions) / size) / np.sqrt(size)


def test_partial_fourier_with_off_centre_limits(make_plan, make_rows, reconstruct):
    # The geometry of a real Siemens file: 106 of 144 lines, the centre at counter 54
    n_x, n_y, center, n_lines = 16, 144, 54, 106
    rng = np.random.default_rng(1)
    samples = complex_noise(rng, (n_lines, 1, n_x))
    the_plan = make_plan(
        encoded=(n_x, n_y, 1), kspace_encoding_step_1=EncodingLimit(0, n_lines - 1, center)
    )
    image = reconstruct(the_plan, make_rows(n_lines, n_samples=n_x), samples)
    x, y = np.arange(n_x) - n_x // 2, np.arange(n_y) - n_y // 2
    profile = direct_sum(samples[:, 0].astype(complex), x, x, n_x)
    expected = direct_sum(profile.T, np.arange(n_lines) - center, y, n_y).T
    assert np.abs(image.coil_pixels[0, 0] - expected).max() < ROUNDING * np.abs(expected).max()


@pytest.mark.parametrize(("n_samples", "center"), [(12, 4), (11, 8), (16, 8), (9, 1), (15, 7)])
def test_asymmetric_echo_keeps_its_centre(make_plan, make_rows, reconstruct, n_samples, center):
    n_x, n_y = 16, 4
    rng = np.random.default_rng(2)
    samples = complex_noise(rng, (n_y, 1, n_samples))
    rows = make_rows(n_y, n_samples=n_samples, center_sample=center)
    the_plan = make_plan(encoded=(n_x, n_y, 1), n_samples=n_samples)
    image = reconstruct(the_plan, rows, samples)
    x, y = np.arange(n_x) - n_x // 2, np.arange(n_y) - n_y // 2
    profile = direct_sum(samples[:, 0].astype(complex), np.arange(n_samples) - center, x, n_x)
    expected = direct_sum(profile.T, y, y, n_y).T
    assert np.abs(image.coil_pixels[0, 0] - expected).max() < ROUNDING * np.abs(expected).max()


@pytest.mark.parametrize(("n_samples", "center"), [(16, 8), (15, 7), (12, 5), (12, 7)])
def test_a_reversed_readout_is_the_same_readout(
    make_plan, make_rows, reconstruct, n_samples, center
):
    n_y = 4
    rng = np.random.default_rng(3)
    samples = complex_noise(rng, (n_y, 2, n_samples))
    the_plan = make_plan(encoded=(16, n_y, 1), n_samples=n_samples, n_coils=2)
    forward = make_rows(n_y, n_samples=n_samples, center_sample=center)
    backward = make_rows(
        n_y, n_samples=n_samples, center_sample=n_samples - 1 - center, flags=REVERSE
    )
    one = reconstruct(the_plan, forward, samples)
    two = reconstruct(the_plan, backward, samples[..., ::-1])
    np.testing.assert_array_equal(one.coil_pixels, two.coil_pixels)


def test_an_even_reversed_readout_loses_the_sample_that_sticks_out(
    make_plan, make_rows, reconstruct
):
    # 16 samples with the centre at 8 mirror to a centre at 7: kx from -7 to 8, and 8 is outside
    samples = np.zeros((1, 1, 16), np.complex64)
    samples[0, 0, 0] = 1
    rows = make_rows(1, n_samples=16, flags=REVERSE)
    image = reconstruct(make_plan(encoded=(16, 1, 1)), rows, samples)
    assert not image.coil_pixels.any()
    samples[0, 0, 8] = 1  # the k-space centre: a constant image
    image = reconstruct(make_plan(encoded=(16, 1, 1)), rows, samples)
    np.testing.assert_allclose(image.coil_pixels, 0.25, atol=1e-6)


@pytest.mark.parametrize("flags", [0, REVERSE])
def test_discarded_samples_do_not_count(make_plan, make_rows, reconstruct, flags):
    rng = np.random.default_rng(4)
    samples = complex_noise(rng, (4, 1, 15))
    rows = make_rows(4, n_samples=15, flags=flags)
    padded = np.full((4, 1, 20), 1e9, np.complex64)
    padded[:, :, 3:18] = samples
    trimmed = make_rows(
        4, n_samples=20, center_sample=7 + 3, discard_pre=3, discard_post=2, flags=flags
    )
    the_plan = make_plan(encoded=(16, 4, 1), n_samples=20)
    np.testing.assert_array_equal(
        reconstruct(the_plan, rows, samples).coil_pixels,
        reconstruct(the_plan, trimmed, padded).coil_pixels,
    )


def test_samples_beyond_n_samples_are_not_read(make_plan, make_rows, reconstruct):
    samples = complex_noise(np.random.default_rng(5), (4, 1, 20))
    samples[..., 16:] = np.nan
    image = reconstruct(make_plan(encoded=(16, 4, 1)), make_rows(4, n_samples=16), samples)
    assert np.isfinite(image.pixels).all()


def test_averages_are_averaged_and_missing_ones_do_not_dim(make_plan, make_rows, reconstruct):
    samples = complex_noise(np.random.default_rng(6), (8, 1, 8))
    the_plan = make_plan(encoded=(8, 8, 1))
    once = reconstruct(the_plan, make_rows(8, n_samples=8), samples)
    lines = [*range(8), *range(3, 6)]
    average = [0] * 8 + [1] * 3
    more = make_rows(11, n_samples=8, lines=lines, average=average)
    twice = reconstruct(the_plan, more, samples[lines])
    assert np.abs(once.pixels - twice.pixels).max() < ROUNDING * np.abs(once.pixels).max()


@pytest.mark.parametrize(
    "flags",
    [NOISE_MEASUREMENT, PARALLEL_CALIBRATION, NAVIGATION, PHASE_CORRECTION | NAVIGATION],
)
def test_readouts_that_make_no_image_are_left_out(make_plan, make_rows, reconstruct, flags):
    samples = complex_noise(np.random.default_rng(7), (9, 1, 8))
    rows = make_rows(9, n_samples=8, lines=[*range(8), 3])
    rows["flags"][8] = flags
    rows["center_sample"][8] = 0
    the_plan = make_plan(encoded=(8, 8, 1))
    np.testing.assert_array_equal(
        reconstruct(the_plan, rows, samples).pixels,
        reconstruct(the_plan, rows[:8], samples[:8]).pixels,
    )


@pytest.mark.parametrize("flags", [PARALLEL_CALIBRATION_AND_IMAGING, 1 << 28])
def test_readouts_that_make_an_image_are_kept(make_plan, make_rows, reconstruct, flags):
    # Flag 29 (bit 28, surface coil correction) stands on every line of real VE11 data
    samples = complex_noise(np.random.default_rng(8), (8, 1, 8))
    the_plan = make_plan(encoded=(8, 8, 1))
    np.testing.assert_array_equal(
        reconstruct(the_plan, make_rows(8, n_samples=8, flags=flags), samples).pixels,
        reconstruct(the_plan, make_rows(8, n_samples=8), samples).pixels,
    )


OPERATOR_CASES = [
    OVERSAMPLED,
    {"encoded": (17, 12, 1), "recon": (9, 11, 1)},
    {"encoded": (16, 12, 6), "recon": (16, 10, 4)},
    {
        "encoded": (16, 15, 7),
        "recon": (16, 16, 8),
        "encoded_fov_mm": (32.0, 32.0, 32.0),
        "recon_fov_mm": (32.0, 32.0, 32.0),
    },
    {
        "encoded": (24, 10, 5),
        "recon": (12, 14, 8),
        "encoded_fov_mm": (48.0, 30.0, 20.0),
        "recon_fov_mm": (24.0, 28.0, 20.0),
    },
    {
        "encoded": (32, 32, 1),
        "recon": (16, 12, 1),
        "encoded_fov_mm": (64.0, 64.0, 5.0),
        "recon_fov_mm": (64.0, 64.0, 5.0),
    },
]


@pytest.mark.parametrize("case", OPERATOR_CASES)
def test_the_hot_path_is_the_adjoint_of_the_sigpy_operator(
    make_plan, make_rows, reconstruct, calibrate, case
):
    n_x, n_y, n_z = case["encoded"]
    the_plan = make_plan(n_coils=3, **case)
    method = CartesianFFT(the_plan)
    kspace = complex_noise(np.random.default_rng(9), (3, n_z, n_y, n_x))
    samples = kspace.transpose(1, 2, 0, 3).reshape(n_z * n_y, 3, n_x)
    step_2, step_1 = np.divmod(np.arange(n_z * n_y), n_y)
    rows = make_rows(n_z * n_y, n_samples=n_x, lines=step_1, kspace_encode_step_2=step_2)
    coils = reconstruct(the_plan, rows, samples)
    expected = method.operator().H(kspace)
    assert np.abs(coils.coil_pixels - expected).max() < ROUNDING * np.abs(expected).max()
    maps = calibrate(the_plan, rows, samples)
    image = reconstruct(the_plan, rows, samples, maps=maps)
    combined = method.operator(maps).H(kspace)
    assert np.abs(image.pixels - combined).max() < ROUNDING * np.abs(combined).max()


def test_the_convention_is_sigpy_s_centred_orthonormal_fft(make_plan, make_rows, reconstruct):
    kspace = complex_noise(np.random.default_rng(10), (2, 1, 12, 15))
    image = reconstruct(
        make_plan(n_coils=2, encoded=(15, 12, 1)),
        make_rows(12, n_samples=15),
        kspace[:, 0].transpose(1, 0, 2),
    )
    expected = sigpy.ifft(kspace, axes=(-2, -1), center=True, norm="ortho")
    assert np.abs(image.coil_pixels - expected).max() < ROUNDING * np.abs(expected).max()


def test_one_coil_combines_to_itself(make_plan, make_rows, reconstruct):
    samples = complex_noise(np.random.default_rng(11), (8, 1, 8))
    image = reconstruct(make_plan(encoded=(8, 8, 1)), make_rows(8, n_samples=8), samples)
    assert np.abs(image.pixels - image.coil_pixels[0]).max() < ROUNDING * np.abs(image.pixels).max()


def test_a_frame_of_zeros_is_an_image_of_zeros(make_plan, make_rows, reconstruct):
    image = reconstruct(
        make_plan(n_coils=3, encoded=(8, 8, 1)),
        make_rows(8, n_samples=8),
        np.zeros((8, 3, 8)),
    )
    assert not image.pixels.any()
    assert not image.coil_pixels.any()


def test_nan_stays_in_the_image(make_plan, make_rows, reconstruct, calibrate):
    samples = complex_noise(np.random.default_rng(12), (8, 3, 8))
    rows = make_rows(8, n_samples=8)
    the_plan = make_plan(n_coils=3, encoded=(8, 8, 1))
    clean = reconstruct(the_plan, rows, samples)
    maps = calibrate(the_plan, rows, samples)
    samples[3, 1, 2] = np.nan
    spoilt = reconstruct(the_plan, rows, samples, maps=maps)
    assert np.isnan(spoilt.pixels).all()
    np.testing.assert_array_equal(spoilt.coil_pixels[[0, 2]], clean.coil_pixels[[0, 2]])
    assert np.isnan(reconstruct(the_plan, rows, samples).pixels).all()
    assert calibrate(the_plan, rows, samples) is None


def test_a_frame_without_readouts_is_an_image_of_zeros(make_plan, make_frame):
    method = METHODS["fft"](make_plan(encoded=(8, 8, 1)))
    image = method.finish(method.start(), make_frame(None, None))
    assert not image.pixels.any()


REFUSED = [
    ({"lines": [9]}, {}, "readout 0: kspace_encode_step_1 is 9, limit 0 to 7"),
    (
        {"lines": [7]},
        {"kspace_encoding_step_1": EncodingLimit(0, 5, 2)},
        "kspace_encode_step_1 is 7, limit -2 to 5",
    ),
    ({"kspace_encode_step_2": 1}, {}, "kspace_encode_step_2 is 1, limit 0 to 0"),
    ({"center_sample": 8}, {}, "center_sample is 8, limit 0 to 7"),
    ({"center_sample": 1, "discard_pre": 2}, {}, "center_sample is 1, limit 2 to 7"),
    ({"center_sample": 0}, {}, "center_sample puts its 8 samples at 4 to 11, limit 0 to 7"),
    ({"n_samples": 9}, {}, "n_samples is 9, limit 1 to 8"),
    ({"n_samples": 0}, {}, "n_samples is 0, limit 1 to 8"),
]


@pytest.mark.parametrize(("row", "encoding", "says"), REFUSED)
def test_a_readout_without_a_place_is_refused(
    make_plan, make_rows, reconstruct, row, encoding, says
):
    rows = make_rows(1, **({"n_samples": 8} | row))
    if "n_samples" in row:
        rows["center_sample"] = 4
    with pytest.raises(ValueError, match=says):
        reconstruct(make_plan(encoded=(8, 8, 1), **encoding), rows, np.ones((1, 1, 8)))


def test_the_readout_at_fault_is_counted_over_batches(make_plan, make_rows):
    method = METHODS["fft"](make_plan(encoded=(8, 8, 1)))
    samples = np.ones((6, 1, 8), np.complex64)
    partial = method.absorb(method.start(), make_rows(6, n_samples=8), samples)
    outside = make_rows(2, n_samples=8, lines=[7, 8])
    with pytest.raises(ValueError, match="readout 7: kspace_encode_step_1 is 8"):
        method.absorb(partial, outside, samples[:2])
    with pytest.raises(ValueError, match="readout 1: kspace_encode_step_1 is 8"):
        method.absorb(method.start(recycled=partial), outside, samples[:2])


def test_a_frame_of_another_plan_is_not_recycled(make_plan):
    other = METHODS["fft"](make_plan(encoded=(8, 10, 1))).start()
    with pytest.raises(ValueError, match="another plan's"):
        METHODS["fft"](make_plan(encoded=(8, 8, 1))).start(recycled=other)


def test_samples_of_other_coils_are_refused(make_plan, make_rows, reconstruct):
    with pytest.raises(ValueError, match="expected 8 readouts of 2 coils"):
        reconstruct(
            make_plan(n_coils=2, encoded=(8, 8, 1)), make_rows(8, n_samples=8), np.ones((8, 3, 8))
        )
