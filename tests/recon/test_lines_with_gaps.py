"""What the FFT says of lines that an accelerated frame left out."""

import numpy as np
import pytest

from benchmarks._scan_frames import play
from simulators.scan import Scan
from simulators.sequences import Undersampled


@pytest.fixture(scope="module")
def images():
    sequence = Undersampled(matrix=(32, 32), acceleration=4, n_frames=4, n_whole_frames=2)
    played = play(Scan(sequence, n_coils=4))
    method, calibration, found = played.method("fft"), None, []
    for frame in reversed(played.frames):  # undersampled frames first
        partial = method.absorb(method.start(calibration), frame.readouts, frame.samples)
        calibration = calibration or method.calibrate(partial, frame)
        found.append((method.finish(partial, frame, calibration), calibration))
    return found[::-1]


def test_whole_frames_leave_nothing_out(images):
    assert [image.sampled_lines for image, _ in images[:2]] == [None, None]


def test_undersampled_frames_name_their_lines(images):
    for image, _ in images[2:]:
        assert np.flatnonzero(image.sampled_lines).tolist() == list(range(0, 32, 4))
        kspace = np.fft.fftshift(np.fft.fft(image.coil_pixels, axis=-2), axes=-2)
        assert np.abs(kspace[..., ~image.sampled_lines, :]).max() < 1e-4 * np.abs(kspace).max()


def test_coil_maps_wait_for_a_frame_without_gaps(images):
    assert [calibration is not None for _, calibration in images] == [True, True, False, False]


def test_an_image_with_gaps_is_incomplete_before_the_first_without(images):
    assert [image.is_complete for image, _ in images] == [True, True, False, False]
