"""What a focused-ultrasound treatment is: scanner, patient, heating plan, drift."""

import math
from dataclasses import dataclass, field

from simulators.bioheat import GaussianSource, Tissue, exact_rise_c
from simulators.drift import Drift
from simulators.phantom import HEAD, Ellipse
from simulators.sequence import GradientEcho

ALPHA_PPM_PER_C = -0.0094  # water's proton resonance frequency, as the focused-ultrasound line uses


@dataclass(frozen=True, slots=True)
class Treatment:
    """One sonication in a head. The image plane holds the beam, which runs along y.

    snr: |signal| / std of the noise's real part in an optimally combined image at the focus;
        infinite for no noise at all (and no noise scan).
    focus_mm: (x, y) from the isocentre. focus_fwhm_mm: (lateral, axial).
    planned_peak_c: where the planned heating would end if nobody stopped it.
    phase_sign: 1 means Δφ = 2π γ̄ α B0 TE ΔT in the inverse FFT, -1 the opposite.
    resumes: whether heating starts again after a hold ended it and was withdrawn.
    """

    sequence: GradientEcho = field(default_factory=GradientEcho)
    anatomy: tuple[Ellipse, ...] = HEAD
    n_coils: int = 8
    snr: float = 40.0
    n_frames: int = 30
    n_baseline_frames: int = 5
    n_noise_readouts: int = 128
    focus_mm: tuple[float, float] = (13.3, 15.2)
    focus_fwhm_mm: tuple[float, float] = (3.0, 6.5)
    tissue: Tissue = field(default_factory=Tissue)
    body_c: float = 37.0
    planned_heating_s: float = 20.0
    planned_peak_c: float = 64.0
    power_w: float = 30.0
    drift: Drift = field(default_factory=Drift)
    alpha_ppm_per_c: float = ALPHA_PPM_PER_C
    phase_sign: int = 1
    resumes: bool = False
    seed: int = 20260501

    @property
    def rad_per_c(self) -> float:
        """Phase per °C in the image."""
        cycles = self.alpha_ppm_per_c * 1e-6 * self.sequence.h1_frequency_hz
        return self.phase_sign * 2 * math.pi * cycles * self.sequence.echo_time_s

    @property
    def focus_px(self) -> tuple[float, float]:
        """Where the focus lies in the reconstruction, (y, x) pixels."""
        (dx, dy), (nx, ny) = self.sequence.pixel_mm, self.sequence.matrix
        return ny // 2 + self.focus_mm[1] / dy, nx // 2 + self.focus_mm[0] / dx

    @property
    def source(self) -> GaussianSource:
        """The absorbed power: axial along y, lateral along x and through the slice."""
        lateral, axial = self.focus_fwhm_mm
        return GaussianSource((lateral, axial, lateral))

    @property
    def rate_c_per_s(self) -> float:
        """Heating rate at the focus that reaches the planned peak in the planned time."""
        per_rate = exact_rise_c(
            self.source,
            self.tissue,
            position_mm=(0, 0, 0),
            time_s=self.planned_heating_s,
            rate_c_per_s=1.0,
        )
        return (self.planned_peak_c - self.body_c) / per_rate


def default_treatment() -> Treatment:
    """Return the demo's treatment: 60 s, heading for 64 °C so that a 60 °C limit has to act."""
    return Treatment(
        drift=Drift(order0_c_per_s=0.08, order1_c_per_s=(0.03, -0.02)),
    )
