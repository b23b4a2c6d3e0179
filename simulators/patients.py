"""Patients by name: tissue that makes thermometry hard in one particular way each."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from simulators.phantom import HEAD, Ellipse
from simulators.physiology import Physiology
from simulators.sequences import CATALOGUE, ScanSequence
from simulators.tissue import (
    FAT,
    WATER,
    Breathing,
    Cone,
    Disc,
    FieldDrift,
    Gaussian,
    Heat,
    MagnetField,
    Part,
    Push,
    Skewed,
    Sphere,
    Tissue,
)
from simulators.tissue.heat import Medium, on_off, opens_with_heat
from simulators.tissue_scan import TissueScan


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPatient:
    """tissue: by when the heat goes on and off (s). sequence: the one of the catalogue that fits.

    over_s: the frames are spread over so long, with pauses between them; None plays without pause.
    n_frames: enough to learn what it does at rest, and then to heat. quiet_s: no heat before it,
    or before half of a scan that is too short.
    """

    tissue: Callable[[float, float], Tissue]
    sequence: str
    over_s: float | None = None
    n_frames: int = 24
    quiet_s: float = 0.0

    def scan(
        self,
        sequence: ScanSequence,
        *,
        n_coils: int = 8,
        snr: float = 40.0,
        seed: int = 20260501,
        heat: bool = True,
        has_waveforms: bool = False,
        compression_bits: int = 0,
    ) -> TissueScan:
        """Return a scan whose heat is on from a quarter of its time, or later, to three quarters.

        has_waveforms: ECG and the breath that moves the tissue.
        """
        playing_s = sequence.lead_s + sum(map(sequence.frame_time_s, range(sequence.n_frames)))
        whole_s = max(self.over_s or 0.0, playing_s)
        on_s = max(whole_s / 4, min(self.quiet_s, whole_s / 2))
        tissue = self.tissue(on_s, 3 * whole_s / 4)
        breathing, physiology = tissue.breathing, Physiology()
        if breathing is not None:
            physiology = Physiology(breath_s=breathing.period_s, drive=breathing.drive)
        return TissueScan(
            sequence,
            tissue if heat else replace(tissue, heat=None, push=None),
            n_coils=n_coils,
            snr=snr,
            seed=seed,
            pause_s=(whole_s - playing_s) / sequence.n_frames,
            physiology=physiology if has_waveforms else None,
            compression_bits=compression_bits,
        )


def _breathing_liver(on_s: float, off_s: float) -> Tissue:
    """Lay a liver under the diaphragm, in a coronal slice: y runs from head to foot.

    Against one baseline a thermometer errs by about 12 °C rms over the organ.
    """
    vessels = tuple(
        Ellipse(0.25, (x, y), (2.5, 14), angle)
        for x, y, angle in ((-30, 5, 25), (10, -5, -40), (35, 35, 15), (-15, 55, 70), (-45, 40, 5))
    )
    liver = (Ellipse(0.75 + 0.1j, (0, 22), (72, 70)), *vessels, Ellipse(-0.3, (28, -12), (6, 6)))
    wall = (Ellipse(0.6, (0, 6), (104, 110)), Ellipse(-0.6, (0, 6), (88, 101)))
    rind = (Ellipse(0.5, (0, 6), (114, 118)), Ellipse(-0.5, (0, 6), (104, 110)))
    return Tissue(
        parts=(Part(water=liver, moves=True), Part(water=wall, fat=rind)),
        water=replace(WATER, t2_star_s=0.025, t2_star_per_c=0.01, magnitude_per_c=-0.01),
        fat=replace(FAT, t2_star_s=0.015),
        breathing=Breathing(reach_mm=11, lag_s=0.25, across_mm=2, depth_varies=0.15),
        bodies=(
            Sphere(
                chi_ppm=3.5,
                center_mm=(8, -116, 0),
                radius_mm=60,
                follows_mm=(0, 9),
                swells=0.08,
            ),
        ),
        b0_axis="y",
        heat=Heat(
            source=Disc(center_mm=(-12, 34), radius_mm=5, half_depth_mm=5),
            plan=on_off(on_s, off_s, watts=40),
            rate_c_per_s_w=0.05,
            medium=Medium(
                perfusion_per_s=0.015, perfusion_factor=opens_with_heat(per_c=0.1, up_to=3)
            ),
            center_mm=(-12, 34),
        ),
    )


def _fatty_breast(on_s: float, off_s: float) -> Tissue:
    """Put glands into fat; the focus lies across their border, and warm fat disturbs the field."""
    outline = Ellipse(0.8, (0, 10), (85, 75))
    glands = tuple(
        Ellipse(0.7, centre, axes, angle)
        for centre, axes, angle in (
            ((-20, 5), (28, 16), 20), ((25, 20), (22, 30), -15), ((5, -25), (25, 12), 5),
        )
    )  # fmt: skip
    holes = tuple(replace(one, weight=-0.65) for one in glands)
    muscle = Ellipse(0.6, (0, 95), (90, 12))
    return Tissue(
        parts=(Part(water=(*glands, muscle), fat=(outline, *holes)),),
        water=replace(WATER, t2_star_s=0.035),
        fat=replace(FAT, t2_star_s=0.020, magnitude_per_c=-0.012),
        field=MagnetField(order1_hz=(15, -10), order2_hz=(10, 5, -8)),
        drift=FieldDrift(pattern=MagnetField(order0_hz=4, order1_hz=(2, 0)), after_s=60),
        fat_chi_ppm_per_c=0.01,
        b0_axis="y",
        heat=Heat(
            source=Skewed(center_mm=(-6, 8), fwhm_mm=(4, 6, 12, 4)),
            plan=on_off(on_s, off_s, watts=40),
            rate_c_per_s_w=0.05,
            medium=Medium(perfusion_per_s=0.001),
            center_mm=(-6, 8),
            extent_mm=(60, 60),
            half_depth_mm=15,
            grid_mm=1.0,
        ),
    )


def _drifting_head(on_s: float, off_s: float) -> Tissue:
    """Put a head into a magnet that warms up: order 2 in space, for forty minutes."""
    pattern = MagnetField(order0_hz=9, order1_hz=(4, -3), order2_hz=(3, -2, 4))
    return Tissue(
        parts=(Part(water=HEAD),),
        water=replace(WATER, t2_star_s=0.045),
        drift=FieldDrift(pattern=pattern, saturates_s=1500),
        heat=Heat(
            source=Gaussian(center_mm=(13.3, 15.2), fwhm_mm=(4, 8, 4)),
            plan=on_off(on_s, min(off_s, on_s + 20), watts=40),
            rate_c_per_s_w=0.04,
            center_mm=(13.3, 15.2),
        ),
    )


def _epi_brain(on_s: float, off_s: float) -> Tissue:
    """Take a head whose sinus bends an echo-planar image; the beam warms the near field too."""
    return Tissue(
        parts=(Part(water=HEAD),),
        water=replace(WATER, t2_star_s=0.045),
        field=MagnetField(order0_hz=5, order1_hz=(6, -10)),
        bodies=(Sphere(chi_ppm=6, center_mm=(0, -98, -22), radius_mm=16),),
        heat=Heat(
            source=Cone(center_mm=(13.3, 15.2), waist_fwhm_mm=4, depth_mm=45),
            plan=on_off(on_s, off_s, watts=40),
            rate_c_per_s_w=0.06,
            center_mm=(13.3, 5.0),
            extent_mm=(72, 110),
            grid_mm=1.0,
        ),
    )


def _arfi_brain(on_s: float, off_s: float) -> Tissue:
    """Push a head by 5 µm in every second pair of frames, which warms it a little."""
    return Tissue(
        parts=(Part(water=HEAD),),
        water=replace(WATER, t2_star_s=0.045),
        drift=FieldDrift(pattern=MagnetField(order0_hz=3), after_s=60),
        push=Push(
            shape=Gaussian(center_mm=(13.3, 15.2), fwhm_mm=(6, 12, 6)),
            is_on=lambda frame: frame // 2 % 2 == 1,
        ),
        heat=Heat(
            source=Gaussian(center_mm=(13.3, 15.2), fwhm_mm=(4, 8, 4)),
            plan=on_off(on_s, off_s, watts=2),
            rate_c_per_s_w=0.04,
            center_mm=(13.3, 15.2),
        ),
    )


PATIENTS: dict[str, NamedPatient] = {
    "breathing-liver": NamedPatient(
        tissue=_breathing_liver, sequence="epi-segmented", n_frames=80, quiet_s=10.0
    ),
    "fatty-breast": NamedPatient(tissue=_fatty_breast, sequence="multi-echo", n_frames=16),
    "drifting-head": NamedPatient(tissue=_drifting_head, sequence="gre", over_s=2400.0),
    "epi-brain": NamedPatient(tissue=_epi_brain, sequence="epi", n_frames=100),
    "arfi-brain": NamedPatient(tissue=_arfi_brain, sequence="arfi", n_frames=12),
}


def named_patient(name: str, **of_sequence: object) -> TissueScan:
    """Return a patient in the sequence that fits, whose parameters are those of the catalogue."""
    patient = PATIENTS[name]
    return patient.scan(CATALOGUE[patient.sequence](**of_sequence))
