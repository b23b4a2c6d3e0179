"""Displacement and monitor units → DeliveredDose."""

from motion.dose.accumulator import Accumulator, AccumulatorState
from motion.dose.place import ImageField, Place
from motion.dose.plan import DoseCloud, DoseGrid, DosePlan, Structure
from motion.dose.whole_grid import whole_grid_gy

__all__ = [
    "Accumulator",
    "AccumulatorState",
    "DoseCloud",
    "DoseGrid",
    "DosePlan",
    "ImageField",
    "Place",
    "Structure",
    "whole_grid_gy",
]
