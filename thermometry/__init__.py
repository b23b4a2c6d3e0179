"""Image → TemperatureMap → ThermalDose: PRF thermometry and CEM43.

Research software: not validated in fat, and no substitute for the therapy device's own interlock.
"""

from collections.abc import Callable, Mapping

from thermometry.arrhenius import (
    ArrheniusState,
    accumulate_arrhenius,
    interrupt_arrhenius,
    start_arrhenius,
)
from thermometry.dose import DoseState, accumulate_dose, interrupt, start_dose
from thermometry.lesion import measure_lesion
from thermometry.plan import Thermometer, ThermometryPlan, phase_to_temperature_rad_per_c
from thermometry.single_baseline import SingleBaseline

METHODS: Mapping[str, Callable[[ThermometryPlan], Thermometer]] = {
    "single-baseline": SingleBaseline,
}
"""Name in the protocol to method. A new method is one file and one line here."""

__all__ = [
    "METHODS",
    "ArrheniusState",
    "DoseState",
    "SingleBaseline",
    "Thermometer",
    "ThermometryPlan",
    "accumulate_arrhenius",
    "accumulate_dose",
    "interrupt",
    "interrupt_arrhenius",
    "measure_lesion",
    "phase_to_temperature_rad_per_c",
    "start_arrhenius",
    "start_dose",
]
