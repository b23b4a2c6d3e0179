"""Temperature without a baseline: the field inside the heat continues the field around it.

The field of sources that lie elsewhere is harmonic: inside a mask it follows from its values on the
border. So is it not of sources inside the mask, nor the phase of the coils, which is nearly so.
Heat must end within the heated mask, or its border passes for background. At the edge of the
object, where half of the border has no signal, errors are twice what they are said to be. Not
validated in fat.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.coil_images import frozen
from thermometry.drift import DriftFit, fit_drift
from thermometry.phase import Observation, wrap
from thermometry.plan import ThermometryPlan
from thermometry.referenceless.background import (
    Background,
    OwnPhaseState,
    against_background,
    blank,
    look,
    start_own_phase,
)
from thermometry.referenceless.laplace import Extension, extension
from thermometry.referenceless.polynomial import PhasePolynomial, fit_phase, phase_polynomial
from thermometry.referenceless.weighted import border_of

MOST_LOST: Final = 0.1  # of a pixel's weights, on border pixels that cannot be believed now
NO_PIXELS, NO_WEIGHTS = np.empty(0, np.intp), np.empty(0, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class NearHarmonicState:
    """known: bool (z, y, x), the pixels around the heat that had signal in the first image."""

    own: OwnPhaseState
    known: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True, eq=False)
class NearHarmonic:
    """Laplace's equation inside the heated mask of each frame; nothing is shown outside it.

    A polynomial through the mask's surroundings stands in for unwrapping, and tells how far they
    are from harmonic: what it has inside beyond the extension of its own border.
    Salomir 2012, doi:10.1109/TMI.2011.2168421.
    """

    plan: ThermometryPlan
    polynomial: PhasePolynomial
    surroundings: NDArray[np.bool_]

    def start(self) -> NearHarmonicState:
        """State before the first image."""
        return NearHarmonicState(start_own_phase(self.plan), None)

    def step(
        self, state: NearHarmonicState, image: Image
    ) -> tuple[NearHarmonicState, TemperatureMap]:
        """State and map after one more image; an incomplete one gives no temperature."""
        if not (image.is_complete and self.plan.heated_mask.any()):
            return state, blank(self.plan, image)
        own, seen = look(self.plan, state.own, image)
        known = frozen(seen.usable & self.surroundings) if state.known is None else state.known
        background = self._background(seen, known)
        own, map_ = against_background(self.plan, own, image, seen, background)
        return replace(state, own=own, known=known), map_

    def _background(self, seen: Observation, known: NDArray[np.bool_]) -> Background | None:
        plan = self.plan
        fit = fit_phase(self.polynomial, seen, self.surroundings, fit=fit_drift, heat_sign=0.0)
        reach = extension(plan.heated_mask, known, voxel_mm=plan.voxel_mm)
        if fit is None or reach.inside.size == 0:
            return None
        phase, variance = seen.phase_rad.ravel(), seen.total_rad2.ravel()
        is_usable = seen.usable.ravel()[reach.support]
        coefficients, terms = fit.coefficients.astype(np.float32), self.polynomial.terms
        smooth = coefficients @ terms[:, reach.support]
        rest = np.where(is_usable, wrap(phase[reach.support] - smooth), np.float32(0))
        lost = np.abs(reach.weights) @ (~is_usable).astype(np.float32)
        within, spread = np.zeros_like(phase), np.zeros_like(phase)
        is_known = np.zeros(phase.shape, np.bool_)
        on_border = coefficients @ terms[:, reach.border]
        within[reach.inside] = reach.harmonic @ on_border + reach.weights @ rest
        spread[reach.inside] = reach.squares @ variance[reach.support]
        is_known[reach.inside] = lost <= MOST_LOST
        return Background(
            within.reshape(plan.shape),
            spread.reshape(plan.shape),
            is_known.reshape(plan.shape),
            _excess_rad(self.polynomial, fit, reach),
            NO_PIXELS,
            NO_WEIGHTS,
        )


def near_harmonic(plan: ThermometryPlan) -> NearHarmonic:
    """Return the method for a plan; a slice without a target shows nothing."""
    border = border_of(plan.heated_mask)
    # solved before the first frame, for the commonest case: signal all around
    extension(plan.heated_mask, border, voxel_mm=plan.voxel_mm)
    polynomial = phase_polynomial(plan.polynomial_order, border | plan.heated_mask)
    return NearHarmonic(plan, polynomial, border)


def _excess_rad(polynomial: PhasePolynomial, fit: DriftFit, reach: Extension) -> float:
    """Return the part of the polynomial inside that is not harmonic, beyond its noise, RMS."""
    terms = polynomial.terms
    beyond = terms[:, reach.inside] - terms[:, reach.border] @ reach.harmonic.T
    gram = (beyond @ beyond.T).astype(np.float64) / reach.inside.size
    by_fit = float(fit.coefficients @ gram @ fit.coefficients)
    by_noise = float(np.sum(gram * fit.covariance))
    return float(np.sqrt(max(by_fit - by_noise, 0.0)))
