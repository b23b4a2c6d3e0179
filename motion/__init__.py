"""Image → Displacement → gate → DeliveredDose: the MR-linac's half."""

from collections.abc import Callable

from motion import tracking
from motion.prediction import Guarded, Hold, Kalman, Ridge, Rls
from motion.predictor import Predictor
from motion.tracker import Tracker, TrackingPlan

METHODS: dict[str, Callable[[TrackingPlan], Tracker]] = {
    "ncc": tracking.ncc,
    "ncc-affine": tracking.ncc_affine,
    "ncc-flow": tracking.ncc_flow,
}
"""The trackers, by name."""

PREDICTORS: dict[str, Callable[[], Predictor]] = {
    "hold": lambda: Guarded(Hold()),
    "kalman": lambda: Guarded(Kalman()),
    "ridge": lambda: Guarded(Ridge()),
    "rls": lambda: Guarded(Rls()),
}
"""The predictors, by name."""

__all__ = ["METHODS", "PREDICTORS", "Predictor", "Tracker", "TrackingPlan"]
