"""One structure from image to image: search, align, judge, learn."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messages import Doubt, Image
from motion.tracking.affine import Fit, Template, affine_field, align, template_of, warped
from motion.tracking.confidence import Measured, Trust, is_doubted, judge
from motion.tracking.correlation import Match, Search, Seen
from motion.tracking.flow import Flow, Flowed
from motion.tracking.outline import flowed_mask, moved_mask
from motion.tracking.structure import Structure
from motion.tracking.view import view_of

Real = NDArray[np.float64]
Pair = tuple[float, float]


MOST_TEMPLATES = 6
ALIKE, BETTER = 0.95, 0.01  # the reference serves while it is like this, or as good as others
STATE_MM = 4.0  # breathing states nearer than this look alike


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What is carried of one structure.

    templates: the bank of breathing states, the reference first; each lies in the reference's own
    place, so that what is aligned with it is aligned with the reference. places_mm: float64
    (template, 2), where the structure was when each was taken.
    """

    templates: tuple[Template, ...]
    places_mm: tuple[Pair, ...]
    trust: Trust


@dataclass(frozen=True, slots=True, eq=False)
class Following:
    """Where one structure is in one image, as in `Displacement`."""

    displacement_mm: Pair
    std_mm: float
    matrix_mm: tuple[Pair, Pair]
    mask: NDArray[np.bool_]
    area_px: float
    field_mm: NDArray[np.float32] | None
    similarity: float
    similarity_limit: float
    doubts: tuple[Doubt, ...]


