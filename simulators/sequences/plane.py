"""Where a slice lies in the patient."""

from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Plane:
    """position_mm: the image's centre in patient LPS. read_dir, phase_dir: unit vectors of x, y."""

    position_mm: Vector
    read_dir: Vector = (1.0, 0.0, 0.0)
    phase_dir: Vector = (0.0, 1.0, 0.0)

    @property
    def slice_dir(self) -> Vector:
        """The normal, read × phase."""
        x, y, z = np.cross(self.read_dir, self.phase_dir)
        return float(x) + 0.0, float(y) + 0.0, float(z) + 0.0  # no -0


def sagittal(position_mm: Vector) -> Plane:
    """Return a slice with x from front to back (+P) and y from head to foot (-S); normal -L."""
    return Plane(position_mm, (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))


def coronal(position_mm: Vector) -> Plane:
    """Return a slice with x from right to left (+L) and y from head to foot (-S); normal +P."""
    return Plane(position_mm, (1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
