"""Images of linac scans by explicit sums that share nothing with the reconstruction."""

import numpy as np

from simulators.linac import LinacScan


def direct_image(scan: LinacScan, frame: int, *, half_mm: float = 24.0, step_mm: float = 1.0):
    """Sum a frame's readouts about its target, combined with the true coils.

    Full grids by an explicit inverse DFT, spokes with a ramp. Returns image, y_mm, x_mm.
    """
    sequence, index = scan.sequence, scan.slice_of(frame)
    # a grid of its own: one about the truth would be symmetric about it whatever the image shows
    middle = np.round(scan.truth(frame).center_mm / 5) * 5 + np.array([0.37, -0.21])
    y_mm, x_mm = (np.arange(-half_mm, half_mm + step_mm / 2, step_mm) + m for m in middle)
    image = np.zeros((scan.n_coils, y_mm.size, x_mm.size), complex)
    planned = sequence.frame_readouts(frame, sequence.start_s(frame))
    for one in planned:
        kx, ky = one.k_per_mm[:, 0], one.k_per_mm[:, 1]
        samples = scan.samples(one)
        if sequence.trajectory_name != "cartesian":
            samples = samples * np.hypot(kx, ky)
        # a separable kernel: exp(2πi kx x) exp(2πi ky y)
        left = np.exp(2j * np.pi * np.outer(y_mm, ky))
        right = np.exp(2j * np.pi * np.outer(kx, x_mm))
        image += (left * samples[:, None]) @ right
    maps = scan.sensitivity(x_mm[None, :], y_mm[:, None], slice_index=index)
    combined = (image * maps.conj()).sum(0) / (abs(maps) ** 2).sum(0)
    return abs(combined), y_mm, x_mm


def centroid_mm(image, y_mm, x_mm, *, background):
    """Of what is brighter than half between the background and the brightest tenth."""
    high = np.quantile(image, 0.98)
    weight = image > (background + high) / 2
    return np.array([(weight * y_mm[:, None]).sum(), (weight * x_mm).sum()]) / weight.sum()
