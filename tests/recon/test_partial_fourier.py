"""Partial Fourier: zero filling keeps more of a small hot spot's phase than homodyne detection."""

import numpy as np

from tests.recon.parallel import N, X, Y, kspace, make_frame, make_method, patient, reconstructed

FIRST = N // 2 - 8  # 40 of 64 lines: 5/8
LINES = [(line, 0) for line in range(FIRST, N)]
PEAK = (N // 2 + 4, N // 2 + 5)  # (y, x) of the spot
SPOT = np.exp(-((Y - 4) ** 2 + (X - 5) ** 2) / (2 * 1.5**2))  # a focus of 3.5 pixels
ONE_COIL = np.ones((1, N, N))


def zero_filled(image):
    method = make_method("fft", acceleration=1, n_coils=1)
    return reconstructed(method, make_frame(kspace(image, ONE_COIL), LINES)).pixels[0]


def homodyne(image):
    """McGibney 1993: weighted k-space, turned by the phase of the symmetric centre, real part."""
    k_y = np.arange(N) - N // 2
    weight = np.where(k_y < -8, 0, np.where(k_y > 8, 2, 1))[:, None]
    center = (np.abs(k_y) <= 8)[:, None]

    def back(data):
        shifted = np.fft.ifftshift(data)
        return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"))

    data = kspace(image, ONE_COIL)[0]
    phase = np.exp(1j * np.angle(back(data * center)))
    return np.real(back(data * weight) * phase.conj()) * phase


def seen_rad(method):
    """Peak of the phase that a hot spot of 1 rad adds."""
    hot, cold = method(patient() * np.exp(1j * SPOT)), method(patient())
    return np.angle(hot * cold.conj())[PEAK]


def test_zero_filling_keeps_more_of_a_small_hot_spot_than_homodyne():
    lost, lost_by_homodyne = 1 - seen_rad(zero_filled), 1 - seen_rad(homodyne)
    assert 0 < lost < 0.12  # resolution
    assert lost_by_homodyne > 1.5 * lost


def test_a_phase_of_the_whole_frame_passes():
    turned = zero_filled(patient() * np.exp(2j))
    assert np.abs(turned - np.exp(2j) * zero_filled(patient())).max() < 1e-5 * np.abs(turned).max()
