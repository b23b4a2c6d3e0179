"""A plan: beams with a dose in closed form, and the structures that it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from simulators.beam.structures import Structure, Vector

Real = NDArray[np.float64]

_LOGISTIC_20_80 = 2 * np.log(4)  # width from 20 to 80 %, in units of a logistic's scale
_FIELD_MARGIN_MM = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """A parallel rectangular field: flat, with logistic penumbras, falling off with depth.

    number: from 1, as in the plan. gantry_deg: IEC 61217, 0 from in front, patient head first
        supine. half_widths_mm: of the 50 % field, across and along the patient.
    gy_per_mu: at the isocentre of a wide field. attenuation_per_mm: from there on, along the beam.
    """

    number: int
    gantry_deg: float
    isocenter_mm: Vector
    half_widths_mm: tuple[float, float]
    mu: float
    rate_mu_per_min: float = 600.0
    gy_per_mu: float = 0.01
    penumbra_20_80_mm: float = 6.0
    attenuation_per_mm: float = 0.0045

    @property
    def rate_mu_per_s(self) -> float:
        """Monitor units a second while it is on."""
        return self.rate_mu_per_min / 60

    def gy_per_mu_at(self, places_mm: Real) -> Real:
        """Return the dose of one monitor unit at places (…, 3) in patient LPS."""
        angle = np.deg2rad(self.gantry_deg)
        along = np.array([-np.sin(angle), np.cos(angle), 0.0])
        across = np.array([np.cos(angle), np.sin(angle), 0.0])
        offset = places_mm - np.array(self.isocenter_mm)
        scale = self.penumbra_20_80_mm / _LOGISTIC_20_80
        dose = self.gy_per_mu * np.exp(-self.attenuation_per_mm * (offset @ along))
        for half_mm, axis in zip(self.half_widths_mm, (across, (0.0, 0.0, 1.0)), strict=True):
            at = offset @ np.asarray(axis)
            dose = dose * expit((half_mm + at) / scale) * expit((half_mm - at) / scale)
        return np.asarray(dose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One fraction. structures: the target first."""

    beams: tuple[Beam, ...]
    structures: tuple[Structure, ...]
    prescription_gy: float

    @property
    def target(self) -> Structure:
        """What is treated."""
        return self.structures[0]

    @property
    def mu(self) -> float:
        """Monitor units of the fraction."""
        return sum(beam.mu for beam in self.beams)

    def planned_gy(self, places_mm: Real) -> Real:
        """Return the dose at places (…, 3) of the whole fraction, were nothing to move."""
        return np.asarray(sum(beam.mu * beam.gy_per_mu_at(places_mm) for beam in self.beams))


class Lying(Protocol):
    """A body where it rests, from the anatomy's origin."""

    @property
    def center_mm(self) -> Vector:
        """Its middle."""

    @property
    def semi_axes_mm(self) -> Vector:
        """Its half-axes."""

    @property
    def angle_deg(self) -> float:
        """How it is turned about L, from P towards I."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Where fields come from, and the organs at risk: their middles from the target's."""

    gantry_deg: Sequence[float]
    organs: tuple[Structure, ...]


SETUPS = {
    "lung": Setup(
        gantry_deg=(350.0, 270.0, 200.0),
        organs=(
            Structure(
                name="airway",
                center_mm=(9, -10, 29),
                semi_axes_mm=(7, 7, 13),
                share=(0.85, 0.85, 0.85),
            ),
            Structure(name="cord", center_mm=(62, 42, 0), semi_axes_mm=(7, 7, 50), share=(0, 0, 0)),
        ),
    ),
    "liver": Setup(
        gantry_deg=(340.0, 270.0, 200.0),
        organs=(
            Structure(
                name="bowel",
                center_mm=(26, -18, -20),
                semi_axes_mm=(12, 10, 14),
                share=(0.8, 0.8, 0.8),
            ),
            Structure(name="cord", center_mm=(58, 45, 0), semi_axes_mm=(7, 7, 50), share=(0, 0, 0)),
        ),
    ),
    "prostate": Setup(
        gantry_deg=(0.0, 110.0, 250.0),
        organs=(
            Structure(
                name="rectum",
                center_mm=(0, 32, 12),
                semi_axes_mm=(15, 13, 42),
                angle_deg=-18,
                share=(0.6, 0.6, 0.3),
            ),
            Structure(
                name="bladder",
                center_mm=(0, -20, 50),
                semi_axes_mm=(38, 30, 26),
                angle_deg=-15,
                share=(0.3, 0.3, 0.3),
            ),
        ),
    ),
}
"""By where the target lies."""


def plan_of(
    target: Lying, origin_mm: Vector, *, site: str = "lung", mu_of_beam: float = 30.0
) -> Plan:
    """Return three fields on a target, and the organs at risk of a site of `SETUPS`.

    93 % of the dose in the middle of the target are prescribed.
    """
    left, back, up = (a + b for a, b in zip(origin_mm, target.center_mm, strict=True))
    setup = SETUPS[site]
    aimed = Structure(
        name="target",
        center_mm=(left, back, up),
        semi_axes_mm=target.semi_axes_mm,
        angle_deg=target.angle_deg,
        is_target=True,
    )
    organs = tuple(
        replace(
            one, center_mm=(left + one.center_mm[0], back + one.center_mm[1], up + one.center_mm[2])
        )
        for one in setup.organs
    )
    beams = tuple(
        _beam(number, one, aimed, mu=mu_of_beam)
        for number, one in enumerate(setup.gantry_deg, start=1)
    )
    middle_gy = sum(
        beam.mu * float(beam.gy_per_mu_at(np.array(beam.isocenter_mm))) for beam in beams
    )
    prescription_gy = round(0.93 * middle_gy, 3)
    return Plan(beams=beams, structures=(aimed, *organs), prescription_gy=prescription_gy)


def _beam(number: int, gantry_deg: float, target: Structure, *, mu: float) -> Beam:
    angle = np.deg2rad(gantry_deg)
    across = target.half_width_mm(np.array([np.cos(angle), np.sin(angle), 0.0]))
    along = target.half_width_mm(np.array([0.0, 0.0, 1.0]))
    return Beam(
        number=number,
        gantry_deg=gantry_deg,
        isocenter_mm=target.center_mm,
        half_widths_mm=(across + _FIELD_MARGIN_MM, along + _FIELD_MARGIN_MM),
        mu=mu,
    )
