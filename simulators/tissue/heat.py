"""Heat by any source and any plan of power: what is heated, by what, when."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.bioheat import Tissue as Properties
from simulators.tissue.sources import Source

Real = NDArray[np.floating[Any]]
Factor = Callable[[float, Real], Real]
"""Of scanner time (s) and rise (°C): perfusion relative to rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """Pennes 1948: diffusion, and perfusion that may change with time or temperature.

    diffusivity_mm2_per_s: k/(ρc). perfusion_per_s: w ρ_b c_b/c. perfusion_factor: None for 1.
    """

    diffusivity_mm2_per_s: float = Properties().diffusivity_mm2_per_s
    perfusion_per_s: float = Properties().perfusion_per_s
    perfusion_factor: Factor | None = None


def opens_with_heat(*, per_c: float, up_to: float) -> Factor:
    """Return perfusion that grows by a share a degree, as vessels widen, up to a factor."""
    return lambda _t_s, rise_c: np.minimum(1 + per_c * np.maximum(rise_c, 0), up_to)


def shuts_down(*, at_s: float, to: float) -> Factor:
    """Return perfusion that falls to a factor from a moment on, as vessels close."""
    return lambda t_s, _rise_c: np.asarray(1.0 if t_s < at_s else to)


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """Power in steps: (from when on in s, watts), in order of time; 0 W before the first."""

    steps: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        times = [t_s for t_s, _ in self.steps]
        if times != sorted(times):
            raise ValueError(f"power steps at {times} s, expected in order of time")

    def watts(self, t_s: float) -> float:
        """Return the power at a moment."""
        past = [watts for start_s, watts in self.steps if start_s <= t_s]
        return past[-1] if past else 0.0

    @property
    def power_log(self) -> tuple[tuple[float, float], ...]:
        """What a device would report: scanner time of each change and watts from then on."""
        return self.steps


def on_off(*switches_s: float, watts: float = 30.0) -> PowerPlan:
    """Return power that goes on, off, on … at these moments."""
    return PowerPlan(
        tuple((t_s, watts if index % 2 == 0 else 0.0) for index, t_s in enumerate(switches_s))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """A source, its power, and the box of tissue that it may warm.

    rate_c_per_s_w: heating rate of a watt where the source is 1.
    center_mm, extent_mm: of the box in the plane, (x, y); half_depth_mm: on each side of it. Its
        walls let no heat through, so it has to reach well beyond the source.
    grid_mm: between the nodes. follows: whether the source is steered with the tissue; otherwise it
        stays where it is in space and smears over what breathes past it (all of the box does).
    """

    source: Source
    plan: PowerPlan
    rate_c_per_s_w: float = 0.1
    medium: Medium = field(default_factory=Medium)
    center_mm: tuple[float, float] = (0.0, 0.0)
    extent_mm: tuple[float, float] = (48.0, 48.0)
    half_depth_mm: float = 20.0
    grid_mm: float = 0.8
    follows: bool = True
