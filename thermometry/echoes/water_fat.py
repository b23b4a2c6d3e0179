"""Temperature of water in the presence of fat, from echo trains: the water-fat method.

Poorman 2019, doi:10.1002/mrm.27567: before heating, water and fat are separated; afterwards only
their relative phase is fitted. Six-peak fat: Hamilton 2011, doi:10.1002/nbm.1622. Here the pixels
are fitted one by one, without a sparsity prior, so that no temperature is drawn towards zero, and
each comes with the standard deviation of its own mixture.

The echo times decide what an error in the spectrum of fat costs. At 3 T, 14, 18, 22, 26 and 30 ms
leave water in equal parts of both within 1 % of the truth for each of five spectra that are
published or plausible; 12, 15.5, 19, 22.5 and 26 ms let it be off by 6 %, and every rise with it.
The spectrum is not fitted: what a fit takes for another spectrum is water as often.

It needs a target that stays where it was and a readout of one polarity (of a bipolar train, odd and
even echoes differ, and water and fat are told apart wrongly). Not modelled: the susceptibility of
fat, 0.01 ppm/°C, whose field reaches beyond the heated fat (Sprinkhuizen 2010,
doi:10.1002/mrm.22531). Fat's own temperature is not seen: pure fat is not valid.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from messages import Image, TemperatureMap
from thermometry.baseline import Gathering, finish, gather
from thermometry.coil_images import Coils, coils_of, frozen, noise_std_of
from thermometry.coil_profile import CoilProfile
from thermometry.drift import DriftBasis, DriftFit
from thermometry.echoes.echo_coils import train_profile
from thermometry.echoes.fat_spectrum import fat_at_echoes
from thermometry.echoes.train_drift import TrainDrift
from thermometry.echoes.train_turn import field_and_common
from thermometry.echoes.water_fat_library import MISFIT, WaterFatLibrary, fit_library
from thermometry.echoes.water_fat_rise import AMBIGUOUS_CHI2, N_UNKNOWN, measure_rise
from thermometry.plan import ThermometryPlan, phase_to_temperature_rad_per_c

Volume = NDArray[np.float32]
Echoes = NDArray[np.complex64]
NEVER: Final = np.float32(np.nan)
RISE, BY_FRAME, BY_REFERENCE, BY_FIELD, BY_COMMON, CHI2, RATIO, ADVANTAGE = range(8)


@dataclass(frozen=True, slots=True, eq=False)
class TrainReference:
    """What later trains are compared with: the same object from frame to frame.

    profile: of the coils. whitening: complex64 (coil, coil) where there was no noise scan.
    noise_variance: E|n|² of a coil in one image, for images that do not give their own.
    """

    library: WaterFatLibrary
    profile: CoilProfile
    whitening: Echoes | None
    noise_variance: float

    def combined(self, echoes: tuple[Coils, ...]) -> tuple[Echoes, NDArray[np.bool_]]:
        """Return the echoes (echo, pixel) through the coil profile, and where all are finite."""
        return _combined(echoes, self.profile, self.whitening)


@dataclass(frozen=True, slots=True, eq=False)
class WaterFatState:
    """What the next train is compared with.

    gatherings: of each echo, while the baseline lasts. rise_c: float32 (z, y, x), the last valid
    rise of each pixel. drift_rad: float64 (term,), the last drift that could be trusted.
    """

    gatherings: tuple[Gathering, ...]
    reference: TrainReference | None
    rise_c: Volume
    drift_rad: NDArray[np.float64]


class WaterFat:
    """Rise of water's temperature against the mean of the first trains, fat set aside."""

    least_echoes: ClassVar[int] = 3  # water, fat, field and R2* are six numbers

    def __init__(self, plan: ThermometryPlan) -> None:
        times = plan.echo_times_s
        if len(times) < self.least_echoes:
            raise ValueError(
                f"water-fat has {len(times)} echoes, expected {self.least_echoes} or more: water "
                "and fat are told apart by how they turn from echo to echo"
            )
        if any(not later > earlier > 0 for earlier, later in pairwise(times)):
            raise ValueError(
                f"echo times {times} s, expected above 0 and each after the one before"
            )
        self.plan = plan
        self.drift = TrainDrift(DriftBasis(plan.shape, plan.drift_order), times)
        self.fitted_region = (plan.reference_mask & ~plan.heated_mask).ravel()
        self.rad_per_c = np.array([_rad_per_c(plan, time_s) for time_s in times])
        self.c_per_rad = abs(1.0 / _rad_per_c(plan, float(np.mean(times))))

    def start(self) -> WaterFatState:
        """State before the first train."""
        nothing = frozen(np.zeros(self.plan.shape, np.float32))
        return WaterFatState((), None, nothing, frozen(np.zeros(self.drift.n_terms)))

    def step(self, state: WaterFatState, image: Image) -> tuple[WaterFatState, TemperatureMap]:
        """State and map after one more train.

        The first `baseline_frames` complete trains make the reference and give no temperature. An
        incomplete one gives no temperature and leaves no trace.
        Raises ValueError for an image without the plan's echoes, or with other coils than before.
        """
        if not image.is_complete:
            return state, self._blank(state, image)
        echoes = self._echoes(state, image)
        if state.reference is None:
            return self._gather(state, image, echoes)
        return self._measure(state, image, echoes, state.reference)

    def _echoes(self, state: WaterFatState, image: Image) -> tuple[Coils, ...]:
        n_expected = len(self.plan.echo_times_s)
        if len(image.echoes) != n_expected:
            raise ValueError(
                f"frame {image.frame_id}: {len(image.echoes)} echoes, the plan has {n_expected}"
            )
        echoes = tuple(coils_of(echo, self.plan) for echo in image.echoes)
        n_coils = {len(echo) for echo in echoes}
        known = {len(one.mean) for one in state.gatherings}
        if state.reference is not None:
            known = {len(state.reference.profile.conjugate)}
        if len(n_coils | known) != 1:
            raise ValueError(
                f"frame {image.frame_id}: echoes have {sorted(n_coils)} coils, the baseline has "
                f"{sorted(known)}"
            )
        return echoes

    def _gather(
        self, state: WaterFatState, image: Image, echoes: tuple[Coils, ...]
    ) -> tuple[WaterFatState, TemperatureMap]:
        so_far = state.gatherings or (None,) * len(echoes)
        gatherings = tuple(
            gather(one, coils, noise_std=noise_std_of(echo), basis=self.drift.basis)
            for one, coils, echo in zip(so_far, echoes, image.echoes, strict=True)
        )
        state = replace(state, gatherings=gatherings)
        baseline_map = replace(self._blank(state, image), is_baseline=True)
        if gatherings[0].n_frames == self.plan.baseline_frames:
            drift_rad = self._drift_of(gatherings)
            state = replace(
                state,
                gatherings=(),
                reference=self._separate(gatherings),
                drift_rad=frozen(drift_rad),
            )
        return state, baseline_map

    def _drift_of(self, gatherings: tuple[Gathering, ...]) -> NDArray[np.float64]:
        if not self.drift.n_terms:
            return np.zeros(0)
        drifts = tuple(one.drift_rad for one in gatherings)
        return np.append(*field_and_common(drifts, self.drift.lever))

    def _separate(self, gatherings: tuple[Gathering, ...]) -> TrainReference:
        """Make the reference: noise of all echoes together, coil profile, water and fat."""
        plan = self.plan
        pooled = replace(
            gatherings[0],
            covariance=np.sum([one.covariance for one in gatherings], axis=0),
            noise_variances=tuple(v for one in gatherings for v in one.noise_variances),
        )
        noise = finish(pooled, min_snr=plan.min_snr)
        means = tuple(noise.white(one.mean) for one in gatherings)
        profile = train_profile(means)
        baseline, _ = _combined(means, profile, None)
        library = fit_library(
            baseline,
            fat=fat_at_echoes(
                plan.echo_times_s,
                h1_frequency_hz=plan.h1_frequency_hz,
                alpha_ppm_per_c=plan.alpha_ppm_per_c,
                phase_sign=plan.phase_sign,
                temperature_c=plan.body_temperature_c,
            ),
            echo_times_s=plan.echo_times_s,
            noise_variance=noise.noise_variance * profile.gain**2,
            count=np.min([one.count for one in gatherings], axis=0),
            shape=plan.shape,
            min_snr=plan.min_snr,
        )
        return TrainReference(library, profile, noise.whitening, noise.noise_variance)

    def _measure(
        self,
        state: WaterFatState,
        image: Image,
        echoes: tuple[Coils, ...],
        reference: TrainReference,
    ) -> tuple[WaterFatState, TemperatureMap]:
        plan, library = self.plan, reference.library
        noise_variance = self._noise_variance(image, reference)
        measured, finite = reference.combined(echoes)
        power = np.mean(measured.real**2 + measured.imag**2, axis=0)
        usable = library.usable & finite & (power >= 0.5 * plan.min_snr**2 * noise_variance)
        fit = None
        if self.drift.n_terms:
            fit = self.drift.fit(
                measured,
                library.baseline,
                region=library.has_signal & finite & self.fitted_region,
                noise_variance=noise_variance,
                per_frame=library.per_frame,
                start=state.drift_rad,
            )
        drift_rad = state.drift_rad if fit is None else frozen(fit.coefficients)
        found = measure_rise(
            measured * self.drift.turn(drift_rad),
            library.baseline,
            library.water,
            library.gain,
            usable,
            state.rise_c.ravel(),
            self.rad_per_c,
            np.asarray(plan.echo_times_s),
            0.5 * noise_variance,
            library.per_frame,
        )
        return self._conclude(state, image, found, usable, fit, drift_rad)

    def _conclude(
        self,
        state: WaterFatState,
        image: Image,
        found: NDArray[np.float32],
        usable: NDArray[np.bool_],
        fit: DriftFit | None,
        drift_rad: NDArray[np.float64],
    ) -> tuple[WaterFatState, TemperatureMap]:
        """State and map from what the kernel found, rows as in `measure_rise`."""
        plan = self.plan
        misfit_sigma = self._misfit_sigma(found[CHI2], usable & self.fitted_region)
        std_c, common_c = self._certainty(found, fit, misfit_sigma=misfit_sigma)
        # false for NaN
        valid = usable & (std_c <= plan.max_std_c)
        held_c = np.where(valid, found[RISE], state.rise_c.ravel())
        state = replace(state, rise_c=frozen(held_c.reshape(plan.shape)), drift_rad=drift_rad)
        field = self.drift.basis.evaluate(drift_rad[: self.drift.basis.n_terms]).ravel()

        def shown(values: Volume, where: NDArray[np.bool_] = valid) -> Volume:
            return frozen(np.where(where, values, NEVER).reshape(plan.shape))

        return state, replace(
            self._blank(state, image),
            temperature_c=shown(np.float32(plan.body_temperature_c) + found[RISE]),
            temperature_std_c=shown(std_c),
            common_std_c=shown(common_c),
            valid=frozen(valid.reshape(plan.shape)),
            drift_c=float(np.max(np.abs(field * valid))) * self.c_per_rad,
            drift_residual_c=0.0 if fit is None else fit.excess_rad * self.c_per_rad,
            is_drift_trusted=fit is not None or plan.drift_order < 0,
            ambiguous=frozen((valid & (found[ADVANTAGE] < AMBIGUOUS_CHI2)).reshape(plan.shape)),
            misfit_sigma=misfit_sigma,
            magnitude_ratio=shown(found[RATIO], usable),
        )

    def _certainty(
        self, found: NDArray[np.float32], fit: DriftFit | None, *, misfit_sigma: float
    ) -> tuple[Volume, Volume]:
        """Return the standard deviation and the part that all frames share, (pixel,), in °C.

        A pixel that fits worse than noise allows is less certain in proportion, and so are all
        where that is typical. Pixels that the drift was fitted to have pulled it towards
        themselves, as in `conversion.to_temperature`.
        """
        chi2 = np.fmax(found[CHI2], np.float32(misfit_sigma**2))
        misfit = np.where(chi2 > MISFIT, chi2, np.float32(1))
        variance = found[BY_FRAME] * misfit + found[BY_REFERENCE]
        if fit is not None:
            share = np.ones_like(variance)
            share[fit.pixels] -= 2 * fit.weights.astype(np.float32)
            by_drift = self.drift.variance(fit.covariance, found[BY_FIELD], found[BY_COMMON])
            variance = np.maximum(variance + share * by_drift, 0)
        return np.sqrt(variance), np.sqrt(found[BY_REFERENCE])

    def _misfit_sigma(self, chi2: Volume, region: NDArray[np.bool_]) -> float:
        """Typical residual over the noise, by the median over the region."""
        if not region.any():
            return math.nan
        degrees = 2 * len(self.plan.echo_times_s) - N_UNKNOWN
        typical = 2 * float(gammaincinv(degrees / 2, 0.5)) / degrees
        return math.sqrt(float(np.median(chi2[region])) / typical)

    def _noise_variance(self, image: Image, reference: TrainReference) -> float:
        """Return E|n|² of one combined echo; all echoes have one, at the same bandwidth."""
        stds = [noise_std_of(echo) for echo in image.echoes]
        known = [std**2 for std in stds if std is not None]
        own = float(np.mean(known)) if known else reference.noise_variance
        return own * reference.profile.gain**2

    def _blank(self, state: WaterFatState, image: Image) -> TemperatureMap:
        plan, nothing = self.plan, frozen(np.full(self.plan.shape, NEVER))
        fraction, n_gathered = None, len(state.gatherings) and state.gatherings[0].n_frames
        if state.reference is not None:
            library, n_gathered = state.reference.library, plan.baseline_frames
            fraction = library.fat_fraction.reshape(plan.shape)
        return TemperatureMap(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            temperature_c=nothing,
            temperature_std_c=nothing,
            common_std_c=nothing,
            valid=frozen(np.zeros(plan.shape, np.bool_)),
            is_baseline=False,
            baseline_frames=n_gathered,
            baseline_wanted=plan.baseline_frames,
            drift_rad=tuple(float(c) for c in state.drift_rad),
            fat_fraction=fraction,
        )


def _combined(
    echoes: tuple[Coils, ...], profile: CoilProfile, whitening: Echoes | None
) -> tuple[Echoes, NDArray[np.bool_]]:
    if whitening is not None:
        echoes = tuple(np.tensordot(whitening, one, axes=1) for one in echoes)
    projected = [profile.project(one) for one in echoes]
    finite = np.logical_and.reduce([one for _, one in projected])
    return np.stack([one for one, _ in projected]), finite


def _rad_per_c(plan: ThermometryPlan, echo_time_s: float) -> float:
    return phase_to_temperature_rad_per_c(
        echo_time_s,
        plan.h1_frequency_hz,
        alpha_ppm_per_c=plan.alpha_ppm_per_c,
        phase_sign=plan.phase_sign,
    )
