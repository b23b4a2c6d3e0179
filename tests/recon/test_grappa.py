"""GRAPPA: missing lines come back, from each mode of calibration, with phase and noise known."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from messages import Encoding, EncodingLimit, HeaderError, SessionHeader
from messages.acquisition import PARALLEL_CALIBRATION
from recon import METHODS, plan
from recon.coil_maps import combine, estimate_coil_maps
from tests.recon import parallel
from tests.recon.parallel import (
    EMBEDDED,
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


@pytest.fixture(scope="module")
def truth():
    return image_of_all_lines()


def calibrate_in(mode, acceleration, data):
    method = make_method("grappa", acceleration=acceleration, mode=mode)
    known = None
    for number in range(2 * acceleration - 1 if mode == "interleaved" else 1):
        assert known is None or not known.is_ready
        frame = make_frame(data, lines_of(mode, acceleration, number % acceleration))
        known = calibrated(method, frame, known)
    return method, frame, known


@pytest.mark.parametrize(("acceleration", "limit"), [(2, 0.01), (3, 0.03)])
@pytest.mark.parametrize("mode", ["separate", "embedded", "unflagged", "interleaved"])
def test_every_mode_of_calibration_gives_the_image_of_all_lines(truth, mode, acceleration, limit):
    method, frame, known = calibrate_in(mode, acceleration, kspace(patient()))
    assert known.is_ready
    image = reconstructed(method, frame, known)
    aliased = reconstructed(make_method("fft", acceleration=1), frame)
    assert error(image, truth) < limit
    assert error(aliased, truth) > 5 * error(image, truth)
    assert image.is_complete
    assert image.coil_pixels is None


def test_a_kernel_stays_true_on_lattices_of_other_offset(truth):
    method, _, known = calibrate_in("interleaved", 3, kspace(patient()))
    for offset in range(3):
        frame = make_frame(kspace(patient()), lines_of("interleaved", 3, offset))
        assert error(reconstructed(method, frame, known), truth) < 0.03


def test_until_interleaved_frames_fill_the_centre_images_are_incomplete():
    method = make_method("grappa", mode="interleaved")
    first = make_frame(kspace(patient()), lines_of("interleaved"))
    known = calibrated(method, first)
    assert not known.is_ready
    assert not reconstructed(method, first, known).is_complete
    assert not reconstructed(method, first).is_complete
    # The same lattice again teaches nothing; the other one does, once it is seen at one moment.
    again = calibrated(method, first, calibrated(method, first, known))
    assert not again.is_ready
    second = make_frame(kspace(patient()), lines_of("interleaved", offset=1))
    assert calibrated(method, second, again).is_ready
    known = calibrated(method, second, known)
    assert not known.is_ready
    assert calibrated(method, first, known).is_ready


@pytest.mark.parametrize("acceleration", [2, 3])
def test_a_kernel_learned_from_a_moving_patient_ghosts_as_little_as_from_a_still_one(acceleration):
    """He moves by 1.5 % of the field of view between frames; two or three frames merged ghost."""
    method = make_method("grappa", acceleration=acceleration, mode="interleaved")

    def moved(number):
        return kspace(np.roll(patient(), number, axis=0))

    def learned(data, n_frames):
        known = None
        for number in range(n_frames):
            lines = lines_of("interleaved", acceleration, number % acceleration)
            known = calibrated(method, make_frame(data(number), lines), known)
        return known

    def ghost(known):
        frame = make_frame(moved(7), lines_of("interleaved", acceleration))
        of_all = make_frame(moved(7), lines_of("interleaved", 1))
        whole = reconstructed(make_method("fft", acceleration=1), of_all)
        return error(reconstructed(method, frame, known), whole)

    n_frames = 2 * acceleration - 1
    moving, still = learned(moved, n_frames), learned(lambda _: moved(0), n_frames)
    assert moving.is_ready
    assert ghost(moving) < 1.5 * ghost(still)


def test_what_is_learned_is_small_and_travels():
    method, frame, known = calibrate_in("interleaved", 2, kspace(patient()))
    waiting = calibrated(make_method("grappa", mode="interleaved"), frame)
    assert len(pickle.dumps(known)) < 2 * kspace(patient()).nbytes
    assert len(pickle.dumps(waiting)) < kspace(patient()).nbytes
    again = pickle.loads(pickle.dumps(known))
    np.testing.assert_array_equal(
        reconstructed(method, frame, again).pixels, reconstructed(method, frame, known).pixels
    )


def test_lines_filled_on_arrival_are_those_filled_after_the_last():
    method, frame, known = calibrate_in("embedded", 3, kspace(patient()))
    early = absorbed(method, frame, known)
    late = absorbed(method, frame)
    assert early.filled.sum() > 20
    assert not late.filled.any()
    np.testing.assert_array_equal(
        method.finish(early, frame, known).pixels, method.finish(late, frame, known).pixels
    )
    assert not late.filled.any()  # finish leaves the partial frame alone


def test_all_missing_lines_are_there_when_the_last_readout_has_landed():
    method, frame, known = calibrate_in("separate", 2, kspace(patient()))
    partial = absorbed(method, frame, known)
    assert (partial.filled | (partial.n_averages > 0)).all()


def test_lines_may_land_in_any_order():
    method, frame, known = calibrate_in("unflagged", 2, kspace(patient()))
    order = np.random.default_rng(1).permutation(len(frame.readouts))
    shuffled = replace(frame, readouts=frame.readouts[order], samples=frame.samples[order])
    one, two = (reconstructed(method, each, known) for each in (frame, shuffled))
    np.testing.assert_array_equal(one.pixels, two.pixels)


def test_measured_lines_are_kept_and_calibration_lines_left_out():
    data = kspace(patient())
    method, frame, known = calibrate_in("embedded", 2, data)
    rows = absorbed(method, frame, known).rows
    wrong = frame.samples.copy()
    wrong[(frame.readouts["flags"] & PARALLEL_CALIBRATION) != 0] = 1e6
    spoilt = absorbed(method, replace(frame, samples=wrong), known).rows
    np.testing.assert_array_equal(rows, spoilt)
    whole = absorbed(make_method("fft"), make_frame(data, [(y, 0) for y in range(N)])).rows
    there = absorbed(make_method("fft"), frame).n_averages > 0
    np.testing.assert_array_equal(rows[:, there], whole[:, there])


def test_averages_are_averaged_before_lines_are_synthesised(truth):
    data, rng = kspace(patient()), np.random.default_rng(2)
    method, frame, known = calibrate_in("separate", 2, data)
    noise = 0.1 * complex_noise(rng, *frame.samples.shape)
    rows = np.concatenate([frame.readouts, frame.readouts])
    samples = np.concatenate([frame.samples + noise, frame.samples - noise])
    twice = reconstructed(method, replace(frame, readouts=rows, samples=samples), known)
    once = reconstructed(method, frame, known)
    assert np.abs(twice.pixels - once.pixels).max() < 1e-4 * np.abs(once.pixels).max()


def test_heat_is_seen_as_it_is():
    heat = patient(heat_rad=1.5)
    method, frame, known = calibrate_in("separate", 2, kspace(patient()))
    before = reconstructed(method, frame, known)
    after = reconstructed(method, make_frame(kspace(heat), lines_of("separate")), known)
    seen = np.angle(after.pixels[0] * before.pixels[0].conj())
    assert np.abs(seen - np.angle(heat * patient().conj()))[INSIDE].max() < 0.02


@pytest.mark.parametrize("are_known", [True, False])
def test_a_phase_of_the_whole_frame_passes(are_known):
    method, frame, known = calibrate_in("embedded", 2, kspace(patient()))
    turned = replace(frame, samples=(np.exp(2j) * frame.samples).astype(np.complex64))
    one = reconstructed(method, frame, known)
    two = reconstructed(method, turned, known if are_known else calibrated(method, turned))
    assert np.abs(two.pixels - np.exp(2j) * one.pixels).max() < 1e-5 * np.abs(one.pixels).max()


@pytest.mark.parametrize("mode", ["separate", "unflagged"])
def test_noise_has_the_strength_that_the_image_says(mode):
    rng = np.random.default_rng(4)
    method = make_method("grappa", acceleration=3, whitening=unit_whitening(rng))
    known = calibrated(method, make_frame(30 * kspace(patient()), lines_of(mode, 3)))
    lines, power = lines_of(mode, 3), 0.0
    for _ in range(300):
        image = reconstructed(method, make_frame(complex_noise(rng, N_COILS, N, N), lines), known)
        power = power + np.abs(image.pixels) ** 2 / 300
    # 300 frames know a pixel's power to 6 %, a patch of neighbours to a few per mille
    measured = np.sqrt(power[0].reshape(8, 8, 8, 8).mean(axis=(1, 3)))
    said = np.sqrt((image.noise_std[0] ** 2).reshape(8, 8, 8, 8).mean(axis=(1, 3)))
    assert np.abs(measured / said - 1).max() < 0.05
    assert said.max() > 1.2 * said.min()  # a g-factor, not a constant
    assert image.noise_std.dtype == np.float32


def test_without_acceleration_noise_is_that_of_the_fourier_transform():
    rng = np.random.default_rng(5)
    method = make_method("grappa", acceleration=1, whitening=unit_whitening(rng))
    frame = make_frame(30 * kspace(patient()), [(line, 0) for line in range(N)])
    image = reconstructed(method, frame, calibrated(method, frame))
    np.testing.assert_allclose(image.noise_std, 1, rtol=1e-4)  # unit power, orthonormal, unit maps


@pytest.mark.parametrize("name", ["grappa", "sense"])
def test_a_volume_is_filled_partition_by_partition(name):
    n_z = 4
    size, fov_mm = (N, N, n_z), (2.0 * N, 2.0 * N, 20.0)
    limits = EncodingLimit(0, N - 1, N // 2), EncodingLimit(0, n_z - 1, n_z // 2)
    encoding = Encoding(size, size, fov_mm, fov_mm, "cartesian", *limits, acceleration=(2, 1))
    method = METHODS[name](plan(SessionHeader(b"", (encoding,)), n_coils=N_COILS, n_samples=N))
    slices = np.stack([kspace(patient() * (1 + 0.3 * z)) for z in range(n_z)], axis=1)
    shifted = np.fft.ifftshift(slices, axes=1)
    volume = np.fft.fftshift(np.fft.fft(shifted, axis=1, norm="ortho"), axes=1)
    parts = [
        make_frame(volume[:, z], lines_of("unflagged"), kspace_encode_step_2=z) for z in range(n_z)
    ]
    frame = replace(
        parts[0],
        readouts=np.concatenate([one.readouts for one in parts]),
        samples=np.concatenate([one.samples for one in parts]),
    )
    known = calibrated(method, frame)
    image = reconstructed(method, frame, known)
    coils = np.abs(parallel.coil_sensitivities()) ** 2
    bright = np.sqrt(coils.sum(axis=0))[None] * np.abs(patient())
    expected = bright * (1 + 0.3 * np.arange(n_z))[:, None, None]
    assert image.pixels.shape == (n_z, N, N)
    difference = np.linalg.norm(np.abs(image.pixels) - expected)
    assert difference < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("name", ["grappa", "sense"])
@pytest.mark.parametrize("encoded", [(128, 75), (63, 65)])
def test_odd_and_oversampled_matrices_keep_their_factors(name, encoded):
    # Rows are kept with factors that are not ±1 for odd sizes, and cropped from the encoded matrix
    n_x, n_y = encoded
    size, recon = (n_x, n_y, 1), (64, 63, 1) if n_x > n_y else (n_x, n_y, 1)
    limit = EncodingLimit(0, n_y - 1, n_y // 2)
    y, x = np.mgrid[:n_y, :n_x]
    y, x = (y - n_y // 2) / recon[1], (x - n_x // 2) / recon[0]
    turns = 2 * np.pi * np.arange(N_COILS)[:, None, None] / N_COILS
    away2 = (y - 0.55 * np.sin(turns)) ** 2 + (x - 0.55 * np.cos(turns)) ** 2
    disc = 1 / (1 + np.exp(60 * (np.hypot(y, x) - 0.4)))
    shifted = np.fft.ifftshift(disc * np.exp(-away2 / 0.18 + 1j * turns), axes=(1, 2))
    data = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(1, 2))
    lines = sorted({*range(1, n_y, 3), *range(n_y // 2 - 12, n_y // 2 + 12)})
    images = {}
    for method_name, sampled in ((name, lines), ("fft", range(n_y))):
        encoding = Encoding(
            size,
            recon,
            tuple(2.0 * n for n in size),
            tuple(2.0 * n for n in recon),
            "cartesian",
            limit,
            acceleration=(3, 1),
        )
        method = METHODS[method_name](
            plan(SessionHeader(b"", (encoding,)), n_coils=N_COILS, n_samples=n_x)
        )
        frame = make_frame(
            data, [(line, 0) for line in sampled], n_samples=n_x, center_sample=n_x // 2
        )
        images[method_name] = np.abs(reconstructed(method, frame, calibrated(method, frame)).pixels)
    difference = np.linalg.norm(images[name] - images["fft"])
    assert difference < 0.03 * np.linalg.norm(images["fft"])


def test_a_lost_line_is_no_crash(truth):
    method, frame, known = calibrate_in("separate", 2, kspace(patient()))
    kept = np.ones(len(frame.readouts), bool)
    kept[len(EMBEDDED) + 5] = False
    lossy = replace(
        frame, readouts=frame.readouts[kept], samples=frame.samples[kept], is_complete=False
    )
    image = reconstructed(method, lossy, known)
    assert not image.is_complete
    assert np.isfinite(image.pixels).all()
    assert error(image, truth) < 0.2
    assert calibrated(method, lossy) is None


def test_nan_teaches_nothing_and_stays_in_the_image():
    method, frame, known = calibrate_in("separate", 2, kspace(patient()))
    samples = frame.samples.copy()
    samples[40, 2, 7] = np.nan
    spoilt = replace(frame, samples=samples)
    assert calibrated(method, spoilt) is None
    assert not np.isfinite(reconstructed(method, spoilt, known).pixels).all()


def test_a_reference_scan_in_an_encoded_space_of_its_own(truth):
    data = kspace(patient())
    frame = make_frame(data, lines_of("separate"))
    is_reference = (frame.readouts["flags"] & PARALLEL_CALIBRATION) != 0
    rows = frame.readouts.copy()
    rows["encoding_space_ref"][is_reference] = 1
    rows["kspace_encode_step_1"][is_reference] -= EMBEDDED[0]  # its limits are 0 to 23
    rows["kspace_encode_step_1"][is_reference] += 100  # or any others
    method = make_method("grappa")
    frame = replace(frame, readouts=rows)
    known = calibrated(method, frame)
    assert error(reconstructed(method, frame, known), truth) < 0.01


def test_the_forward_model_is_undone():
    method, frame, known = calibrate_in("separate", 2, kspace(patient()))
    image = reconstructed(method, frame, known)
    operator = method.operator(known, absorbed(method, frame, known))
    data = operator(image.pixels)
    assert not data[:, 0, 1::2].any()
    again = reconstructed(method, make_frame(data[:, 0], lines_of("interleaved")), known)
    assert error(again, image) < 0.02


def test_acceleration_across_partitions_is_refused():
    the_plan = make_method("grappa").plan
    both = replace(the_plan, encoding=replace(the_plan.encoding, acceleration=(2, 2)))
    with pytest.raises(HeaderError, match="kspace_encoding_step_2"):
        type(make_method("grappa"))(both)


def test_coils_of_a_filled_frame_are_those_of_all_lines(truth):
    method, frame, known = calibrate_in("separate", 2, kspace(patient()))
    partial = absorbed(method, frame, known)
    coils = method.coil_pixels(partial.rows, partial.n_averages)
    assert np.linalg.norm(coils - truth.coil_pixels) < 0.01 * np.linalg.norm(truth.coil_pixels)
    again = combine(coils, estimate_coil_maps(coils))
    assert np.abs(np.abs(again) - np.abs(truth.pixels)).max() < 0.02 * np.abs(truth.pixels).max()


def test_the_phantom_is_accelerated_where_it_has_coils():
    # Traps the tests themselves: without different coils nothing could be undone
    coils = parallel.coil_sensitivities()
    flat = coils[:, INSIDE]
    values = np.linalg.svd(flat, compute_uv=False)
    assert values[3] > 0.05 * values[0]


@pytest.mark.parametrize("acceleration", [2, 3])
def test_a_lattice_that_moves_unannounced_is_filled_where_it_is(truth, acceleration):
    # Filled where the first frame's lattice was, it left all the aliases in a complete image
    method, _, known = calibrate_in("separate", acceleration, kspace(patient()))
    moved = make_frame(kspace(patient()), lines_of("interleaved", acceleration, offset=1))
    image = reconstructed(method, moved, known)
    assert image.is_complete
    assert error(image, truth) < 0.03


def test_noise_is_that_of_the_lines_a_frame_has():
    rng = np.random.default_rng(6)
    method = make_method("grappa", acceleration=3, whitening=unit_whitening(rng))
    both, lattice = lines_of("unflagged", 3), lines_of("interleaved", 3)
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


@pytest.mark.parametrize("name", ["grappa", "sense"])
def test_fewer_coils_than_aliases_are_refused(name):
    with pytest.raises(HeaderError, match="is 3, expected at most 2"):
        make_method(name, acceleration=3, n_coils=2)


@pytest.mark.parametrize(("mode", "half"), [("separate", 8), ("embedded", 5)])
def test_too_few_calibration_lines_never_make_a_complete_image(mode, half):
    # A kernel of three equations a column, or of lines of the reference scan and of the image
    # taken together, made complete images, 2 to 4 °C wrong in a hot spot
    method, known = make_method("grappa", acceleration=3, mode=mode), None
    few = range(N // 2 - half, N // 2 + half)
    calibration = [(line, PARALLEL_CALIBRATION) for line in few]
    for _ in range(3):
        lines = calibration + lines_of("interleaved", 3)
        frame = make_frame(kspace(patient()), lines)
        known = calibrated(method, frame, known)
        assert not reconstructed(method, frame, known).is_complete
        if mode == "separate":
            calibration = []  # it comes once
