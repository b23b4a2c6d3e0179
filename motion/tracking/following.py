"""One structure from image to image: search, align, judge, learn."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages import Doubt, Image
from motion.tracking.affine import Fit, Template, align, template_of
from motion.tracking.confidence import Measured, Trust, judge
from motion.tracking.correlation import Match, Search, Seen
from motion.tracking.outline import moved_mask
from motion.tracking.structure import Structure
from motion.tracking.view import view_of

Real = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What is carried of one structure: its templates, the reference first, and the trust."""

    templates: tuple[Template, ...]
    trust: Trust


@dataclass(frozen=True, slots=True, eq=False)
class Following:
    """Where one structure is in one image, as in `Displacement`."""

    displacement_mm: Pair
    std_mm: float
    matrix_mm: tuple[Pair, Pair]
    mask: NDArray[np.bool_]
    area_px: float
    similarity: float
    similarity_limit: float
    doubts: tuple[Doubt, ...]


class Follower:
    """Follows one structure, always against the reference image."""

    def __init__(self, structure: Structure, *, pixel_mm: Pair, n_steps: int) -> None:
        self._structure = structure
        self._pixel_mm = np.array(pixel_mm)
        self._n_steps = n_steps
        self._search = Search(structure)

    def step(
        self, state: Followed | None, image: Image, *, is_training: bool
    ) -> tuple[Followed, Following]:
        """Return what is carried on, and where the structure is; the first image is the reference."""
        view = view_of(image.pixels[0], self._structure.search)
        seen = self._search.seen(view)
        if state is None:
            state = Followed((self._template(view),), Trust())
        match, fit = self._best(state.templates, view, seen)
        measured = self._measured(state, image.time_s, match, fit)
        trust, doubts = judge(state.trust, measured)
        after = Followed(state.templates, trust)
        return after, self._following(fit, measured, state.trust.similarity_limit, doubts)

    def _template(self, view: NDArray[np.float32]) -> Template:
        box, search = self._structure.box, self._structure.search
        top, left = box.top - search.top, box.left - search.left
        pixels = view[top : top + box.height, left : left + box.width].copy()
        return template_of(self._structure, pixels, self._search.template_spectrum(pixels))

    def _best(
        self, templates: tuple[Template, ...], view: NDArray[np.float32], seen: Seen
    ) -> tuple[Match, Fit]:
        match = self._search.match(seen, templates[0].spectrum)
        fit = align(
            self._structure,
            templates[0],
            view,
            start_px=match.shift_px,
            start_matrix=np.eye(2),
            n_steps=self._n_steps,
        )
        return match, fit

    def _measured(self, state: Followed, time_s: float, match: Match, fit: Fit) -> Measured:
        shift_mm = fit.shift_px * self._pixel_mm
        variance_mm2 = np.diag(fit.covariance_px2) * self._pixel_mm**2
        mean = state.templates[0].mean
        brightness = fit.gain * mean + fit.bias
        return Measured(
            time_s=time_s,
            displacement_mm=(float(shift_mm[0]), float(shift_mm[1])),
            std_mm=math.sqrt(max(float(variance_mm2.max()), 0.0)),
            similarity=fit.similarity,
            contrast=fit.gain * mean / brightness if brightness > 0.0 else 0.0,
            area=float(np.linalg.det(fit.matrix)),
            outside=fit.outside,
            is_at_edge=match.is_at_edge,
            is_sharp=True,
        )

    def _following(
        self, fit: Fit, measured: Measured, limit: float, doubts: tuple[Doubt, ...]
    ) -> Following:
        scale = self._pixel_mm
        matrix = fit.matrix * scale[:, None] / scale[None, :]
        return Following(
            displacement_mm=measured.displacement_mm,
            std_mm=measured.std_mm,
            matrix_mm=(
                (float(matrix[0, 0]), float(matrix[0, 1])),
                (float(matrix[1, 0]), float(matrix[1, 1])),
            ),
            mask=moved_mask(self._structure, fit.shift_px, fit.matrix),
            area_px=self._structure.n_px * measured.area,
            similarity=measured.similarity,
            similarity_limit=limit,
            doubts=doubts,
        )
