"""The tracker as a fold over images: search, align, judge."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from messages import Displacement, Image
from motion.tracker import TrackingPlan
from motion.tracking.affine import MOST_STEPS
from motion.tracking.following import Followed, Follower, Following
from motion.tracking.structure import structure_of

TARGET = "target"


@dataclass(frozen=True, slots=True, eq=False)
class TrackingState:
    """What is carried from image to image.

    followed: by structure; empty before the reference image. n_trained: frames that taught.
    """

    followed: Mapping[str, Followed]
    n_trained: int = 0


class ImageTracker:
    """Follows the target and the organs of a plan, always against the reference image.

    n_steps: of the affine alignment; 0 leaves the shift as correlation found it. has_flow: the
        target's deformation is refined to a dense field; similarity and doubts stay those of the
        affine alignment, which a flow cannot talk itself out of.
    """

    def __init__(
        self, plan: TrackingPlan, *, n_steps: int = MOST_STEPS, has_flow: bool = False
    ) -> None:
        search_px = (
            math.ceil(plan.search_mm / plan.pixel_mm[0]),
            math.ceil(plan.search_mm / plan.pixel_mm[1]),
        )
        self._plan = plan
        self._followers = {
            name: Follower(
                structure_of(mask, name, search_px=search_px),
                pixel_mm=plan.pixel_mm,
                n_steps=n_steps,
                has_flow=has_flow and name == TARGET,
            )
            for name, mask in {TARGET: plan.target_mask, **plan.organ_masks}.items()
        }

    @property
    def plan(self) -> TrackingPlan:
        """What it works for."""
        return self._plan

    def start(self) -> TrackingState:
        """Return the state before the first image."""
        return TrackingState({})

    def step(self, state: object, image: Image) -> tuple[TrackingState, Displacement]:
        """Return the next state, and where the target is.

        The first whole image in which the target is found is the reference. ValueError where the
        image is not one slice of the plan's size.
        """
        if not isinstance(state, TrackingState):
            raise TypeError(f"the state is a {type(state).__name__}, not that of this tracker")
        shape = self._plan.target_mask.shape
        if image.pixels.shape != (1, *shape):
            raise ValueError(
                f"frame {image.frame_id}: the image is {image.pixels.shape}, the target's mask "
                f"is for (1, {shape[0]}, {shape[1]}); draw the target in an image of this scan"
            )
        # one sum is enough: what is not finite stays so
        if not image.is_complete or not np.isfinite(image.pixels.sum()):
            return state, self._nowhere(state, image)
        is_training = state.n_trained < self._plan.training_frames
        followed, found = {}, {}
        for name, follower in self._followers.items():
            followed[name], found[name] = follower.step(
                state.followed.get(name), image, is_training=is_training
            )
        if found[TARGET].doubts and not state.followed:
            # an image in which the target cannot be found again is no reference
            return state, self._displacement(state, image, found, is_training=is_training)
        after = TrackingState(followed, state.n_trained + is_training)
        return after, self._displacement(after, image, found, is_training=is_training)

    def _displacement(
        self,
        state: TrackingState,
        image: Image,
        found: Mapping[str, Following],
        *,
        is_training: bool,
    ) -> Displacement:
        target = found[TARGET]
        area_mm2 = target.area_px * math.prod(self._plan.pixel_mm)
        return Displacement(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            displacement_mm=target.displacement_mm,
            displacement_std_mm=target.std_mm,
            matrix=target.matrix_mm,
            field_mm=target.field_mm,
            target_mask=target.mask,
            area_mm2=area_mm2,
            volume_mm3=area_mm2 * self._plan.thickness_mm,
            similarity=target.similarity,
            similarity_limit=target.similarity_limit,
            doubts=target.doubts,
            organ_masks={
                name: one.mask for name, one in found.items() if name != TARGET and not one.doubts
            },
            is_training=is_training,
            training_frames=state.n_trained,
            training_wanted=self._plan.training_frames,
        )

    def _nowhere(self, state: TrackingState, image: Image) -> Displacement:
        """Return what an image says that cannot be looked at: nothing."""
        target = state.followed.get(TARGET)
        return Displacement(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            displacement_mm=(math.nan, math.nan),
            target_mask=np.zeros(self._plan.target_mask.shape, np.bool_),
            area_mm2=math.nan,
            volume_mm3=math.nan,
            similarity=math.nan,
            similarity_limit=math.nan if target is None else target.trust.similarity_limit,
            doubts=("bad-image",),
            is_training=state.n_trained < self._plan.training_frames,
            training_frames=state.n_trained,
            training_wanted=self._plan.training_frames,
        )
