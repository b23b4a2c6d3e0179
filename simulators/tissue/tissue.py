"""What lies in the scanner: parts of water and fat, and everything that happens to them."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulators.phantom import Ellipse, image
from simulators.tissue.breathing import Breathing
from simulators.tissue.heat import Heat
from simulators.tissue.magnet import FieldDrift, MagnetField
from simulators.tissue.push import Push
from simulators.tissue.susceptibility import Cylinder, Sphere
from simulators.tissue.warm_fat import WarmFat
from simulators.treatment import ALPHA_PPM_PER_C

Real = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """Water or fat: how it decays, and what heat does to it.

    t2_star_s at body temperature; t2_star_per_c: its relative change a degree.
    magnitude_per_c: relative change of the signal a degree, whatever the sequence.
    t1_s, t1_per_c: used only where the scan knows its flip angle. alpha_ppm_per_c: shift a degree.
    """

    t2_star_s: float = math.inf
    t2_star_per_c: float = 0.0
    magnitude_per_c: float = 0.0
    t1_s: float = 1.0
    t1_per_c: float = 0.0
    alpha_ppm_per_c: float = 0.0

    def decay_per_s(self, rise_c: Real) -> Real:
        """Return R2* at a rise of temperature."""
        return np.asarray(1 / (self.t2_star_s * np.maximum(1 + self.t2_star_per_c * rise_c, 0.1)))

    def magnitude(self, rise_c: Real) -> Real:
        """Return the signal at a rise relative to that at rest, decay and T1 apart."""
        return np.asarray(np.maximum(1 + self.magnitude_per_c * rise_c, 0.0))

    def spoiled(self, rise_c: Real, *, flip_rad: float, repetition_time_s: float) -> Real:
        """Return the steady state of a spoiled gradient echo (Ernst and Anderson 1966)."""
        t1_s = self.t1_s * np.maximum(1 + self.t1_per_c * rise_c, 0.05)
        left = np.exp(-repetition_time_s / t1_s)
        return np.asarray(math.sin(flip_rad) * (1 - left) / (1 - math.cos(flip_rad) * left))


WATER = Species(alpha_ppm_per_c=ALPHA_PPM_PER_C)
FAT = Species()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Ellipses of water and of fat at rest, breathed out. Weights add where they overlap.

    moves: whether it breathes; otherwise it stands still, like the wall that organs slide along.
    """

    water: tuple[Ellipse, ...] = ()
    fat: tuple[Ellipse, ...] = ()
    moves: bool = False

    def __post_init__(self) -> None:
        if not self.water and not self.fat:
            raise ValueError("a part without ellipses, expected water or fat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """One slice of a patient; whatever is None does not happen.

    field: the shim. bodies: of another susceptibility, where they lie at drive 0.
    b0_axis: the main field's direction in the picture: z for an axial slice, y where y runs from
        head to foot. phase_sign: 1 means exp(+2πi f t) in the inverse FFT, -1 the opposite.
    fat_chi_ppm_per_c: how fat's susceptibility changes with temperature, and with it the field of
        everything around (Sprinkhuizen et al. 2010, doi:10.1002/mrm.22531).
    """

    parts: tuple[Part, ...]
    water: Species = WATER
    fat: Species = FAT
    field: MagnetField = field(default_factory=MagnetField)
    bodies: tuple[Sphere | Cylinder, ...] = ()
    breathing: Breathing | None = None
    drift: FieldDrift | None = None
    heat: Heat | None = None
    push: Push | None = None
    fat_chi_ppm_per_c: float = 0.0
    b0_axis: Literal["x", "y", "z"] = "z"
    phase_sign: int = 1

    def field_hz(self, x_mm: Real, y_mm: Real, *, t_s: float, h1_frequency_hz: float) -> Real:
        """Return the off-resonance at points of space at a time, without heat's own."""
        value = self.field.hz(x_mm, y_mm)
        if self.drift is not None:
            value = value + self.drift.share(t_s) * self.drift.pattern.hz(x_mm, y_mm)
        drive = float(self.breathing.field_drive(t_s)) if self.breathing else 0.0
        for body in self.bodies:
            relative = body.relative(x_mm, y_mm, drive=drive, b0_axis=self.b0_axis)
            value = value + h1_frequency_hz * relative
        return np.asarray(value)

    def warm_fat(self, x_mm: Real, y_mm: Real, n_z: int) -> WarmFat:
        """Return what warm fat does to the field of a box with these nodes, all at rest."""
        shape = np.broadcast_shapes(x_mm.shape, y_mm.shape)
        fat, whole = np.zeros(shape), np.full(shape, 1e-9)
        x, y = np.asarray(x_mm, np.float64), np.asarray(y_mm, np.float64)
        for part in self.parts:
            here = abs(image(part.fat, x, y))
            fat, whole = fat + here, whole + here + abs(image(part.water, x, y))
        return WarmFat(
            fat / whole,
            n_z=n_z,
            grid_mm=self.heat.grid_mm if self.heat else 1.0,
            chi_ppm_per_c=self.fat_chi_ppm_per_c,
            b0_axis=self.b0_axis,
        )

    def moved(self, x_mm: Real, y_mm: Real, t_s: float) -> tuple[Real, Real]:
        """Return where points that rest at x, y and breathe are at a time."""
        if self.breathing is None:
            return x_mm, y_mm
        across_mm = self.breathing.across_now_mm(t_s)
        return x_mm + across_mm, y_mm + self.breathing.along_mm(y_mm, t_s)
