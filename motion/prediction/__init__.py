"""Where the target will be when the beam reacts: models, the last value, and their intervals."""

from motion.prediction.guarded import Guarded
from motion.prediction.hold import Hold
from motion.prediction.kalman import Kalman
from motion.prediction.ridge import Ridge
from motion.prediction.rls import Rls

__all__ = ["Guarded", "Hold", "Kalman", "Ridge", "Rls"]
