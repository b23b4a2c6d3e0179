"""Echo-planar trains: ghosts go, what both polarities share stays."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes

from messages import Encoding, EncodingLimit, EpiTiming, HeaderError, SessionHeader
from messages.acquisition import (
    NAVIGATION,
    PARALLEL_CALIBRATION,
    PHASE_CORRECTION,
    REAL_TIME_FEEDBACK,
    REVERSE,
)
from recon import METHODS, EpiReference, ReconstructionSettings, plan, whitening_from_noise
from recon.epi import misalignment
from recon.epi_regridding import readout_positions

N, N_COILS = 48, 3
TIMING = EpiTiming(100.0, 150.0, 100.0, 20.0, 100, 3.1)
# samples that do not lie about the middle of the gradient: lines of either direction differ
OFF_CENTRE = EpiTiming(100.0, 150.0, 100.0, 15.0, 100, 3.1)
K = readout_positions(TIMING, N)
NAVIGATOR = PHASE_CORRECTION | NAVIGATION | REAL_TIME_FEEDBACK  # all three, as real ones carry
OFF = ReconstructionSettings(epi_phase_correction="off")
CONSTANT_RAD, SLOPE_RAD = 0.6, 0.03
ACS = range(N // 2 - 12, N // 2 + 12)
Y, X = np.mgrid[:N, :N] - N // 2


def encoding(**rest):
    limit = EncodingLimit(0, N - 1, N // 2)
    rest.setdefault("epi", TIMING)
    return Encoding(
        (N, N, 1), (N, N, 1), (96.0, 96.0, 4.0), (96.0, 96.0, 4.0), "epi", limit, **rest
    )


def make_method(settings=None, *, reference=None, whitening=None, n_coils=N_COILS, **rest):
    the_plan = plan(
        SessionHeader(b"", (encoding(**rest),)),
        n_coils=n_coils,
        n_samples=TIMING.n_samples,
        settings=settings,
        epi_reference=reference,
        whitening=whitening,
    )
    return METHODS["fft"](the_plan)


def patient():
    """Blobs under smooth coils, (coil, y, x): as good as band-limited, so that truth is exact."""
    blobs = ((-8, 2, 4.0, 1.0), (7, -9, 3.0, 0.8), (3, 9, 2.5, 1.2j))
    image = sum(a * np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * s * s)) for y, x, s, a in blobs)
    angles = 2 * np.pi * np.arange(N_COILS)[:, None, None] / N_COILS
    return image * (1 + 0.3 * np.cos(angles + X / 20) + 0.2j * np.sin(angles + Y / 15))


def signal(coils, k_y, *, polarity=1, phase=(0.0, 0.0)):
    """One line (coil, sample) of coil images, displaced and turned by half of `phase`."""
    turn = np.exp(0.5j * polarity * (phase[0] + phase[1] * X))
    columns = np.sum(coils * turn * np.exp(-2j * np.pi * k_y * Y / N), axis=1)
    return columns @ np.exp(-2j * np.pi * polarity * np.outer(X[0], K) / N) / N


def train(coils, *, phase=(CONSTANT_RAD, SLOPE_RAD), drift_rad=0.0, lines=None, navigators=True):
    """Rows and samples of one shot; the field adds `drift_rad` from one echo to the next."""
    lines = range(N) if lines is None else lines
    echoes = [(0.0, N // 2, -1, NAVIGATOR), (0.0, N // 2, 1, NAVIGATOR)]
    echoes = [*echoes, echoes[0]] if navigators else []
    echoes += [(y - N // 2, y, -1 if n % 2 else 1, 0) for n, y in enumerate(lines)]
    samples = np.stack(
        [
            signal(coils, k, polarity=polarity, phase=phase) * np.exp(1j * drift_rad * echo)
            for echo, (k, _, polarity, _) in enumerate(echoes)
        ]
    )
    flags = [flag | (REVERSE if polarity < 0 else 0) for _, _, polarity, flag in echoes]
    return [y for _, y, _, _ in echoes], flags, samples.astype(np.complex64)


def reconstruct(method, make_rows, make_frame, shot, calibration=None):
    lines, flags, samples = shot
    rows = make_rows(len(lines), n_samples=samples.shape[-1], lines=lines, flags=flags)
    partial = method.absorb(method.start(calibration), rows, samples)
    frame = make_frame(rows, samples)
    known = method.calibrate(partial, frame) if calibration is None else calibration
    return method.finish(partial, frame, known), known


@pytest.fixture
def scan(make_rows, make_frame):
    def scanned(method, shot, calibration=None):
        return reconstruct(method, make_rows, make_frame, shot, calibration)

    return scanned


def error(image, truth):
    return np.abs(image.coil_pixels[:, 0] - truth).max() / np.abs(truth).max()


def test_the_ghost_goes_and_the_image_is_the_patient(scan):
    coils = patient()
    ghosted, _ = scan(make_method(OFF), train(coils))
    aligned, _ = scan(make_method(), train(coils))
    assert error(ghosted, coils) > 0.2
    assert error(aligned, coils) < 3e-3
    assert aligned.is_complete


def test_navigators_show_constant_and_slope():
    _, _, samples = train(patient(), drift_rad=0.1)
    method = make_method()
    profiles = [one @ method._transform._forward for one in samples[:3]]
    profiles[0], profiles[2] = (samples[n] @ method._transform._reverse for n in (0, 2))
    found = misalignment(profiles, [True, False, True])
    np.testing.assert_allclose(found.constant_rad, CONSTANT_RAD, atol=2e-3)
    np.testing.assert_allclose(found.slope_rad, SLOPE_RAD, atol=2e-4)
    np.testing.assert_allclose(found.tilt, 0, atol=1e-3)


def test_heat_passes_though_navigators_see_it_too(scan):
    heat_rad = 1.5 * np.exp(-((X - 2) ** 2 + (Y + 8) ** 2) / 18)
    cold, hot = patient(), patient() * np.exp(1j * heat_rad)
    method = make_method()
    before, known = scan(method, train(cold))
    after, _ = scan(method, train(hot), known)
    seen = np.angle(after.pixels[0] * before.pixels[0].conj())
    bright = np.abs(before.pixels[0]) > 0.2 * np.abs(before.pixels[0]).max()
    assert np.abs(seen - heat_rad)[bright].max() < 0.01


def test_a_phase_of_the_whole_frame_passes(scan):
    method = make_method()
    lines, flags, samples = train(patient())
    one, known = scan(method, (lines, flags, samples))
    two, _ = scan(method, (lines, flags, (np.exp(2j) * samples).astype(np.complex64)), known)
    three, _ = scan(method, (lines, flags, (np.exp(2j) * samples).astype(np.complex64)))
    scale = np.abs(one.pixels).max()
    assert np.abs(two.pixels - np.exp(2j) * one.pixels).max() < 1e-5 * scale
    assert np.abs(three.pixels - np.exp(2j) * one.pixels).max() < 2e-4 * scale


def test_the_field_s_drift_is_followed_only_where_asked(scan):
    coils, drift_rad = patient(), 0.05
    steady, known = scan(make_method(), train(coils))
    moved, _ = scan(make_method(), train(coils, drift_rad=drift_rad), known)
    settings = ReconstructionSettings(epi_b0_correction=True)
    followed, _ = scan(make_method(settings), train(coils, drift_rad=drift_rad))
    turn = np.angle(np.vdot(steady.pixels, moved.pixels))
    assert abs(turn) > 0.5  # 24 echoes to the centre: that is what heat would look like too
    back = followed.coil_pixels * np.exp(-1j * drift_rad)  # from the second navigator on
    assert np.abs(back[:, 0] - coils).max() < 0.01 * np.abs(coils).max()


def test_from_frame_to_frame_the_drift_is_followed_where_asked(scan):
    method = make_method(ReconstructionSettings(epi_b0_correction=True))
    first, known = scan(method, train(patient()))
    lines, flags, samples = train(patient())
    turned = (lines, flags, (np.exp(0.7j) * samples).astype(np.complex64))
    second, _ = scan(method, turned, known)
    assert np.abs(first.pixels - second.pixels).max() < 1e-3 * np.abs(first.pixels).max()


def test_each_shot_has_navigators_of_its_own(scan):
    coils = patient()
    one = train(coils, lines=range(0, N, 2), phase=(0.6, 0.03))
    two = train(coils, lines=range(1, N, 2), phase=(-0.4, 0.01))
    both = (one[0] + two[0], one[1] + two[1], np.concatenate([one[2], two[2]]))
    image, _ = scan(make_method(), both)
    assert error(image, coils) < 3e-3


def test_a_separate_scan_stands_in_for_navigators(scan, make_rows):
    coils = patient()
    lines, flags, samples = train(coils, lines=[N // 2] * 16, navigators=False)
    rows = make_rows(16, n_samples=TIMING.n_samples, lines=lines, flags=flags)
    method = make_method(reference=EpiReference(rows, samples))
    image, _ = scan(method, train(coils, navigators=False))
    assert error(image, coils) < 3e-3
    assert image.is_complete


def test_a_separate_scan_of_one_polarity_is_refused(make_rows):
    rows = make_rows(4, n_samples=TIMING.n_samples)
    samples = np.ones((4, N_COILS, TIMING.n_samples), np.complex64)
    with pytest.raises(HeaderError, match="opposite polarity"):
        make_method(reference=EpiReference(rows, samples))
    with pytest.raises(HeaderError, match="has 3 coils, the readouts have 2"):
        make_method(reference=EpiReference(rows, samples), n_coils=2)


def test_without_navigators_the_image_says_that_it_is_not_whole(scan):
    image, known = scan(make_method(), train(patient(), navigators=False))
    assert not image.is_complete
    assert known is None
    wanted, _ = scan(make_method(OFF), train(patient(), navigators=False))
    assert wanted.is_complete
    np.testing.assert_array_equal(image.coil_pixels, wanted.coil_pixels)


@pytest.mark.parametrize("rule", ["odd", "even"])
def test_polarity_by_counter_where_nobody_set_flags(scan, rule):
    # Without navigators' flags too: their polarity is that of the centre line's counter
    first = 0 if rule == "odd" else 1
    lines, flags, samples = train(patient(), lines=range(first, N), navigators=False)
    by_counter = ReconstructionSettings(epi_phase_correction="off", epi_reverse=rule)
    one, _ = scan(make_method(OFF), (lines, flags, samples))
    two, _ = scan(make_method(by_counter), (lines, [0] * len(flags), samples))
    np.testing.assert_array_equal(one.coil_pixels, two.coil_pixels)


def test_on_the_grid_reversed_lines_keep_their_centre(scan):
    coils = patient()
    k_x = np.arange(N) - N // 2
    lines = np.stack(
        [np.sum(coils * np.exp(-2j * np.pi * k * Y / N), axis=1) for k in np.arange(N) - N // 2]
    )
    samples = lines @ np.exp(-2j * np.pi * np.outer(X[0], k_x) / N) / N
    samples[1::2] = samples[1::2, :, ::-1]
    flags = [REVERSE if y % 2 else 0 for y in range(N)]
    the_plan = plan(
        SessionHeader(b"", (encoding(epi=None),)), n_coils=N_COILS, n_samples=N, settings=OFF
    )
    image, _ = scan(METHODS["fft"](the_plan), (range(N), flags, samples.astype(np.complex64)))
    assert error(image, coils) < 1e-4


def flash_lines(coils):
    """A gradient-echo reference scan: twice oversampled along x, in an encoded space of its own."""
    k_x = (np.arange(2 * N) - N) / 2
    along_y = [np.sum(coils * np.exp(-2j * np.pi * (y - N // 2) * Y / N), axis=1) for y in ACS]
    samples = np.stack(along_y) @ np.exp(-2j * np.pi * np.outer(X[0], k_x) / N) / N
    return np.pad(samples, ((0, 0), (0, 0), (0, TIMING.n_samples - 2 * N)))


@pytest.mark.parametrize("reference", ["epi", "flash"])
def test_half_a_train_is_filled_by_grappa(make_rows, make_frame, reference):
    coils = patient()
    shot = train(coils, lines=range(0, N, 2))
    if reference == "epi":
        lines, flags, samples = train(coils, lines=ACS)
        flags = flags[:3] + [flag | PARALLEL_CALIBRATION for flag in flags[3:]]
    else:
        lines, flags, samples = list(ACS), [PARALLEL_CALIBRATION] * len(ACS), flash_lines(coils)
    rows = make_rows(
        len(lines) + len(shot[0]),
        n_samples=TIMING.n_samples,
        lines=[*lines, *shot[0]],
        flags=[*flags, *shot[1]],
    )
    if reference == "flash":
        first = slice(0, len(ACS))
        rows["n_samples"][first], rows["center_sample"][first] = 2 * N, N
        rows["encoding_space_ref"][first] = 1
        rows["kspace_encode_step_1"][first] -= ACS[0]
    samples = np.concatenate([samples, shot[2]]).astype(np.complex64)
    the_plan = plan(
        SessionHeader(b"", (encoding(acceleration=(2, 1)),)),
        n_coils=N_COILS,
        n_samples=TIMING.n_samples,
    )
    method, frame = METHODS["grappa"](the_plan), make_frame(rows, samples)
    known = method.calibrate(method.absorb(method.start(), rows, samples), frame)
    partial = method.absorb(method.start(known), rows, samples)
    filled = method.coil_pixels(partial.rows, partial.n_averages)[:, 0]
    assert np.linalg.norm(filled - coils) < 0.03 * np.linalg.norm(coils)
    assert method.finish(partial, frame, known).is_complete


def test_the_forward_model_is_what_is_inverted(scan):
    method, coils = make_method(OFF), patient()
    samples = method.operator()(coils[:, None])[:, 0].transpose(1, 0, 2)
    image, _ = scan(method, (range(N), [0] * N, samples.astype(np.complex64)))
    assert error(image, coils) < 1e-3


@pytest.mark.parametrize("timing", [TIMING, OFF_CENTRE], ids=["symmetric", "off centre"])
def test_noise_has_the_strength_that_the_image_says(scan, timing):
    rng = np.random.default_rng(3)

    def noise(*shape):
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)

    whitening = whitening_from_noise(
        noise(N_COILS, 20000),
        noise_sample_time_us=3.1,
        acquisition_sample_time_us=3.1,
        relative_receiver_noise_bandwidth=None,
    )
    flags = [REVERSE if y % 2 else 0 for y in range(N)]
    method = make_method(OFF, whitening=whitening, epi=timing)
    images = [scan(method, (range(N), flags, noise(N, N_COILS, 100)))[0] for _ in range(20)]
    measured = np.sqrt(np.mean([np.abs(one.coil_pixels) ** 2 for one in images]))
    assert measured == pytest.approx(images[0].noise_std, rel=0.02)


def test_a_readout_of_another_length_is_refused(scan):
    lines, flags, samples = train(patient())
    with pytest.raises(ValueError, match="readout 0: n_samples is 90, the header's numSamples"):
        scan(make_method(), (lines, flags, samples[..., :90]))


def ghost_energy(magnitude, of):
    """Mean energy half a field of view from the object, outside it, by the masks of `of`."""
    bright = np.quantile(of, 0.95)
    inside = binary_dilation(binary_fill_holes(of > 0.25 * bright), iterations=3)
    solid = binary_erosion(of > 0.6 * bright)
    ghost = np.roll(solid, of.shape[0] // 2, axis=0) & ~inside
    assert ghost.sum() > 300
    return np.mean(magnitude[ghost] ** 2)


def real_scan(folder, read_recording, name):
    """The plan's parts and the readouts of a real scan; the second one's header lies."""
    recording = read_recording(folder / name)
    if name.startswith("skyra"):
        size, timing, fov_mm, rule = (
            80,
            EpiTiming(160.0, 240.0, 160.0, 32.0, 160, 3.1),
            200.0,
            "flags",
        )
        reference = None
    else:
        size, timing, fov_mm, rule = 96, None, 220.0, "odd"
        navigator = read_recording(folder / "trio_epi_1ch_navigator.h5")
        reference = EpiReference(navigator.rows, navigator.samples)
    one = Encoding(
        (size, size, 1),
        (size, size, 1),
        (fov_mm, fov_mm, 4.0),
        (fov_mm, fov_mm, 4.0),
        "epi",
        EncodingLimit(0, size - 1, size // 2),
        epi=timing,
    )
    return recording, one, rule, reference


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["skyra_epi_2ch.h5", "trio_epi_1ch.h5"])
def test_a_real_scan_s_ghost_falls_tenfold(real_scans, read_recording, make_frame, name):
    recording, one, rule, reference = real_scan(real_scans, read_recording, name)
    images = {}
    for wanted in ("off", "linear"):
        the_plan = plan(
            SessionHeader(b"", (one,)),
            n_coils=recording.samples.shape[1],
            n_samples=recording.samples.shape[2],
            settings=ReconstructionSettings(epi_phase_correction=wanted, epi_reverse=rule),
            epi_reference=reference,
        )
        method = METHODS["fft"](the_plan)
        partial = method.absorb(method.start(), recording.rows, recording.samples)
        frame = make_frame(recording.rows, recording.samples)
        images[wanted] = method.finish(partial, frame, method.calibrate(partial, frame))
    magnitude = {name: np.abs(image.pixels[0]) for name, image in images.items()}
    before = ghost_energy(magnitude["off"], magnitude["linear"])
    assert before > 10 * ghost_energy(magnitude["linear"], magnitude["linear"])
