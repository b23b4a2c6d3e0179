"""The sequences that a scan can play, each a frozen dataclass."""

from simulators.sequences.base import ScanSequence
from simulators.sequences.cartesian import Cartesian
from simulators.sequences.epi import Epi
from simulators.sequences.radial import GOLDEN_ANGLE_RAD, Radial

__all__ = ["GOLDEN_ANGLE_RAD", "Cartesian", "Epi", "Radial", "ScanSequence"]
