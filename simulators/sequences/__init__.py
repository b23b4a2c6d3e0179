"""The sequences that a scan can play, each a frozen dataclass."""

from simulators.sequences.alternating import AlternatingCartesian, AlternatingRadial
from simulators.sequences.base import ScanSequence
from simulators.sequences.cartesian import Cartesian
from simulators.sequences.catalogue import CATALOGUE
from simulators.sequences.encoded_pairs import EncodedPairs
from simulators.sequences.epi import Epi
from simulators.sequences.plane import Plane, coronal, sagittal
from simulators.sequences.radial import GOLDEN_ANGLE_RAD, Radial
from simulators.sequences.spiral import Spiral
from simulators.sequences.undersampled import Undersampled

__all__ = [
    "CATALOGUE",
    "GOLDEN_ANGLE_RAD",
    "AlternatingCartesian",
    "AlternatingRadial",
    "Cartesian",
    "EncodedPairs",
    "Epi",
    "Plane",
    "Radial",
    "ScanSequence",
    "Spiral",
    "Undersampled",
    "coronal",
    "sagittal",
]
