"""The field of fat whose susceptibility changes as it warms: around it, not only in it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfftn, rfftn

Real = NDArray[np.floating[Any]]


class WarmFat:
    """Relative field change in the plane z = 0 of a box of warm tissue, (y, x) on its nodes.

    fat_fraction (y, x) on the nodes, the same at all depths. Salomir et al. 2003,
    doi:10.1002/cmr.b.10083, eq. 9: the Fourier transform of susceptibility times 1/3 - kb²/k²,
    in a volume of twice the box's size, so that its copies are far.
    """

    def __init__(
        self, fat_fraction: Real, *, n_z: int, grid_mm: float, chi_ppm_per_c: float, b0_axis: str
    ) -> None:
        n_y, n_x = fat_fraction.shape
        self._shape = 2 * n_y, 2 * n_x, 4 * n_z
        self._per_c = fat_fraction * (chi_ppm_per_c * 1e-6)
        ky = np.fft.fftfreq(self._shape[0], grid_mm)[:, None, None]
        kx = np.fft.fftfreq(self._shape[1], grid_mm)[:, None]
        kz = np.fft.rfftfreq(self._shape[2], grid_mm)
        square = kx**2 + ky**2 + kz**2
        square[0, 0, 0] = 1.0
        along = {"x": kx, "y": ky, "z": kz}[b0_axis]
        kernel = 1 / 3 - along**2 / square
        kernel[0, 0, 0] = 0.0
        self._kernel = kernel.astype(np.float32)

    def plane(self, rise_c: Real) -> Real:
        """Return ΔB/B0 in the plane of a rise (y, x, z) at depths from 0 on."""
        n_y, n_x, n_z = rise_c.shape
        whole = np.zeros(self._shape, np.float32)
        chi = self._per_c[:, :, None] * rise_c
        whole[:n_y, :n_x, :n_z] = chi
        whole[:n_y, :n_x, -n_z + 1 :] = chi[:, :, :0:-1]
        field = irfftn(rfftn(whole) * self._kernel, self._shape)
        return np.asarray(field[:n_y, :n_x, 0])
