"""A plan: beams with a dose in closed form, and the structures that it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
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


def lung_plan(
    target: Lying,
    origin_mm: Vector,
    *,
    gantry_deg: Sequence[float] = (350.0, 270.0, 200.0),
    mu_of_beam: float = 50.0,
) -> Plan:
    """Return three fields on a target in the right lung, an airway that follows it, and the cord.

    93 % of the dose in the middle of the target are prescribed.
    """
    left, back, up = (a + b for a, b in zip(origin_mm, target.center_mm, strict=True))
    structures = (
        Structure(
            name="target",
            center_mm=(left, back, up),
            semi_axes_mm=target.semi_axes_mm,
            angle_deg=target.angle_deg,
            is_target=True,
        ),
        Structure(
            name="airway",
            center_mm=(left + 9, back - 10, up + 29),
            semi_axes_mm=(7.0, 7.0, 13.0),
            share=(0.85, 0.85, 0.85),
        ),
        Structure(
            name="cord", center_mm=(0.0, back + 42, up), semi_axes_mm=(7, 7, 50), share=(0, 0, 0)
        ),
    )
    beams = tuple(
        _beam(number, one, structures[0], mu=mu_of_beam)
        for number, one in enumerate(gantry_deg, start=1)
    )
    middle_gy = sum(
        beam.mu * float(beam.gy_per_mu_at(np.array(beam.isocenter_mm))) for beam in beams
    )
    return Plan(beams=beams, structures=structures, prescription_gy=round(0.93 * middle_gy, 3))


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
