"""BART's own Fourier transform and SENSE on the same data, where it is installed."""

import shutil
import subprocess

import numpy as np
import pytest

from tests.recon.parallel import (
    N_COILS,
    N,
    absorbed,
    calibrated,
    complex_noise,
    kspace,
    lines_of,
    make_frame,
    make_method,
    patient,
    reconstructed,
)  # fmt: skip

pytestmark = pytest.mark.skipif(shutil.which("bart") is None, reason="bart is not installed")


class Bart:
    """Commands on arrays (coil, y, x), kept in a folder as BART's (x, y, 1, coil)."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, name, array):
        ordered = np.asarray(array, np.complex64).transpose(2, 1, 0)[:, :, None]
        sizes = " ".join(map(str, ordered.shape))
        (self.folder / f"{name}.hdr").write_text(f"# Dimensions\n{sizes}\n")
        ordered.ravel("F").tofile(self.folder / f"{name}.cfl")

    def read(self, name):
        sizes = (self.folder / f"{name}.hdr").read_text().splitlines()[1].split()
        values = np.fromfile(self.folder / f"{name}.cfl", np.complex64)
        return values.reshape([int(size) for size in sizes], order="F").squeeze().T

    def run(self, *words):
        subprocess.run(["bart", *words], cwd=self.folder, check=True, capture_output=True)


def misfit(ours, theirs):
    """After one complex factor."""
    scale = np.vdot(ours, theirs) / np.vdot(ours, ours)
    return np.linalg.norm(scale * ours - theirs) / np.linalg.norm(theirs)


@pytest.fixture
def data():
    return kspace(patient()) + 0.005 * complex_noise(np.random.default_rng(1), N_COILS, N, N)


def test_fft(tmp_path, data):
    bart = Bart(tmp_path)
    bart.write("kspace", data)
    bart.run("fft", "-u", "-i", "3", "kspace", "image")
    frame = make_frame(data, [(line, 0) for line in range(N)])
    ours = reconstructed(make_method("fft", acceleration=1), frame)
    assert misfit(ours.coil_pixels[:, 0], bart.read("image")) < 1e-5


@pytest.mark.parametrize("mode", ["separate", "unflagged"])
@pytest.mark.parametrize("acceleration", [2, 3])
def test_sense(tmp_path, data, mode, acceleration):
    bart = Bart(tmp_path)
    method = make_method("sense", acceleration=acceleration, regularisation=1e-3)
    frame = make_frame(data, lines_of(mode, acceleration))
    known = calibrated(method, frame)
    partial = absorbed(method, frame, known)
    measured = np.fft.fftshift(partial.n_averages[0] > 0)
    bart.write("kspace", data * measured[:, None])
    bart.write("maps", known.maps.weights[:, 0].conj())
    bart.run("pics", "-S", "-w", "1", "-l2", "-r", "0.001", "-i", "200", "kspace", "maps", "image")
    image = method.finish(partial, frame, known)
    assert misfit(image.pixels[0], bart.read("image")) < 1e-3
    # GRAPPA is another estimate of the same image
    other = make_method("grappa", acceleration=acceleration)
    filled = reconstructed(other, frame, calibrated(other, frame))
    assert misfit(np.abs(filled.pixels[0]), np.abs(bart.read("image"))) < 0.03
