"""Bodies of another susceptibility and the field that they cause outside of themselves."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.floating[Any]]
Axis = Literal["x", "y", "z"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere:
    """A sphere in the slice's neighbourhood, e.g. the lung above the liver's dome.

    chi_ppm: its susceptibility less the tissue's. follows: how far it goes with the breathing's
    drive, (x, y) mm. swells: relative growth of its radius at drive 1.
    """

    chi_ppm: float
    center_mm: tuple[float, float, float]
    radius_mm: float
    follows_mm: tuple[float, float] = (0.0, 0.0)
    swells: float = 0.0

    def relative(self, x_mm: Real, y_mm: Real, *, drive: float, b0_axis: Axis) -> Real:
        """Return ΔB/B0 at points of the plane z = 0: χ/3 (a/r)³ (3cos²θ - 1); 0 inside.

        Inside, the sphere of Lorentz takes all of it back (Schenck 1996, doi:10.1118/1.597854).
        """
        x = x_mm - self.center_mm[0] - self.follows_mm[0] * drive
        y = y_mm - self.center_mm[1] - self.follows_mm[1] * drive
        z = -self.center_mm[2]
        square = x**2 + y**2 + z**2
        along = {"x": x, "y": y, "z": np.asarray(z)}[b0_axis] ** 2
        radius = self.radius_mm * (1 + self.swells * drive)
        outside = square > radius**2
        safe = np.where(outside, square, np.inf)
        near = radius**2 / safe
        shape = (3 * along / safe - 1) * near * np.sqrt(near)
        return np.asarray(np.where(outside, self.chi_ppm * 1e-6 / 3 * shape, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cylinder:
    """A long cylinder across the slice, e.g. a bowel loop with gas, or an applicator.

    As `Sphere`, but it runs along z.
    """

    chi_ppm: float
    center_mm: tuple[float, float]
    radius_mm: float
    follows_mm: tuple[float, float] = (0.0, 0.0)
    swells: float = 0.0

    def relative(self, x_mm: Real, y_mm: Real, *, drive: float, b0_axis: Axis) -> Real:
        """Return ΔB/B0: χ/2 (a/ρ)² cos 2φ, φ from B0; nothing where B0 runs along it."""
        x = x_mm - self.center_mm[0] - self.follows_mm[0] * drive
        y = y_mm - self.center_mm[1] - self.follows_mm[1] * drive
        square = x**2 + y**2
        if b0_axis == "z":
            return np.zeros(square.shape)
        radius = self.radius_mm * (1 + self.swells * drive)
        outside = square > radius**2
        safe = np.where(outside, square, np.inf)
        along = x**2 - y**2 if b0_axis == "x" else y**2 - x**2
        return np.asarray(
            np.where(outside, self.chi_ppm * 1e-6 / 2 * radius**2 * along / safe / safe, 0.0)
        )
