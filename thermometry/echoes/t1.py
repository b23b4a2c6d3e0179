"""Temperature from T1, for fat and bone, where the proton frequency tells nothing.

A documented simpler method, and not validated: neither on a phantom nor in tissue. It needs two or
more flip angles in each frame, so it is slower and noisier than phase. Wrong where the target
moves, where it melts or coagulates (T1 then changes for good), and where water and fat, whose T1
change differently, share a pixel. With an ultrashort echo time it is the method for bone.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.baseline import coil_energy
from thermometry.coil_images import frozen
from thermometry.conversion import NEVER
from thermometry.corrections import with_scale
from thermometry.noise import noise_variance_from_detail
from thermometry.plan import ThermometryPlan

Real = NDArray[np.float64]  # 1 - E1 is a hundredth: float32 would lose two digits of it
ROUNDS: Final = 2  # weights need T1, and T1 weights: the second round moves it by 1 %


@dataclass(frozen=True, slots=True, eq=False)
class T1Reference:
    """T1 at rest, s, and its variance, s²; float64 (z, y, x)."""

    t1_s: Real
    variance: Real


@dataclass(frozen=True, slots=True, eq=False)
class T1State:
    """What the next image is compared with.

    signal2, variance: float64 (flip, z, y, x), means over the baseline so far of the squared signal
        and of the noise variance of a signal's real part; None before the first image and after
        the last.
    reference: of the finished baseline.
    """

    n_frames: int = 0
    signal2: Real | None = None
    variance: Real | None = None
    reference: T1Reference | None = None


@dataclass(frozen=True, slots=True)
class T1Thermometry:
    """T1 by variable flip angle against that of the baseline: ΔT = (T1 / T1₀ - 1) / m.

    Deoni 2003 (DESPOT1), doi:10.1002/mrm.10407, weighted as Chang 2008, doi:10.1002/mrm.21669. m is
    the relative change of T1 a degree, with a standard deviation of its own that all frames share:
    1.9 ± 0.2 %/°C in fat of rabbits at 3 T (PubMed 39831523), 0.67 to 0.84 ms/°C in cortical bone
    seen with an ultrashort echo time (PubMed 26390357). A wrong flip angle, as B1+ makes it, scales
    T1 and T1₀ alike and nearly cancels. Field drift leaves the magnitude alone, so `drift_order`
    has no part here, nor has α. Todd 2014, PMC4028434, measured both, T1 and proton frequency.
    """

    plan: ThermometryPlan
    flips_rad: Real

    def __init__(self, plan: ThermometryPlan) -> None:
        flips_deg = plan.flip_angles_deg
        if len(flips_deg) < 2 or len(set(flips_deg)) < len(flips_deg):
            raise ValueError(
                "t1 needs two or more flip angles, one for each contrast, none twice; the header's "
                f"sequenceParameters.flipAngle_deg gives {', '.join(map(str, flips_deg)) or 'none'}"
            )
        if not all(0 < one < 180 for one in flips_deg):
            raise ValueError(f"flip angles are {flips_deg}°, expected above 0 and below 180")
        if not plan.repetition_time_s > 0:
            raise ValueError("t1 needs the header's sequenceParameters.TR, which is missing")
        if not plan.t1_change_percent_per_c > 0:
            raise ValueError("t1 needs thermometry.t1_change_percent_per_c in the protocol")
        # α and the proton frequency have no part in it, so neither has what follows from them
        plan = replace(plan, alpha_std_ppm_per_c=0.0, off_resonance_shift=False)
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "flips_rad", np.radians(flips_deg))

    def start(self) -> T1State:
        """State before the first image."""
        return T1State()

    def step(self, state: T1State, image: Image) -> tuple[T1State, TemperatureMap]:
        """State and map after one more image.

        The first `baseline_frames` complete images make the reference. An incomplete image gives no
        temperature and leaves no trace.
        """
        if not image.is_complete:
            return state, self._blank(state, image)
        signal2, variance = self._signals(image)
        if state.reference is None:
            state = self._gather(state, signal2, variance)
            return state, replace(self._blank(state, image), is_baseline=True)
        return state, self._measure(state.reference, image, signal2, variance)

    def _signals(self, image: Image) -> tuple[Real, Real]:
        """Return squared signal and noise variance of the real part, (flip, z, y, x).

        Σ|x|² over coils less the noise that it holds, Cσ²: a plain root sum of squares would lift
        the weak flip angle more than the strong one. Trzasko 2012, doi:10.1002/mrm.24401.
        """
        images = image.echoes or (image,)
        if len(images) != len(self.flips_rad):
            raise ValueError(
                f"frame {image.frame_id}: image has {len(images)} contrasts, "
                f"plan has {len(self.flips_rad)} flip angles"
            )
        signals, variances = [], []
        for one in images:
            coils = one.pixels[None] if one.coil_pixels is None else one.coil_pixels
            if coils.shape[1:] != self.plan.shape:
                raise ValueError(
                    f"frame {image.frame_id}: image is {coils.shape[1:]}, plan {self.plan.shape}"
                )
            if one.noise_std is None:
                noise = np.asarray(noise_variance_from_detail(coils) or 0.0)
            else:
                noise = np.square(one.noise_std, dtype=np.float64)
            signal2 = coil_energy(coils).astype(np.float64) - len(coils) * noise
            signals.append(signal2)
            # of the root: the noise along the signal, and that of all coils in Σ|x|²
            own = 0.5 * noise * (1 + 0.5 * len(coils) * noise / np.maximum(signal2, noise))
            variances.append(np.broadcast_to(own, signal2.shape))
        return np.stack(signals), np.stack(variances)

    def _gather(self, state: T1State, signal2: Real, variance: Real) -> T1State:
        n = state.n_frames + 1
        if state.signal2 is not None and state.variance is not None:
            signal2 = state.signal2 + (signal2 - state.signal2) / n
            variance = state.variance + (variance - state.variance) / n
        state = replace(state, n_frames=n, signal2=frozen(signal2), variance=frozen(variance))
        if n < self.plan.baseline_frames:
            return state
        t1_s, t1_variance = self._t1(signal2, variance / n)
        return T1State(n, reference=T1Reference(frozen(t1_s), frozen(t1_variance)))

    def _t1(self, signal2: Real, variance: Real) -> tuple[Real, Real]:
        """Return T1 (s) and its variance, (z, y, x); NaN where the signals are no steady state."""
        is_seen = signal2 >= self.plan.min_snr**2 * variance
        signal = np.sqrt(np.where(is_seen, signal2, np.nan))
        return despot1(
            signal,
            variance,
            flips_rad=self.flips_rad,
            repetition_time_s=self.plan.repetition_time_s,
        )

    def _measure(
        self, before: T1Reference, image: Image, signal2: Real, variance: Real
    ) -> TemperatureMap:
        plan = self.plan
        per_c = plan.t1_change_percent_per_c / 100
        t1_s, t1_variance = self._t1(signal2, variance)
        ratio = t1_s / before.t1_s
        common_c = ratio * np.sqrt(before.variance) / before.t1_s / per_c
        std_c = np.hypot(np.sqrt(t1_variance) / before.t1_s / per_c, common_c)
        temperature_c = plan.body_temperature_c + (ratio - 1) / per_c
        # false for NaN
        valid = np.isfinite(temperature_c) & (std_c <= plan.max_std_c)

        def shown(values: Real) -> NDArray[np.float32]:
            return frozen(np.where(valid, values, NEVER).astype(np.float32))

        measured = replace(
            self._blank(T1State(plan.baseline_frames), image),
            temperature_c=shown(temperature_c),
            temperature_std_c=shown(std_c),
            common_std_c=shown(common_c),
            valid=frozen(valid),
            ambiguous=frozen(np.zeros(plan.shape, np.bool_)),
        )
        share = plan.t1_change_std_percent_per_c / plan.t1_change_percent_per_c
        return with_scale(measured, share=share, body_c=plan.body_temperature_c)

    def _blank(self, state: T1State, image: Image) -> TemperatureMap:
        nothing = frozen(np.full(self.plan.shape, NEVER))
        return TemperatureMap(
            frame_id=image.frame_id,
            key=image.key,
            time_s=image.time_s,
            temperature_c=nothing,
            temperature_std_c=nothing,
            common_std_c=nothing,
            valid=frozen(np.zeros(self.plan.shape, np.bool_)),
            is_baseline=False,
            baseline_frames=state.n_frames,
            baseline_wanted=self.plan.baseline_frames,
        )


def despot1(
    signal: Real, variance: Real, *, flips_rad: Real, repetition_time_s: float
) -> tuple[Real, Real]:
    """Return T1 (s) of spoiled gradient echoes and its variance (s²), (…); NaN where there is none.

    signal, variance: (flip, …), steady states S(a) = M sin a (1 - E) / (1 - E cos a), E = exp(-TR /
    T1). S / sin a is a line over S / tan a, of slope E (Deoni 2003, eq. 2); its points are noisy by
    (1 - E cos a) / sin a times the signal, which gives the weights (Chang 2008) and the variance.
    """
    shape = (-1,) + (1,) * (signal.ndim - 1)
    sine, cosine = np.sin(flips_rad).reshape(shape), np.cos(flips_rad).reshape(shape)
    across, up = signal * cosine / sine, signal / sine
    slope = np.ones(signal.shape[1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(ROUNDS):
            noise2 = ((1 - slope * cosine) / sine) ** 2 * np.maximum(variance, np.finfo("f4").tiny)
            weight = 1 / noise2
            mean_across = np.sum(weight * across, axis=0) / np.sum(weight, axis=0)
            lever = weight * (across - mean_across)
            spread = np.sum(lever * across, axis=0)
            slope = np.sum(lever * up, axis=0) / spread
        is_steady = (slope > 0) & (slope < 1)
        left = -np.log(np.where(is_steady, slope, np.nan))  # TR / T1
        slope_variance = np.sum((lever / spread) ** 2 * noise2, axis=0)
    t1_s = repetition_time_s / left
    return t1_s, (t1_s / (left * slope)) ** 2 * slope_variance
