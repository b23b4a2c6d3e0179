"""An independent scanner and patient. It imports nothing of ours: an oracle shares no code."""

from simulators.drift import Drift
from simulators.patient import Patient
from simulators.phantom import Ellipse
from simulators.readout import Readout
from simulators.scan import Scan
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment, default_treatment

__all__ = [
    "Drift",
    "Ellipse",
    "GradientEcho",
    "Patient",
    "Readout",
    "Scan",
    "Treatment",
    "TreatmentSimulator",
    "default_treatment",
]
