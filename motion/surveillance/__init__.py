"""What watches the breath itself: baseline shift, cough and deep breath, change of period."""

from motion.surveillance.reading import BreathReading
from motion.surveillance.watch import BreathPlan, BreathState, watch

__all__ = ["BreathPlan", "BreathReading", "BreathState", "watch"]
