import math

import numpy as np
import pytest

from simulators import Drift, GradientEcho, Treatment, TreatmentSimulator
from simulators.mrd import acquisition_samples
from tests.simulators.fake_monitor import FakeMonitor


def _reconstruct(messages):
    """Plain numpy: centred inverse FFT, middle half of the readout; complex (coil, y, x)."""
    kspace = np.stack([acquisition_samples(message) for message in messages], axis=1)
    image = np.fft.ifft2(np.fft.ifftshift(kspace, axes=(1, 2)))
    image = np.fft.fftshift(image, axes=(1, 2))
    n = image.shape[2]
    return image[:, :, n // 4 : n // 4 + n // 2]


def _play(treatment, heat=lambda simulator: simulator.wants_heat):
    """Play a whole treatment; return the simulator and the images of its frames."""
    simulator, images, frame = TreatmentSimulator(treatment), [], []
    while not simulator.is_finished:
        readout = simulator.next_readout(sonicating=heat(simulator))
        frame.append(readout.message)
        if readout.is_last_of_frame:
            images.append(_reconstruct(frame))
            frame = []
    return simulator, np.stack(images)


def _difference_c(images, reference, rad_per_c):
    return np.angle((images * reference.conj()).sum(axis=0)) / rad_per_c


@pytest.fixture(scope="session")
def small():
    """A whole head at 3 mm; 2 s a frame; noiseless; no drift; the focus on a pixel centre."""
    sequence = GradientEcho(matrix=(80, 80), repetition_time_s=0.025)
    return Treatment(
        sequence=sequence,
        n_coils=4,
        n_frames=4,
        n_baseline_frames=1,
        snr=math.inf,
        focus_mm=(12.0, 15.0),
        focus_fwhm_mm=(9.0, 14.0),
        drift=Drift(),
    )


@pytest.fixture(scope="session")
def reconstruct():
    return _reconstruct


@pytest.fixture(scope="session")
def play():
    return _play


@pytest.fixture(scope="session")
def difference_c():
    return _difference_c


@pytest.fixture
def monitor():
    made = []

    def make(*args, **kwargs):
        made.append(FakeMonitor(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()
