"""Where power is absorbed: shapes outside of the Gaussian family, and the Gaussian itself.

Each is called with points (mm, broadcasting) and a time; it returns the absorbed power relative to
a reference of 1 at or near its middle. All are symmetric about the slice, z = 0.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.floating[Any]]

_SHARPNESS = 4 * math.log(2)


class Source(Protocol):
    """Relative absorbed power in space and, where it moves, in time."""

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return it at points that broadcast."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """fwhm_mm: (x, y, z); inf along z for a cylinder."""

    center_mm: tuple[float, float]
    fwhm_mm: tuple[float, float, float]

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return exp(-4 ln2 Σ (r/fwhm)²)."""
        del t_s
        x, y = x_mm - self.center_mm[0], y_mm - self.center_mm[1]
        wide, high, deep = self.fwhm_mm
        return np.asarray(
            np.exp(-_SHARPNESS * ((x / wide) ** 2 + (y / high) ** 2 + (z_mm / deep) ** 2))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disc:
    """A flat top with soft edges, as of a focus moved over a circle. radius_mm in the plane."""

    center_mm: tuple[float, float]
    radius_mm: float
    half_depth_mm: float
    edge_mm: float = 1.0

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return 1 inside, 0 outside, a half at the rim."""
        del t_s
        distance = np.hypot(x_mm - self.center_mm[0], y_mm - self.center_mm[1])
        inside = (1 + np.tanh((self.radius_mm - distance) / self.edge_mm)) / 2
        deep = (1 + np.tanh((self.half_depth_mm - abs(z_mm)) / self.edge_mm)) / 2
        return np.asarray(inside * deep)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cone:
    """A focused beam along +y: wide and weak before the focus (near field), narrow there, and on.

    Power through every cross-section is the same but for attenuation: intensity goes as 1/width².
    half_angle_deg: of the cone. depth_mm: from the beam's entry to the focus; nothing before.
    np_per_mm: amplitude attenuation; intensity falls by twice that.
    """

    center_mm: tuple[float, float]
    waist_fwhm_mm: float = 3.0
    half_angle_deg: float = 25.0
    depth_mm: float = 40.0
    np_per_mm: float = 0.005

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return the intensity relative to the focus."""
        del t_s
        x, y = x_mm - self.center_mm[0], y_mm - self.center_mm[1]
        spread = 2 * math.tan(math.radians(self.half_angle_deg)) * y
        width = np.hypot(self.waist_fwhm_mm, spread)
        beam = (self.waist_fwhm_mm / width) ** 2 * np.exp(-_SHARPNESS * (x**2 + z_mm**2) / width**2)
        entered = (1 + np.tanh(y + self.depth_mm)) / 2
        return np.asarray(beam * entered * np.exp(-2 * self.np_per_mm * y))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lobes:
    """Several sources at once, each with its weight: a side lobe, a second focus."""

    parts: tuple[tuple[float, Source], ...]

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return the weighted sum."""
        return np.asarray(
            sum(weight * part(x_mm, y_mm, z_mm, t_s=t_s) for weight, part in self.parts)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skewed:
    """A Gaussian whose side towards +y is longer, as behind a bone or along a vessel.

    fwhm_mm: (x, y before, y behind, z).
    """

    center_mm: tuple[float, float]
    fwhm_mm: tuple[float, float, float, float]

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return two half Gaussians that meet at the centre."""
        del t_s
        x, y = x_mm - self.center_mm[0], y_mm - self.center_mm[1]
        wide, before, behind, deep = self.fwhm_mm
        high = np.where(y < 0, before, behind)
        return np.asarray(
            np.exp(-_SHARPNESS * ((x / wide) ** 2 + (y / high) ** 2 + (z_mm / deep) ** 2))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubFoci:
    """One Gaussian focus, steered from place to place: `dwell_s` at each, round and round."""

    centers_mm: tuple[tuple[float, float], ...]
    fwhm_mm: tuple[float, float, float]
    dwell_s: float = 0.5

    def __call__(self, x_mm: Real, y_mm: Real, z_mm: Real, *, t_s: float) -> Real:
        """Return the Gaussian at the place of this moment."""
        center_mm = self.centers_mm[int(t_s / self.dwell_s) % len(self.centers_mm)]
        return Gaussian(center_mm=center_mm, fwhm_mm=self.fwhm_mm)(x_mm, y_mm, z_mm, t_s=t_s)
