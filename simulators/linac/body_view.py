"""A plane through moving ellipsoids, in closed form."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulators.linac.bodies import Cut, Cutter, ellipses_of
from simulators.linac.lines import line_samples
from simulators.linac.view import Outline
from simulators.phantom import Ellipse, image
from simulators.sequences.plane import Plane
from simulators.sequences.planned import PlannedReadout

if TYPE_CHECKING:
    from simulators.linac.scene import Scene

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_REMEMBERED = 1024  # readouts of what stands still; lines of a grid come again


class BodyView:
    """What a plane cuts out of a scene's bodies; the first is the target."""

    def __init__(self, scene: "Scene", plane: Plane, *, waves_per_mm: Real) -> None:
        self._scene, self._waves_per_mm = scene, waves_per_mm
        self._weights = np.array([body.weight for body in scene.bodies], np.complex128)
        self._moves = np.array([body.moves for body in scene.bodies])
        self._moves[0] = True  # its signal may fade
        self._cutter = Cutter(scene.bodies, plane, origin_mm=scene.origin_mm)
        self._still = lru_cache(maxsize=_REMEMBERED)(self._still_samples)

    def cut(self, t_s: float) -> Cut:
        """Return all ellipses at scanner time t_s."""
        return self._cutter.at(self._scene.displacement_mm(np.array(t_s)))

    def ellipses(self, t_s: float) -> tuple[Ellipse, ...]:
        """Return those that the plane meets at scanner time t_s, with all their signal."""
        return ellipses_of(self._scene.bodies, self.cut(t_s))

    def waves(self, planned: PlannedReadout) -> Complex:
        """Return the object's k-space about each of the coils' waves, (wave, sample) in mm²."""
        cut, weights = self.cut(planned.t_s).of(self._moves), self._weights[self._moves]
        weights[0] *= self._scene.signal(planned.t_s, of_target=True)
        moving = line_samples(weights, cut, planned.k_per_mm, self._waves_per_mm)
        return moving + self._still(planned.k_per_mm.tobytes())

    def outline(self, t_s: float, x_mm: Real, y_mm: Real) -> Outline:
        """Return the target at scanner time t_s, on pixels at x_mm (x,) and y_mm (y,)."""
        cut = self.cut(t_s)
        contour, mask = cut.contour_mm(0), cut.holds(0, x_mm[None, :], y_mm[:, None])
        gone = cut.sizes[0] == 0
        return Outline(
            center_mm=np.full(2, np.nan) if gone else cut.centers_mm[0],
            area_mm2=float(cut.areas_mm2[0]),
            contour_mm=np.full_like(contour, np.nan) if gone else contour,
            mask=mask,
        )

    def spot(self) -> tuple[float, float, float]:
        """Return where the target is at time 0 (x, y), and its signal."""
        x, y = map(np.array, self.cut(0.0).centers_mm[0])
        return float(x), float(y), abs(complex(image(self.ellipses(0.0), x, y)))

    def _still_samples(self, k_bytes: bytes) -> Complex:
        k_per_mm = np.frombuffer(k_bytes, np.float64).reshape(-1, 3)
        cut = self.cut(0.0).of(~self._moves)
        return line_samples(self._weights[~self._moves], cut, k_per_mm, self._waves_per_mm)
