"""A patient of a few numbers: a textured body with a bright target that moves, as whole frames.

Not the simulator: hostile tests need thousands of frames, and no truth but where the target is.
"""

from dataclasses import dataclass, replace

import numpy as np

from messages import READOUT, Frame, FrameKey, Pose
from tests.realtime.linac_pipeline import MM, N_COILS, N

SAGITTAL = Pose((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0))
PERIOD_S = 0.125


def breathing_mm(time_s, *, depth_mm=8.0, period_s=3.0):
    """Down while the lungs fill: (y, x)."""
    return depth_mm * np.cos(np.pi * time_s / period_s) ** 4, 0.0


@dataclass(frozen=True)
class Patient:
    """What a frame shows; noise_std of a pixel, of a target of brightness 1."""

    matrix: int = N
    noise_std: float = 0.01

    def picture(self, moved_mm=(0.0, 0.0), *, target=1.0):
        """The image without noise, (y, x)."""
        n = self.matrix
        mm = MM[0] / n
        y, x = (np.mgrid[:n, :n] - n // 2) * mm
        depth = np.hypot(y / 56.0, x / 48.0)
        body = np.where(depth < 1.2, 0.4 / (1 + np.exp((depth - 1.0) * 12.0)), 0.0)
        body = body * (1 + 0.3 * np.sin(y / 7.0) * np.cos(x / 5.0))
        at_y, at_x = y - moved_mm[0], x - moved_mm[1]
        radius = np.hypot(at_y / 11.0, at_x / 9.0)
        spots = 1 + 0.4 * np.sin(at_y / 3.0) * np.cos(at_x / 4.0)
        return body + target * 0.6 * spots / (1 + np.exp((radius - 1.0) * 10.0))

    def frame(self, number, moved_mm=(0.0, 0.0), *, time_s=None, slice_=0, **how):
        """A whole Cartesian frame; how: picture, target, pose, n_coils."""
        picture = how.get("picture")
        if picture is None:
            picture = self.picture(moved_mm, target=how.get("target", 1.0))
        n, n_coils = picture.shape[0], how.get("n_coils", N_COILS)
        rng = np.random.default_rng(number)
        ramp = np.linspace(-0.5, 0.5, n)
        coils = np.stack([1.0 + 0.3 * np.cos(coil + ramp) for coil in range(n_coils)])
        noise = rng.standard_normal((2, n_coils, n, n)) * self.noise_std
        images = coils[:, None, :] * picture + noise[0] + 1j * noise[1]
        space = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(images, axes=(1, 2))), axes=(1, 2))
        rows = np.zeros(n, READOUT)
        rows["kspace_encode_step_1"] = np.arange(n)
        rows["n_samples"], rows["center_sample"], rows["sample_time_us"] = n, n // 2, 5.0
        time_s = number * PERIOD_S if time_s is None else time_s
        rows["time_s"] = time_s + (np.arange(n) - n // 2) / n * 0.9 * PERIOD_S
        samples = np.ascontiguousarray(space.transpose(1, 0, 2)).astype(np.complex64)
        key = FrameKey(repetition=number, slice=slice_)
        return Frame(number, key, rows, samples, time_s, how.get("pose", SAGITTAL), True)

    def breathing(self, n_frames, **how):
        """Frames of even breath."""
        return [self.frame(n, breathing_mm(n * PERIOD_S), **how) for n in range(n_frames)]


def cut(frame, n_lines):
    """The frame with its first lines alone, as one that was broken off."""
    rows, samples = frame.readouts[:n_lines], frame.samples[:n_lines]
    return replace(frame, readouts=rows, samples=samples, is_complete=False)
