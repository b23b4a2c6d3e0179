"""Tissue that moves, holds fat, warms by bio-heat and disturbs the field that it lies in."""

from simulators.tissue.breathing import Breathing
from simulators.tissue.fat import FAT_PEAKS
from simulators.tissue.heat import Heat, Medium, PowerPlan
from simulators.tissue.magnet import FieldDrift, MagnetField
from simulators.tissue.push import Push
from simulators.tissue.sources import (
    Cone,
    Disc,
    Gaussian,
    Lobes,
    Skewed,
    Source,
    SubFoci,
)
from simulators.tissue.susceptibility import Cylinder, Sphere
from simulators.tissue.tissue import FAT, WATER, Part, Species, Tissue

__all__ = [
    "FAT",
    "FAT_PEAKS",
    "WATER",
    "Breathing",
    "Cone",
    "Cylinder",
    "Disc",
    "FieldDrift",
    "Gaussian",
    "Heat",
    "Lobes",
    "MagnetField",
    "Medium",
    "Part",
    "PowerPlan",
    "Push",
    "Skewed",
    "Source",
    "Species",
    "Sphere",
    "SubFoci",
    "Tissue",
]
