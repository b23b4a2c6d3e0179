"""Temperature from frames that leave lines of k-space out: the k-space hybrid method.

Whole images come first and make the baselines; later frames may measure any subset of the lines.
Not validated in fat, whose electron screening hardly depends on temperature.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.baseline import Reference, reference_of
from thermometry.coil_images import Coils, coils_of, frozen, noise_std_of
from thermometry.kspace.heat import Heat, background, find, follow_drift, settle
from thermometry.kspace.library import Baselines, make_baselines, mixed, weights_for
from thermometry.kspace.lines import Lines
from thermometry.phase import Observation
from thermometry.plan import ThermometryPlan
from thermometry.single_baseline import AMBIGUOUS_RAD, BaselineState, SingleBaseline, see

ROUNDS: Final = 2  # of drift and heat
SPARSER: Final = 4.0
FAR_RAD: Final = np.float32(2.5)
APART_PX: Final = 4  # of a 5 x 5 binomial neighbourhood's means, which share little so far apart
ENOUGH_PIXELS: Final = 100  # for a drift of order 2; with fewer, neighbours are better than none


@dataclass(frozen=True, slots=True, eq=False)
class KSpaceState:
    """What the next image is compared with.

    single: gathers the baseline's mean; unwraps the phase in time and removes the drift.
    gathered: the baseline's images so far, drift taken out. baselines: once they are all there.
    heated: bool (z, y, x), where heat stood out in the last frame.
    """

    single: BaselineState
    gathered: tuple[Coils, ...]
    baselines: Baselines | None
    heated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class KSpaceHybrid:
    """Sparse heat and drift over a mixture of baselines, fitted to the lines that were measured.

    y = F(Σ w b · e^{i(Ac + θ)}), θ sparse and of heating's sign, w ≥ 0 with Σ w = 1.
    Gaur and Grissom 2015, doi:10.1002/mrm.25327, eq. 1 to 4; see `columns` for what differs.
    Heat that stands out is fitted pixel by pixel and without sparsity, so that no peak is shrunk;
    elsewhere the map has the resolution of 5 x 5 binomial neighbourhoods. Heats that fold onto each
    other are told apart where the coils can, and are not valid where they cannot. A frame that
    measured all lines is treated as by the single-baseline method, with the same mixture of
    baselines.
    """

    plan: ThermometryPlan
    single: SingleBaseline

    def __init__(self, plan: ThermometryPlan) -> None:
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "single", SingleBaseline(plan))

    def start(self) -> KSpaceState:
        """State before the first image."""
        nowhere = frozen(np.zeros(self.plan.shape, np.bool_))
        return KSpaceState(self.single.start(), (), None, nowhere)

    def step(self, state: KSpaceState, image: Image) -> tuple[KSpaceState, TemperatureMap]:
        """State and map after one more image.

        The first `baseline_frames` whole images make the baselines and give no temperature. An
        incomplete image gives no temperature and leaves no trace, nor does one that leaves lines
        out while whole ones are wanted.
        """
        if not image.is_complete:
            return state, self.single.blank(state.single, image)
        if state.baselines is None:
            if image.sampled_lines is not None:
                return state, self.single.blank(state.single, image)
            return self._gather(state, image)
        if image.sampled_lines is None:
            return self._whole(state, image, state.baselines)
        return self._undersampled(state, image, state.baselines)

    def _gather(self, state: KSpaceState, image: Image) -> tuple[KSpaceState, TemperatureMap]:
        single, baseline_map = self.single.gather(state.single, image)
        gathered = (*state.gathered, self._aligned(image, single))
        baselines = None
        if single.reference is not None:
            baselines = make_baselines(gathered, single.reference, min_snr=self.plan.min_snr)
            gathered = ()
        return replace(state, single=single, gathered=gathered, baselines=baselines), baseline_map

    def _aligned(self, image: Image, single: BaselineState) -> Coils:
        """Return the image's coils with the drift since the first image taken out."""
        coils = coils_of(image, self.plan)
        coils = np.where(np.isfinite(coils), coils, np.complex64(0))
        gathering = single.gathering
        drift_rad = single.drift_rad if gathering is None else gathering.drift_rad
        turned = coils * np.exp(np.complex64(-1j) * self.single.basis.evaluate(drift_rad))
        return frozen(np.asarray(turned, np.complex64))

    def _whole(
        self, state: KSpaceState, image: Image, baselines: Baselines
    ) -> tuple[KSpaceState, TemperatureMap]:
        reference = self._reference(state, image, baselines)
        single, measured = self.single.convert(
            state.single, image, see(image, reference, plan=self.plan)
        )
        nowhere = frozen(np.zeros(self.plan.shape, np.bool_))
        return replace(state, single=single, heated=nowhere), measured

    def _reference(self, state: KSpaceState, image: Image, baselines: Baselines) -> Reference:
        """Return the reference that fits this image best."""
        known = baselines.reference
        coils = coils_of(image, self.plan)
        if baselines.is_one or len(coils) != len(known.profile) or not np.isfinite(coils).all():
            return known
        crop = baselines.crop
        weights = weights_for(
            baselines,
            crop.columns(known.white(coils)),
            crop.columns(self.single.basis.evaluate(state.single.drift_rad)),
            np.ones(self.plan.shape[1], np.bool_),
        )
        return reference_of(
            mixed(baselines.images, weights),
            baselines.noise_variance * float(weights @ weights),
            noise_variance=known.noise_variance,
            min_snr=self.plan.min_snr,
            whitening=known.whitening,
        )

    def _undersampled(
        self, state: KSpaceState, image: Image, baselines: Baselines
    ) -> tuple[KSpaceState, TemperatureMap]:
        lines = self._lines(state, image, baselines)
        crop, single = baselines.crop, state.single
        heat = drift_rad = None
        if lines is not None:
            heat, drift_rad = self._fit(lines, state)
        if lines is None or heat is None or drift_rad is None:
            # the next frame begins as if nothing were heated
            seen, heated = self._nothing(), frozen(np.zeros(self.plan.shape, np.bool_))
        else:
            phase = background(lines, self.single.basis, drift_rad) + heat.phase_rad
            is_known = lines.modelled & heat.explained & (heat.total_rad2 > 0)
            seen = Observation(
                phase_rad=crop.volume(phase),
                total_rad2=crop.volume(np.where(is_known, heat.total_rad2, np.float32(1))),
                common_rad2=crop.volume(heat.common_rad2),
                usable=baselines.reference.usable & crop.volume(is_known),
            )
            heated = frozen(crop.volume(heat.chosen))
            # whole turns of heat are known by its sign
            known = crop.volume(lines.modelled)
            near = np.where(known, crop.volume(heat.phase_rad), single.phase_rad)
            single = replace(single, phase_rad=near)
        fitted = _apart(self.single.fitted_region & seen.usable & ~heated)
        moved, measured = self.single.convert(single, image, seen, fitted=fitted)
        jump = np.abs(moved.phase_rad - state.single.phase_rad)
        measured = replace(measured, ambiguous=frozen(jump >= AMBIGUOUS_RAD))
        return replace(state, single=moved, heated=heated), measured

    def _fit(self, lines: Lines, state: KSpaceState) -> tuple[Heat | None, NDArray[np.float64]]:
        """Return heat and drift.

        Each frame is searched anew, so that no ghost of one lives on in the next. Only heat about
        to pass half a turn is sought from the last frame's on, which knows how many turns it has.
        """
        held = state.single.phase_rad
        is_far = state.heated & (np.abs(held) > FAR_RAD)
        start = lines.crop.columns(np.where(is_far, held, np.float32(0)))
        drift_rad, sparsity = state.single.drift_rad, self.plan.sparsity
        first = self._by_turns(lines, start, drift_rad, sparsity=sparsity)
        if first[0] is not None and first[0].explained.all():
            return first
        # a ghost taken for heat can hold its place against the truth; fewer pixels keep it out
        second = self._by_turns(lines, np.zeros_like(start), drift_rad, sparsity=SPARSER * sparsity)
        return max(first, second, key=_n_explained)

    def _by_turns(
        self,
        lines: Lines,
        theta: NDArray[np.float32],
        drift_rad: NDArray[np.float64],
        *,
        sparsity: float,
    ) -> tuple[Heat | None, NDArray[np.float64]]:
        """Return heat and drift, found by turns: drift shows where there is no heat."""
        basis, region = self.single.basis, self.single.fitted_region
        sign = math.copysign(1.0, self.plan.rad_per_c)
        chosen = theta != 0
        for _ in range(ROUNDS):
            cold = region & ~lines.crop.volume(chosen)
            drift_rad = follow_drift(lines, basis, drift_rad, theta=theta, fitted=cold)
            rest = background(lines, basis, drift_rad)
            found = find(lines, rest, theta, sign=sign, sparsity=sparsity)
            if found is None:
                return None, drift_rad
            chosen, theta = found
        return settle(lines, rest, theta, chosen, sign=sign), drift_rad

    def _lines(self, state: KSpaceState, image: Image, baselines: Baselines) -> Lines | None:
        """Return what the image measured; None where it, or the baseline, holds nothing of use."""
        reference, crop, measured = baselines.reference, baselines.crop, image.sampled_lines
        coils, noise_std = coils_of(image, self.plan), noise_std_of(image)
        if len(coils) != len(reference.profile):
            raise ValueError(
                f"frame {image.frame_id}: image has {len(coils)} coils, baseline has "
                f"{len(reference.profile)}"
            )
        if measured is None or not (reference.usable.any() and np.isfinite(coils).all()):
            return None
        columns = crop.columns(reference.white(coils))
        weights = np.ones(1)
        if not baselines.is_one:
            drift = self.single.basis.evaluate(state.single.drift_rad)
            weights = weights_for(baselines, columns, crop.columns(drift), measured)
        # zero-filling spreads the noise of the measured samples over all pixels
        share = float(np.mean(measured))
        noise = reference.noise_variance if noise_std is None else noise_std**2 / share
        return Lines(
            crop=crop,
            baseline=mixed(baselines.columns, weights),
            coils=columns,
            measured=measured,
            noise=noise,
            baseline_noise=baselines.noise_variance * float(weights @ weights),
        )

    def _nothing(self) -> Observation:
        shape = self.plan.shape
        zero, one = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        return Observation(zero, one, zero, np.zeros(shape, np.bool_))


def _apart(fitted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return every n-th pixel along y and x: neighbours in a smoothed map say the same.

    All of them where few would be left.
    """
    kept = np.zeros_like(fitted)
    kept[:, ::APART_PX, ::APART_PX] = fitted[:, ::APART_PX, ::APART_PX]
    return kept if np.count_nonzero(kept) >= ENOUGH_PIXELS else fitted


def _n_explained(found: tuple[Heat | None, NDArray[np.float64]]) -> int:
    return -1 if found[0] is None else int(np.count_nonzero(found[0].explained))
