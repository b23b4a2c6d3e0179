"""Arrhenius damage Ω beside CEM43: another law of the same temperatures, and not the same answer.

At 50 °C Ω reaches 1 after 17 minutes by one set of published constants and after 24 seconds by
another, so a figure of Ω means nothing without the name of its model. 1 - exp(-Ω) is the share of
tissue that is damaged. No interval is given: the models differ by more than any noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import TemperatureMap
from thermometry.coil_images import frozen
from thermometry.compiled import compiled

Volume = NDArray[np.float64]
Single = NDArray[np.float32]

GAS_CONSTANT_J_PER_MOL_K: Final = 8.31446
ZERO_CELSIUS_K: Final = 273.15
MOST_C: Final = 100.0  # as for CEM43: water boils
MOST_STD_C: Final = 2.0  # as for CEM43: beyond it the correction would hide the damage


@dataclass(frozen=True, slots=True)
class ArrheniusModel:
    """Constants of dΩ/dt = A exp(-Ea / RT), and where they come from."""

    frequency_per_s: float
    activation_energy_j_per_mol: float
    source: str

    @property
    def log_frequency(self) -> float:
        """Natural logarithm of A."""
        return float(np.log(self.frequency_per_s))


MODELS: Final[Mapping[str, ArrheniusModel]] = {
    "skin-henriques": ArrheniusModel(
        3.1e98,
        6.28e5,
        "Henriques and Moritz 1947, skin; fits their own data badly (Diller 1991)",
    ),
    "coagulation": ArrheniusModel(
        2.984e80, 5.064e5, "as ablation models use it for liver; not checked at its source"
    ),
    "liver-jacques": ArrheniusModel(
        7.39e39, 2.577e5, "Jacques 1996, whitening of liver; not checked at its source"
    ),
}
"""Name in the protocol to constants."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrheniusState:
    """Damage so far; (z, y, x). last_*: each pixel's last valid sample, NaN before the first."""

    model: ArrheniusModel
    omega: Volume
    last_time_s: Volume
    last_per_s: Single
    time_s: float = -np.inf


def start_arrhenius(shape: tuple[int, int, int], model: ArrheniusModel) -> ArrheniusState:
    """No damage yet; shape is (z, y, x)."""
    nothing, never = frozen(np.zeros(shape)), frozen(np.full(shape, np.nan))
    return ArrheniusState(model, nothing, never, frozen(np.zeros(shape, np.float32)))


def interrupt_arrhenius(state: ArrheniusState) -> ArrheniusState:
    """Let the gap after a restart add nothing, as `dose.interrupt` does."""
    return replace(state, last_time_s=frozen(np.full(state.omega.shape, np.nan)))


def take_over_arrhenius(state: ArrheniusState, left: ArrheniusState) -> ArrheniusState:
    """Return a state at its start with the damage that another session left, as `take_over` does.

    By another model's constants it would be another figure: then nothing is taken over.
    """
    is_same = left.model == state.model and left.omega.shape == state.omega.shape
    return replace(state, omega=left.omega) if is_same else state


def accumulate_arrhenius(
    state: ArrheniusState, temperature: TemperatureMap
) -> tuple[ArrheniusState, NDArray[np.float32]]:
    """Damage Ω after one more temperature map, float32 (z, y, x); trapezoid rule on scanner time.

    Noise of σ raises the mean of A exp(-Ea / RT) by exp((σ Ea / RT²)² / 2), which is divided out;
    Ea / RT² is 0.3 to 0.75 per °C for the models here. What α's uncertainty makes of the deviation
    is no noise and divides nothing. Otherwise as `accumulate_dose`.
    """
    if np.isfinite(temperature.time_s) and temperature.time_s > state.time_s:
        state = _advance(state, temperature)
    return state, frozen(state.omega.astype(np.float32))


def _advance(state: ArrheniusState, temperature: TemperatureMap) -> ArrheniusState:
    noise_std_c, scale_std_c = temperature.temperature_std_c, temperature.scale_std_c
    if scale_std_c is not None:
        noise_std_c = np.sqrt(np.maximum(noise_std_c**2 - scale_std_c**2, np.float32(0)))
    per_s = damage_per_s(temperature.temperature_c, noise_std_c, model=state.model)
    valid = temperature.valid & np.isfinite(temperature.temperature_c)
    omega, last_time_s, last_per_s = _add(
        temperature.time_s,
        valid.ravel(),
        per_s.ravel(),
        state.omega.ravel(),
        state.last_time_s.ravel(),
        state.last_per_s.ravel(),
    )
    shape = state.omega.shape
    return replace(
        state,
        omega=frozen(omega.reshape(shape)),
        last_time_s=frozen(last_time_s.reshape(shape)),
        last_per_s=frozen(last_per_s.reshape(shape)),
        time_s=temperature.time_s,
    )


def damage_per_s(temperature_c: Single, std_c: Single, *, model: ArrheniusModel) -> Single:
    """Rate of damage, free of the bias of noise std_c; float32, NaN where the temperature is."""
    kelvin = np.minimum(temperature_c, np.float32(MOST_C)) + np.float32(ZERO_CELSIUS_K)
    # A alone is beyond float32, its logarithm is not
    over_t = np.float32(model.activation_energy_j_per_mol / GAS_CONSTANT_J_PER_MOL_K) / kelvin
    log_std = over_t / kelvin * np.minimum(std_c, np.float32(MOST_STD_C))
    exponent = np.float32(model.log_frequency) - over_t - np.float32(0.5) * log_std**2
    per_s: Single = np.exp(exponent)
    return per_s


@compiled
def _add(
    time_s: float,
    valid: NDArray[np.bool_],
    per_s: Single,
    omega: Volume,
    last_time_s: Volume,
    last_per_s: Single,
) -> tuple[Volume, Volume, Single]:
    total, then_s, rate = np.empty_like(omega), np.empty_like(omega), np.empty_like(per_s)
    for i in range(omega.size):
        half_s = 0.5 * (time_s - last_time_s[i])
        is_later = valid[i] & (half_s > 0.0)  # false for NaN
        total[i] = omega[i] + (half_s * (np.float64(last_per_s[i]) + per_s[i]) if is_later else 0.0)
        then_s[i] = time_s if valid[i] else last_time_s[i]
        rate[i] = per_s[i] if valid[i] else last_per_s[i]
    return total, then_s, rate
