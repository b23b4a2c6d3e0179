"""How well a beam followed its target: written from the definitions in mrlinac.md, section 4."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gated:
    """Over all moments of the truth: is_on, the beam; is_outside, the target; distance_mm."""

    is_on: Flags
    is_outside: Flags
    distance_mm: Real

    @property
    def duty_percent(self) -> float:
        """Time with the beam on, of all time."""
        return 100.0 * float(self.is_on.mean())

    @property
    def outside_percent(self) -> float:
        """Time with the beam on and the target outside, of the time with the beam on."""
        return 100.0 * float(self.is_outside[self.is_on].mean()) if self.is_on.any() else 0.0

    @property
    def accuracy_percent(self) -> float:
        """Time with the beam on and the target inside, or off and outside, of all time."""
        return 100.0 * float((self.is_on != self.is_outside).mean())

    @property
    def p95_mm(self) -> float:
        """The distance that the target keeps to in 95 % of the time with the beam on."""
        return float(np.quantile(self.distance_mm[self.is_on], 0.95)) if self.is_on.any() else 0.0


def beam(time_s: Real, decided_s: Real, is_open: Flags, *, latency_s: float) -> Flags:
    """Return whether the beam is on at each time, from decisions that act latency_s later.

    Each decision stands until the next one acts; before the first the beam is off.
    """
    last = np.searchsorted(decided_s + latency_s, time_s, side="right") - 1
    return np.asarray(np.where(last >= 0, is_open[np.maximum(last, 0)], False))


def calibration_percent(probability: Real, happened: Flags, *, bins: int = 10) -> float:
    """Return the expected calibration error, percent.

    By bins of equal width in probability, the mean distance between the mean probability and the
    frequency, weighted by how many fall into each (Naeini 2015, AAAI, "ECE").
    """
    index = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for one in range(bins):
        inside = index == one
        if inside.any():
            total += inside.mean() * abs(probability[inside].mean() - happened[inside].mean())
    return 100.0 * float(total)


def reliability(probability: Real, happened: Flags, edges: Real) -> list[tuple[float, float, int]]:
    """Return (mean probability, frequency, how many) between the edges, empty ones left out."""
    rows = []
    for low, high in itertools.pairwise(edges):
        inside = (probability >= low) & ((probability < high) | (high == edges[-1]))
        if inside.any():
            rows.append(
                (
                    float(probability[inside].mean()),
                    float(happened[inside].mean()),
                    int(np.count_nonzero(inside)),
                )
            )
    return rows