class Follower:
    """Follows one structure, always against the reference image."""

    def __init__(
        self, structure: Structure, *, pixel_mm: Pair, n_steps: int, has_flow: bool
    ) -> None:
        self._structure = structure
        self._pixel_mm = np.array(pixel_mm)
        self._n_steps = n_steps
        self._search = Search(structure)
        self._flow = Flow(structure) if has_flow else None

    def step(
        self, state: Followed | None, image: Image, *, is_training: bool
    ) -> tuple[Followed, Following]:
        """Return what is carried on, and where it is; the first image is the reference."""
        view, grain = view_of(image.pixels[0], self._structure.search)
        if state is None:
            box, search = self._structure.box, self._structure.search
            top, left = box.top - search.top, box.left - search.left
            still = view[top : top + box.height, left : left + box.width].copy()
            state = Followed((self._template(still, std_mm=0.0),), ((0.0, 0.0),), Trust())
        fit, measured = self._found(state, view, grain, image.time_s)
        limit = state.trust.similarity_limit
        trust, doubts = judge(state.trust, measured)
        after = replace(state, trust=trust)
        if is_training and not doubts and self._is_new(state, measured):
            template = self._template(
                warped(self._structure, view, affine_field(self._structure, fit)),
                std_mm=measured.std_mm,
            )
            after = replace(
                after,
                templates=(*state.templates, template),
                places_mm=(*state.places_mm, measured.displacement_mm),
            )
        flowed = None
        if self._flow is not None and fit.gain > 0.0:
            flowed = self._flow.refined(view, fit)
        return after, self._following(fit, flowed, measured, limit, doubts)

    def _template(self, pixels: NDArray[np.float32], *, std_mm: float) -> Template:
        template = template_of(self._structure, pixels, self._search.template_spectrum(pixels))
        solver = None if self._flow is None else self._flow.solver(pixels)
        return replace(template, flow_solver=solver, std_mm=std_mm)

    def _is_new(self, state: Followed, measured: Measured) -> bool:
        """Whether this breathing state has no template yet."""
        away = np.asarray(state.places_mm) - measured.displacement_mm
        nearest_mm = float(np.linalg.norm(away, axis=1).min())
        return len(state.templates) < MOST_TEMPLATES and nearest_mm >= STATE_MM

    def _found(
        self, state: Followed, view: NDArray[np.float32], grain: float, time_s: float
    ) -> tuple[Fit, Measured]:
        """Return the fit of the reference, or of the state most alike where that is doubted."""
        seen = self._search.seen(view)
        fit, best = self._fitted(state.templates[0], view, grain, seen, time_s)
        reference = best
        if best.similarity >= ALIKE and not is_doubted(state.trust, best):
            return fit, best
        most = best.similarity + BETTER
        for template in state.templates[1:]:
            other, measured = self._fitted(template, view, grain, seen, time_s)
            if measured.similarity > most:
                fit, best, most = other, measured, measured.similarity
        return fit, _confirmed(best, reference)

    def _fitted(
        self,
        template: Template,
        view: NDArray[np.float32],
        grain: float,
        seen: Seen,
        time_s: float,
    ) -> tuple[Fit, Measured]:
        match = self._search.match(seen, template.spectrum)
        fit = align(
            self._structure,
            template,
            view,
            start_px=match.shift_px,
            start_matrix=np.eye(2),
            grain=grain,
            n_steps=self._n_steps,
        )
        measured = self._measured(template, time_s, match, fit)
        return fit, replace(measured, grain=grain)

    def _measured(self, template: Template, time_s: float, match: Match, fit: Fit) -> Measured:
        shift_mm = fit.shift_px * self._pixel_mm
        variance_mm2 = np.diag(fit.covariance_px2) * self._pixel_mm**2
        mean = template.mean
        brightness = fit.gain * mean + fit.bias
        return Measured(
            time_s=time_s,
            displacement_mm=(float(shift_mm[0]), float(shift_mm[1])),
            # tissue deforms on from state to state: what was misjudged adds up
            std_mm=template.std_mm + math.sqrt(max(float(variance_mm2.max()), 0.0)),
            similarity=fit.similarity,
            contrast=fit.gain * mean / brightness if brightness > 0.0 else 0.0,
            area=float(np.linalg.det(fit.matrix)),
            outside=fit.outside,
            is_at_edge=match.is_at_edge,
        )

    def _following(
        self,
        fit: Fit,
        flowed: Flowed | None,
        measured: Measured,
        limit: float,
        doubts: tuple[Doubt, ...],
    ) -> Following:
        scale = self._pixel_mm
        shift_mm, area, mask, field_mm = measured.displacement_mm, measured.area, None, None
        if flowed is None:
            mask = moved_mask(self._structure, fit.shift_px, fit.matrix)
        else:
            mask, area = flowed_mask(self._structure, flowed.field_px), flowed.area
            shift_mm = (float(flowed.shift_px[0] * scale[0]), float(flowed.shift_px[1] * scale[1]))
            field_mm = self._whole_field_mm(fit, flowed)
        matrix = fit.matrix * scale[:, None] / scale[None, :]
        return Following(
            displacement_mm=(shift_mm[0], shift_mm[1]),
            std_mm=measured.std_mm,
            matrix_mm=(
                (float(matrix[0, 0]), float(matrix[0, 1])),
                (float(matrix[1, 0]), float(matrix[1, 1])),
            ),
            mask=mask,
            area_px=self._structure.n_px * area,
            field_mm=field_mm,
            similarity=measured.similarity,
            similarity_limit=limit,
            doubts=doubts,
        )

    def _whole_field_mm(self, fit: Fit, flowed: Flowed) -> NDArray[np.float32]:
        """Return the displacement of each pixel of the reference: beyond the box, the shift."""
        field = np.empty((2, *self._structure.mask.shape), np.float32)
        field[:] = fit.shift_px[:, None, None]
        field[:, *self._structure.box.cut] = flowed.field_px
        return field * self._pixel_mm.astype(np.float32)[:, None, None]


def _confirmed(found: Measured, reference: Measured) -> Measured:
    """Return what a state found, as well known as the reference confirms it, or the chain does."""
    apart_mm = math.dist(found.displacement_mm, reference.displacement_mm)
    by_reference_mm = math.hypot(reference.std_mm, apart_mm)
    return replace(found, std_mm=min(found.std_mm, by_reference_mm))
