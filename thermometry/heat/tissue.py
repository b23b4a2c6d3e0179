"""Heat properties of tissues, by name.

Density ρ in kg/m³, specific heat c in J/(kg·K), conductivity k in W/(m·K) and perfusion w in
ml/min/kg as in the IT'IS database of tissue properties (Hasgall et al., doi:10.13099/VIP21000-04-1;
averages over many species and temperatures). Living tissue differs: perfusion doubles or ceases
with heat. A model that starts from these must be able to leave them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BLOOD_J_PER_ML_K: Final = 1050e-6 * 3617  # ρ c of blood, IT'IS
_PER_MINUTE: Final = 1 / 60


@dataclass(frozen=True, slots=True)
class Tissue:
    """What Pennes' equation needs of a tissue.

    diffusivity_mm2_per_s: D = k / (ρ c). perfusion_per_s: P = w · ρ_b c_b / c, the rate at which
    blood carries heat away.
    """

    diffusivity_mm2_per_s: float
    perfusion_per_s: float


def _tissue(density: float, heat: float, conductivity: float, perfusion: float) -> Tissue:
    diffusivity_mm2_per_s = 1e6 * conductivity / (density * heat)
    return Tissue(diffusivity_mm2_per_s, perfusion * _PER_MINUTE * BLOOD_J_PER_ML_K / heat)


TISSUES: Final[Mapping[str, Tissue]] = {
    # density, specific heat, conductivity, perfusion
    "water": _tissue(1000, 4178, 0.60, 0),
    "brain": _tissue(1046, 3630, 0.51, 559),
    "grey-matter": _tissue(1045, 3696, 0.55, 764),
    "white-matter": _tissue(1041, 3583, 0.48, 212),
    "csf": _tissue(1007, 4096, 0.57, 0),
    "skin": _tissue(1109, 3391, 0.37, 106),
    "cortical-bone": _tissue(1908, 1313, 0.32, 10),
    "trabecular-bone": _tissue(1178, 2274, 0.31, 30),
    "muscle": _tissue(1090, 3421, 0.49, 37),
    "fat": _tissue(911, 2348, 0.21, 33),
    "liver": _tissue(1079, 3540, 0.52, 860),
    "kidney": _tissue(1066, 3763, 0.53, 3795),
    "prostate": _tissue(1045, 3760, 0.51, 394),
}


def tissue(name: str) -> Tissue:
    """Return the properties of a tissue. Raises ValueError that lists the known names."""
    found = TISSUES.get(name)
    if found is None:
        raise ValueError(f"unknown tissue {name!r}, expected one of {', '.join(TISSUES)}")
    return found
