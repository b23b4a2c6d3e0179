"""Plain NumPy reconstruction for the tests of tissue: no method of the product's."""

import numpy as np

from simulators.mrd import acquisition_head, acquisition_samples


def images(scan, *, frames=None, contrast=0, reverse=False):
    """Centred inverse FFT of Cartesian frames without oversampling: complex (frame, coil, y, x)."""
    wide = scan.sequence.matrix[0]
    rows = {}
    for readout in scan.readouts():
        head = acquisition_head(readout.message)
        if readout.frame < 0 or int(head["idx"]["contrast"]) != contrast:
            continue
        if frames is not None and readout.frame not in frames:
            continue
        rows.setdefault(readout.frame, []).append(acquisition_samples(readout.message))
    kspace = np.stack([np.stack(rows[frame], axis=1) for frame in sorted(rows)])
    found = np.fft.ifft2(np.fft.ifftshift(kspace, axes=(2, 3)))
    return np.fft.fftshift(found, axes=(2, 3))[..., wide // 2 : wide // 2 + wide]


def inside(value, margin):
    """Where a mask (y, x) holds for `margin` pixels around."""
    kept = value.copy()
    for step in range(1, margin + 1):
        for axis in (0, 1):
            kept &= np.roll(value, step, axis) & np.roll(value, -step, axis)
    return kept
