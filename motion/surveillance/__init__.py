"""What watches the breath itself: baseline shift, cough and deep breath, change of period."""

from motion.surveillance.reading import BreathReading

__all__ = ["BreathReading"]
