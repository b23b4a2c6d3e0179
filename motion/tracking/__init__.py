"""Image → Displacement: the target followed against the reference image."""

from motion.tracker import TrackingPlan
from motion.tracking.image_tracker import ImageTracker


def ncc(plan: TrackingPlan) -> ImageTracker:
    """Follow the target by correlation alone: where it is, not how it is deformed."""
    return ImageTracker(plan, n_steps=0)


def ncc_affine(plan: TrackingPlan) -> ImageTracker:
    """Follow the target by correlation, then align it by an affine deformation."""
    return ImageTracker(plan)


def ncc_flow(plan: TrackingPlan) -> ImageTracker:
    """Follow the target as `ncc_affine` does, then refine its outline by a dense flow."""
    return ImageTracker(plan, has_flow=True)


__all__ = ["ImageTracker", "ncc", "ncc_affine", "ncc_flow"]
