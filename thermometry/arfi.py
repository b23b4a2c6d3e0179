"""MR-ARFI: how far the focus pushes tissue, before anything is heated.

A gradient that encodes motion turns the phase by γ·G·δ for each unit of displacement along it. Two
images with opposite gradients: half the difference of their phases is the displacement, half the
sum is temperature and field drift. Images without ultrasound take off what the gradients do by
themselves (eddy currents). Research software; a displacement says where the focus is, not how hot
it will become.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from messages import Image
from thermometry.arfi_focus import Focus, find_focus
from thermometry.baseline import Gathering, Reference, finish, gather
from thermometry.coil_images import coils_of, frozen, noise_std_of
from thermometry.conversion import NEVER
from thermometry.drift import DriftBasis, fit_drift
from thermometry.phase import Observation, observe, wrap
from thermometry.plan import ThermometryPlan

Volume = NDArray[np.float32]
Item = TypeVar("Item")
GAMMA_BAR_HZ_PER_T: Final = 42.577478518e6  # CODATA 2018, proton gyromagnetic ratio / 2π
PLUS, MINUS = 0, 1  # of the gradient, by the counter `set` of MRD


def encoding_rad_per_um(gradient_mt_per_m: float, duration_s: float) -> float:
    """Return the phase of a micrometre, γ·G·δ: 0.054 rad for 40 mT/m and 5 ms.

    duration_s: for how long tissue is displaced under the full gradient. PMC2852270, which uses
    pairs of opposite gradients for the same reasons.
    """
    return 2.0 * math.pi * GAMMA_BAR_HZ_PER_T * gradient_mt_per_m * 1e-3 * duration_s * 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Displacement:
    """What a pair of images with opposite gradients shows. Arrays are (z, y, x), NaN where unknown.

    frame_id: of the later image. displacement_um, displacement_std_um: float32, along the encoding
    gradient, relative to the rest of the slice. rise_c, rise_std_c: float32, what both images show
    alike, as temperature since the baseline; field drift reads as temperature in it.
    focus: where it is pushed, None where noise may be all.
    """

    frame_id: int
    time_s: float
    displacement_um: Volume
    displacement_std_um: Volume
    rise_c: Volume
    rise_std_c: Volume
    valid: NDArray[np.bool_]
    focus: Focus | None


@dataclass(frozen=True, slots=True, eq=False)
class ArfiState:
    """Of both gradients, plus and minus: what is gathered, the finished reference, the last phase.

    A phase is forgotten once it has been paired.
    """

    gathering: tuple[Gathering | None, Gathering | None]
    reference: tuple[Reference | None, Reference | None]
    seen: tuple[Observation | None, Observation | None]


@dataclass(frozen=True, slots=True, eq=False)
class Arfi:
    """A fold over images of alternating gradients: one displacement map a pair.

    The first `plan.baseline_frames` complete images of either sign are taken without ultrasound.
    `key.set` tells the sign: 0 for plus, 1 for minus. The plan's heated mask is where the focus may
    be; bulk motion, an order `plan.drift_order` polynomial, is fitted outside it and taken off.
    PMC6642829, which takes displacement and temperature from the same images.
    """

    plan: ThermometryPlan
    rad_per_um: float

    def start(self) -> ArfiState:
        """State before the first image."""
        return ArfiState((None, None), (None, None), (None, None))

    def step(self, state: ArfiState, image: Image) -> tuple[ArfiState, Displacement | None]:
        """State and, where the image completes a pair, its map; neither input is modified.

        An incomplete image leaves no trace. Raises ValueError where `set` is neither 0 nor 1.
        """
        sign = image.key.set
        if sign not in (PLUS, MINUS):
            raise ValueError(f"frame {image.frame_id}: set is {sign}, expected 0 or 1 for ARFI")
        if not image.is_complete:
            return state, None
        reference = state.reference[sign]
        if reference is None:
            return self._gather(state, image, sign), None
        coils, noise_std = reference.white(coils_of(image, self.plan)), noise_std_of(image)
        noise_variance = reference.noise_variance if noise_std is None else noise_std**2
        seen = observe(coils, reference, noise_variance=noise_variance, min_snr=self.plan.min_snr)
        pair = _with(state.seen, sign, seen)
        plus, minus = pair
        if plus is None or minus is None:
            return replace(state, seen=pair), None
        return replace(state, seen=(None, None)), self._displacement(image, plus, minus)

    def _gather(self, state: ArfiState, image: Image, sign: int) -> ArfiState:
        gathering = gather(
            state.gathering[sign],
            coils_of(image, self.plan),
            noise_std=noise_std_of(image),
            basis=DriftBasis(self.plan.shape, -1),
        )
        if gathering.n_frames < self.plan.baseline_frames:
            return replace(state, gathering=_with(state.gathering, sign, gathering))
        finished = finish(gathering, min_snr=self.plan.min_snr)
        return replace(
            state,
            gathering=_with(state.gathering, sign, None),
            reference=_with(state.reference, sign, finished),
        )

    def _displacement(self, image: Image, plus: Observation, minus: Observation) -> Displacement:
        plan = self.plan
        variance = np.float32(0.25) * (plus.total_rad2 + minus.total_rad2)
        usable = plus.usable & minus.usable
        half = np.float32(0.5) * wrap(plus.phase_rad - minus.phase_rad)
        alike = wrap(plus.phase_rad - half)
        half = half - self._bulk_rad(half, variance, usable)
        um_per_rad, c_per_rad = np.float32(1 / self.rad_per_um), np.float32(1 / plan.rad_per_c)
        std_rad = np.sqrt(variance)
        displacement, rise = half * um_per_rad, alike * c_per_rad
        focus = find_focus(displacement, std_rad * abs(um_per_rad), where=plan.heated_mask & usable)
        return Displacement(
            frame_id=image.frame_id,
            time_s=image.time_s,
            displacement_um=_shown(displacement, usable),
            displacement_std_um=_shown(std_rad * abs(um_per_rad), usable),
            rise_c=_shown(rise, usable),
            rise_std_c=_shown(std_rad * abs(c_per_rad), usable),
            valid=frozen(usable),
            focus=focus,
        )

    def _bulk_rad(self, half: Volume, variance: Volume, usable: NDArray[np.bool_]) -> Volume:
        basis = DriftBasis(self.plan.shape, self.plan.drift_order)
        pixels = basis.choose_pixels(usable & self.plan.reference_mask & ~self.plan.heated_mask)
        if basis.n_terms == 0 or pixels.size == 0:
            return np.zeros_like(half)
        fit = fit_drift(
            basis.terms.take(pixels, axis=1),
            half.take(pixels),
            variance_rad2=variance.take(pixels),
            start=np.zeros(basis.n_terms),
        )
        return np.zeros_like(half) if fit is None else basis.evaluate(fit.coefficients)


def _shown(values: Volume, usable: NDArray[np.bool_]) -> Volume:
    return frozen(np.where(usable, values, NEVER).astype(np.float32))


def _with(pair: tuple[Item, Item], sign: int, item: Item) -> tuple[Item, Item]:
    return (item, pair[MINUS]) if sign == PLUS else (pair[PLUS], item)
