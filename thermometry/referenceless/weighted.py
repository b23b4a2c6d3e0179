"""Temperature without a baseline: a polynomial follows the phase outside the heat.

Blind to motion and to drift, since each frame brings its own background. A polynomial cannot follow
the field near lung, gas or bone: there it leaves several °C (order 4 left 5.3 °C RMS in a breathing
liver), which `misfit_sigma` shows and the standard deviation holds. Not validated in fat.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from messages import Image, TemperatureMap
from thermometry.drift import fit_drift
from thermometry.phase import Observation
from thermometry.plan import ThermometryPlan
from thermometry.referenceless.background import (
    Background,
    OwnPhaseState,
    against_background,
    blank,
    look,
    start_own_phase,
)
from thermometry.referenceless.polynomial import Fit, PhasePolynomial, fit_phase, phase_polynomial
from thermometry.referenceless.reweighted_l1 import fit_reweighted_l1

LEAST_BORDER_PX: Final = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Referenceless:
    """A polynomial of the plan's order in the phase of each frame.

    fitted: bool (z, y, x), where it is fitted. shown: bool (z, y, x), where it may be believed.
    heat_sign: of the phase that heat in `fitted` adds; 0 where it is kept out.
    """

    plan: ThermometryPlan
    polynomial: PhasePolynomial
    fitted: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    fit: Fit
    heat_sign: float

    def start(self) -> OwnPhaseState:
        """State before the first image."""
        return start_own_phase(self.plan)

    def step(self, state: OwnPhaseState, image: Image) -> tuple[OwnPhaseState, TemperatureMap]:
        """State and map after one more image; an incomplete one gives no temperature."""
        if not image.is_complete:
            return state, blank(self.plan, image)
        state, seen = look(self.plan, state, image)
        return against_background(self.plan, state, image, seen, self._background(seen))

    def _background(self, seen: Observation) -> Background | None:
        found = fit_phase(
            self.polynomial, seen, self.fitted, fit=self.fit, heat_sign=self.heat_sign
        )
        if found is None:
            return None
        return Background(
            self.polynomial.evaluate(found.coefficients),
            self.polynomial.variance(found.covariance),
            self.shown,
            found.excess_rad,
            found.pixels,
            found.weights,
        )


def weighted_polynomial(plan: ThermometryPlan) -> Referenceless:
    """Return the method that is fitted to the border of the heated mask, weighted by the noise.

    Nothing is shown beyond that border, where a polynomial means nothing. Heat must end within the
    heated mask: what lies smoothly over the border passes for background, and nothing tells. Least
    squares made robust, as the drift's fit is. Rieke 2004, doi:10.1002/mrm.20090.
    """
    border = border_of(plan.heated_mask)
    shown = border | plan.heated_mask
    polynomial = phase_polynomial(plan.polynomial_order, shown)
    heat_sign = 0.0 if plan.heated_mask.any() else math.copysign(1.0, plan.rad_per_c)
    return Referenceless(plan, polynomial, border, shown, fit_drift, heat_sign)


def l1_polynomial(plan: ThermometryPlan) -> Referenceless:
    """Return the method that needs no region: heat may be anywhere in the smaller part of it all.

    Reweighted-L1 regression over the whole image; see `reweighted_l1.fit_reweighted_l1`. Smooth
    flanks of heat still pull a little, 0.2 °C of 25; a spot whose deviation is a tenth of the
    object loses 1.6 °C, and heat in a third of it a half. What few pixels have beyond a polynomial
    cannot be told from heat: near lung a breath makes 60 °C there. It shows on the cold side, which
    widens every pixel, until none is valid.
    Grissom 2010, doi:10.1002/mrm.22502.
    """
    everywhere = np.ones(plan.shape, np.bool_)
    polynomial = phase_polynomial(plan.polynomial_order, everywhere)
    heat_sign = math.copysign(1.0, plan.rad_per_c)
    return Referenceless(plan, polynomial, everywhere, everywhere, fit_reweighted_l1, heat_sign)


def border_of(heated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the ring about the heated mask, bool (z, y, x), as wide as the mask's own radius.

    Narrower, noise would grow inside; wider, the polynomial would have more anatomy to follow than
    it needs. Everything where nothing is heated.
    """
    if not heated.any():
        return np.ones(heated.shape, np.bool_)
    border = np.zeros_like(heated)
    for z, slice_ in enumerate(heated):
        if slice_.any():
            radius_px = math.sqrt(np.count_nonzero(slice_) / math.pi)
            near = distance_transform_edt(~slice_) <= max(radius_px, LEAST_BORDER_PX)
            border[z] = near & ~slice_
    return border
