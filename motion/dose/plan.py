"""What a treatment plan gives to dose accumulation: static dose clouds and structures."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from motion.dose.curved import curved

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class DoseGrid:
    """Where the voxels of a dose array (z, y, x) lie in the patient (LPS, mm).

    shape: (z, y, x). origin_mm: the centre of voxel (0, 0, 0). step_mm: by array axis, the vector
    from one voxel to the next, so that any order, sign and angle of the axes is told.
    """

    shape: tuple[int, int, int]
    origin_mm: Vector
    step_mm: tuple[Vector, Vector, Vector]

    def __post_init__(self) -> None:
        volume = abs(float(np.linalg.det(np.array(self.step_mm, np.float64))))
        lengths = float(np.prod(np.linalg.norm(np.array(self.step_mm, np.float64), axis=1)))
        if not volume > 1e-6 * lengths or min(self.shape) < 1:
            raise ValueError(f"dose grid: {self.shape} voxels by steps {self.step_mm} span nothing")

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel."""
        return abs(float(np.linalg.det(np.array(self.step_mm, np.float64))))

    @property
    def spacing_mm(self) -> Vector:
        """Distance between neighbours along each array axis."""
        z, y, x = (math.hypot(*step) for step in self.step_mm)
        return z, y, x

    def index_of(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the array index (…, 3), zyx, of points (…, 3) in LPS; fractions between voxels.

        Float64: positions in the patient may lie metres from the origin.
        """
        return self.index_of_vector(np.asarray(points_mm, np.float64) - np.array(self.origin_mm))

    def index_of_vector(self, vectors_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return vectors (…, 3) in LPS as steps along the array axes (…, 3), zyx."""
        inverse = np.linalg.inv(np.array(self.step_mm, np.float64))
        return np.asarray(np.asarray(vectors_mm, np.float64) @ inverse)

    def points_mm(self) -> NDArray[np.float64]:
        """Return the voxels' centres, float64 (z, y, x, 3) in LPS."""
        index = np.stack(np.meshgrid(*map(np.arange, self.shape), indexing="ij"), axis=-1)
        return np.asarray(index @ np.array(self.step_mm, np.float64) + np.array(self.origin_mm))


@dataclass(frozen=True, slots=True, eq=False)
class DoseCloud:
    """The dose of one beam, had nothing moved: "static dose cloud".

    number: of the beam in the plan. planned_mu: of one fraction. gy: float32 (z, y, x), dose of all
    of them; curved: the same for interpolation. A cloud that stays while tissue moves through it
    holds for 1–2 cm in tissue of one density; it is wrong near lung and skin, where the beam itself
    would change.
    """

    number: int
    planned_mu: float
    gy: NDArray[np.float32]
    grid: DoseGrid
    curved: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        about = f"dose of beam {self.number}"
        if self.gy.shape != self.grid.shape:
            raise ValueError(f"{about}: has {self.gy.shape} voxels, its grid {self.grid.shape}")
        if not (math.isfinite(self.planned_mu) and self.planned_mu > 0):
            raise ValueError(f"{about}: {self.planned_mu:g} monitor units, expected more than 0")
        if not np.isfinite(self.gy).all() or float(self.gy.min()) < 0:
            raise ValueError(f"{about}: holds values that are negative or not finite")
        object.__setattr__(self, "curved", curved(self.gy))  # frozen, and made once


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Tissue whose dose is told.

    points_mm: float64 (point, 3) in LPS, of the reference. volume_mm3: float64 (point,), what each
    point stands for: less where only a part of its voxel lies inside.
    """

    name: str
    role: str
    points_mm: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.volume_mm3)
        if n == 0 or self.points_mm.shape != (n, 3):
            raise ValueError(
                f"structure {self.name!r}: {self.points_mm.shape} points for {n} volumes, "
                "expected (n, 3) for n of at least 1"
            )
        if not (np.isfinite(self.points_mm).all() and np.isfinite(self.volume_mm3).all()):
            raise ValueError(f"structure {self.name!r}: a point or volume is not finite")
        if not (self.volume_mm3 > 0).all():
            raise ValueError(f"structure {self.name!r}: a point has no volume")


@dataclass(frozen=True, slots=True, eq=False)
class DosePlan:
    """One fraction. All clouds lie on one grid.

    target: name of the structure that was prescribed to. prescription_gy: in this fraction; None
    where it is not known, and V95 and V100 with it.
    """

    clouds: tuple[DoseCloud, ...]
    structures: tuple[Structure, ...]
    target: str
    prescription_gy: float | None = None

    def __post_init__(self) -> None:
        if not self.clouds:
            raise ValueError("dose plan: has no beam")
        numbers = [cloud.number for cloud in self.clouds]
        names = [structure.name for structure in self.structures]
        if len(set(numbers)) < len(numbers) or len(set(names)) < len(names):
            raise ValueError(f"dose plan: a beam or structure comes twice, {numbers}, {names}")
        if any(cloud.grid != self.grid for cloud in self.clouds):
            raise ValueError("dose plan: the beams' doses lie on different grids, expected one")
        if self.target not in names:
            raise ValueError(f"dose plan: no structure {self.target!r}, there are {names}")

    @property
    def grid(self) -> DoseGrid:
        """Where the voxels of all clouds lie."""
        return self.clouds[0].grid

    @property
    def planned_mu(self) -> float:
        """Monitor units of the whole fraction."""
        return sum(cloud.planned_mu for cloud in self.clouds)
