"""Image → TemperatureMap → ThermalDose: PRF thermometry and CEM43.

Research software: not validated in fat, and no substitute for the therapy device's own interlock.
"""

from collections.abc import Callable, Mapping
from typing import Final

from thermometry.arfi import Arfi, ArfiState, Displacement, encoding_rad_per_um
from thermometry.arfi_focus import Focus
from thermometry.corrections import correct
from thermometry.dose.arrhenius import (
    ArrheniusState,
    accumulate_arrhenius,
    interrupt_arrhenius,
    start_arrhenius,
    take_over_arrhenius,
)
from thermometry.dose.cem43 import DoseState, accumulate_dose, interrupt, start_dose, take_over
from thermometry.dose.lesion import measure_lesion
from thermometry.echoes.multi_echo import MultiEcho
from thermometry.echoes.t1 import T1Thermometry
from thermometry.echoes.water_fat import WaterFat
from thermometry.heat.forecast import Forecaster, ForecastState
from thermometry.heat.model_dose import ModelDose, take_over_model_dose
from thermometry.kspace.hybrid import KSpaceHybrid
from thermometry.library.hybrid import Hybrid
from thermometry.library.multi_baseline import MultiBaseline
from thermometry.library.pca import Pca
from thermometry.plan import Thermometer, ThermometryPlan, phase_to_temperature_rad_per_c
from thermometry.referenceless.near_harmonic import near_harmonic
from thermometry.referenceless.weighted import l1_polynomial, weighted_polynomial
from thermometry.single_baseline import SingleBaseline

METHODS: Mapping[str, Callable[[ThermometryPlan], Thermometer]] = {
    "hybrid": Hybrid,
    "kspace-hybrid": KSpaceHybrid,
    "multi-baseline": MultiBaseline,
    "multi-echo": MultiEcho,
    "near-harmonic": near_harmonic,
    "pca": Pca,
    "referenceless": weighted_polynomial,
    "referenceless-l1": l1_polynomial,
    "single-baseline": SingleBaseline,
    "t1": T1Thermometry,
    "water-fat": WaterFat,
}
"""Name in the protocol to method. A new method is one file and one line here."""

NEEDS_ECHO_TIMES: Final = frozenset({"multi-echo", "water-fat"})
"""Methods whose images hold a whole echo train, each echo with a time of its own."""

JOINS_CONTRASTS: Final = NEEDS_ECHO_TIMES | {"t1"}
"""Methods that need all contrasts of a dynamic at once: one frame joins them."""

LEAST_ECHOES: Final[Mapping[str, int]] = {"water-fat": WaterFat.least_echoes}
"""How many echoes a method needs at least, where one does not do."""

KEEPS_LIBRARY: Final = frozenset({"hybrid", "kspace-hybrid", "multi-baseline", "pca"})
"""Methods that keep every baseline image and compare each with all others."""

MOST_LIBRARY_IMAGES: Final = 64
"""More take longer to learn than a frame may; 10 to 30 hold what a breath does."""

__all__ = [
    "JOINS_CONTRASTS",
    "KEEPS_LIBRARY",
    "LEAST_ECHOES",
    "METHODS",
    "MOST_LIBRARY_IMAGES",
    "NEEDS_ECHO_TIMES",
    "Arfi",
    "ArfiState",
    "ArrheniusState",
    "Displacement",
    "DoseState",
    "Focus",
    "ForecastState",
    "Forecaster",
    "Hybrid",
    "KSpaceHybrid",
    "ModelDose",
    "MultiBaseline",
    "MultiEcho",
    "Pca",
    "SingleBaseline",
    "T1Thermometry",
    "Thermometer",
    "ThermometryPlan",
    "WaterFat",
    "accumulate_arrhenius",
    "accumulate_dose",
    "correct",
    "encoding_rad_per_um",
    "interrupt",
    "interrupt_arrhenius",
    "l1_polynomial",
    "measure_lesion",
    "near_harmonic",
    "phase_to_temperature_rad_per_c",
    "start_arrhenius",
    "start_dose",
    "take_over",
    "take_over_arrhenius",
    "take_over_model_dose",
    "weighted_polynomial",
]
