"""L1-wavelet: fewer artefacts than the adjoint, no phase lost, no scale of its own."""

from dataclasses import replace

import numpy as np
import pytest
import sigpy
import sigpy.mri.app

from tests.recon.parallel import (
    N,
    absorbed,
    calibrated,
    error,
    image_of_all_lines,
    kspace,
    lines_of,
    make_frame,
    make_method,
    patient,
    reconstructed,
)  # fmt: skip

INSIDE = np.abs(patient()) > 0.5


def random_lines():
    rng = np.random.default_rng(1)
    center = set(range(N // 2 - 7, N // 2 + 7))
    return [(line, 0) for line in range(N) if line in center or rng.random() < 0.3]


@pytest.fixture(scope="module")
def truth():
    return image_of_all_lines()


def test_a_random_mask_is_filled(truth):
    method = make_method("l1-wavelet", iterations=60, wavelet_weight=0.0005)
    frame = make_frame(kspace(patient()), random_lines())
    image = reconstructed(method, frame, calibrated(method, frame))
    aliased = reconstructed(make_method("fft", acceleration=1), frame)
    assert error(image, truth) < 0.5 * error(aliased, truth)
    assert error(image, truth) < 0.06
    assert image.is_complete
    assert image.noise_std is None


def test_it_is_sigpy_s_own_minimisation():
    method = make_method("l1-wavelet", iterations=30, wavelet_weight=0.002)
    frame = make_frame(kspace(patient()), random_lines())
    known = calibrated(method, frame)
    partial = absorbed(method, frame, known)
    operator = method.operator(known, partial)
    data = operator(np.zeros(operator.ishape, np.complex64))
    lines = [line for line, _ in random_lines()]
    data[:, 0, lines] = kspace(patient())[:, lines]
    wavelet = sigpy.linop.Wavelet((1, N, N), axes=(-2, -1))
    weight = 0.002 * np.abs(wavelet(operator.H(data))).max()
    expected = sigpy.app.LinearLeastSquares(
        operator,
        data,
        x=operator.H(data),
        proxg=sigpy.prox.UnitaryTransform(sigpy.prox.L1Reg(wavelet.oshape, weight), wavelet),
        alpha=1,
        max_iter=30,
        show_pbar=False,
    ).run()
    image = method.finish(partial, frame, known)
    assert np.linalg.norm(image.pixels - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("factor", [np.exp(2j), 1000.0, 1e-6j])
def test_phase_and_scale_of_the_whole_frame_pass(factor):
    method = make_method("l1-wavelet")
    frame = make_frame(kspace(patient()), lines_of("unflagged"))
    known = calibrated(method, frame)
    turned = replace(frame, samples=(factor * frame.samples).astype(np.complex64))
    one, two = reconstructed(method, frame, known), reconstructed(method, turned, known)
    scale = np.abs(two.pixels).max()
    assert np.abs(two.pixels - factor * one.pixels).max() < 1e-4 * scale


def test_heat_is_seen_as_it_is():
    heat = patient(heat_rad=1.5)
    method = make_method("l1-wavelet", iterations=30, wavelet_weight=0.0005)
    frame = make_frame(kspace(patient()), lines_of("unflagged"))
    known = calibrated(method, frame)
    before = reconstructed(method, frame, known)
    after = reconstructed(method, make_frame(kspace(heat), lines_of("unflagged")), known)
    seen = np.angle(after.pixels[0] * before.pixels[0].conj())
    assert np.abs(seen - np.angle(heat * patient().conj()))[INSIDE].max() < 0.1


def test_a_frame_of_nan_is_an_image_of_nan():
    method = make_method("l1-wavelet")
    frame = make_frame(kspace(patient()), lines_of("unflagged"))
    known = calibrated(method, frame)
    spoilt = replace(frame, samples=frame.samples * np.complex64(np.nan))
    assert np.isnan(reconstructed(method, spoilt, known).pixels).any()
