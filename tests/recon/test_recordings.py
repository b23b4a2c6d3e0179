"""Recordings made by other programs and by real scanners."""

import shutil
import subprocess

import h5py
import numpy as np
import pytest

from recon import plan, whitening_from_noise


@pytest.fixture(scope="module")
def shepp_logan(tmp_path_factory):
    """ISMRMRD's own phantom: three repetitions of four coils, a noise readout first."""
    if shutil.which("ismrmrd_generate_cartesian_shepp_logan") is None:
        pytest.skip("ismrmrd-tools are not installed")
    path = tmp_path_factory.mktemp("shepp_logan") / "f.h5"
    make = "ismrmrd_generate_cartesian_shepp_logan -r 3 -c 4 -m 128 -O 2 -n 0.05 -C -o"
    subprocess.run([*make.split(), str(path)], check=True, capture_output=True)
    return path


def plan_of(recording, *, whitening=None):
    _, n_coils, n_samples = recording.samples.shape
    return plan(recording.header, n_coils=n_coils, n_samples=n_samples, whitening=whitening)


def root_sum_of_squares(image):
    return np.sqrt(np.sum(np.abs(image.coil_pixels) ** 2, axis=0))[0]


def scaled_error(actual, expected):
    scale = np.vdot(actual, expected) / np.vdot(actual, actual)
    return np.linalg.norm(scale * actual - expected) / np.linalg.norm(expected)


def test_agrees_with_ismrmrd_s_own_reconstruction(shepp_logan, read_recording, reconstruct):
    if shutil.which("ismrmrd_recon_cartesian_2d") is None:
        pytest.skip("ismrmrd-tools are not installed")
    recording = read_recording(shepp_logan)
    subprocess.run(
        ["ismrmrd_recon_cartesian_2d", str(shepp_logan)], check=True, capture_output=True
    )
    with h5py.File(shepp_logan) as file:
        expected = file["dataset/cpp/data"][0, 0, 0]  # magnitude, root sum of squares
    # That program writes every repetition over the one before: its image is the last.
    last = recording.repetition == recording.repetition.max()
    image = reconstruct(plan_of(recording), recording.rows[last], recording.samples[last])
    assert image.pixels.shape == (1, 128, 128)
    assert image.fov_mm == (300.0, 300.0, 6.0)
    assert scaled_error(root_sum_of_squares(image), expected) < 1e-4


def test_the_noise_of_its_phantom_is_what_noise_std_says(shepp_logan, read_recording, reconstruct):
    recording = read_recording(shepp_logan)
    whitening = whitening_from_noise(
        recording.noise,
        noise_sample_time_us=5.0,
        acquisition_sample_time_us=5.0,
        relative_receiver_noise_bandwidth=None,
    )
    the_plan = plan_of(recording, whitening=whitening)
    frames = [recording.repetition == number for number in (0, 1)]
    one, two = (reconstruct(the_plan, recording.rows[f], recording.samples[f]) for f in frames)
    difference = (one.coil_pixels - two.coil_pixels) / np.sqrt(2)
    measured = np.sqrt(np.mean(np.abs(difference) ** 2))
    # The file holds 256 noise samples a coil: the power is known to 256·4 ** -0.5 = 3 %
    assert measured == pytest.approx(one.noise_std, rel=0.06)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "shape", "fov_mm"),
    [
        ("skyra_gre_2ch.h5", (1, 160, 160), (200.0, 200.0, 4.0)),
        ("skyra_se_32ch.h5", (1, 64, 64), (128.0, 128.0, 30.0)),
    ],
)
def test_a_real_scan_gives_its_phantom(
    real_scans, read_recording, reconstruct, name, shape, fov_mm
):
    recording = read_recording(real_scans / name)
    image = reconstruct(plan_of(recording), recording.rows, recording.samples)
    assert image.pixels.shape == shape
    assert image.fov_mm == fov_mm
    magnitude = np.abs(image.pixels[0])
    # The phantom stands in the middle; without the centring it would stand in the corners.
    corners = magnitude[np.ix_([*range(4), *range(-4, 0)], [*range(4), *range(-4, 0)])]
    assert np.quantile(magnitude, 0.8) > 10 * np.median(corners)
    assert np.abs(magnitude / np.maximum(root_sum_of_squares(image), 1e-30)).max() < 1.001


@pytest.mark.realdata
def test_a_real_scan_s_round_phantom_is_round(real_scans, read_recording, reconstruct):
    recording = read_recording(real_scans / "skyra_gre_2ch.h5")
    image = reconstruct(plan_of(recording), recording.rows, recording.samples)
    magnitude = np.abs(image.pixels[0])
    bright = magnitude > 0.5 * np.quantile(magnitude, 0.8)
    edges = []
    for y in range(20, 140):
        x = np.flatnonzero(bright[y])
        edges += [(x[0], y), (x[-1], y)]
    x, y = np.array(edges, float).T - 80
    # x² + a·y² + b·x + c·y + d = 0 is a circle where a = 1: pixels are 1.25 mm in both directions
    aspect = np.linalg.lstsq(np.stack([y**2, x, y, np.ones_like(x)], 1), -(x**2), rcond=None)[0][0]
    assert abs(aspect - 1) < 0.04
