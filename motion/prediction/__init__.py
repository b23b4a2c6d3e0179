"""Where the target will be when the beam reacts: models, the last value, and their intervals."""

from motion.prediction.guarded import Guarded
from motion.prediction.hold import Hold
from motion.prediction.rls import Rls
from motion.predictor import Predictor


def hold() -> Predictor:
    """Return the predictor that holds the last value."""
    return Guarded(Hold())


def rls() -> Predictor:
    """Return the predictor by recursive least squares."""
    return Guarded(Rls())


__all__ = ["hold", "rls"]
