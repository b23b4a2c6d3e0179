"""Displacement and monitor units → DeliveredDose."""

from motion.dose.accumulator import Accumulator, AccumulatorState, resumed, taken_over
from motion.dose.dvh import Histogram
from motion.dose.gamma import gamma, passing_percent
from motion.dose.place import ImageField, Place
from motion.dose.plan import DoseCloud, DoseGrid, DosePlan, Structure
from motion.dose.whole_grid import rigid_portions, whole_grid_gy

__all__ = [
    "Accumulator",
    "AccumulatorState",
    "DoseCloud",
    "DoseGrid",
    "DosePlan",
    "Histogram",
    "ImageField",
    "Place",
    "Structure",
    "gamma",
    "passing_percent",
    "resumed",
    "rigid_portions",
    "taken_over",
    "whole_grid_gy",
]
