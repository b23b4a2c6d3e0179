import math
from dataclasses import replace

import numpy as np
import pytest

from simulators.phantom import Ellipse
from simulators.sequences import Cartesian, Epi
from simulators.tissue import (
    FAT,
    FAT_PEAKS,
    WATER,
    Gaussian,
    Heat,
    Part,
    Tissue,
)
from simulators.tissue.fat import fat_signal
from simulators.tissue.heat import on_off
from simulators.tissue.warm_fat import WarmFat
from simulators.tissue_scan import TissueScan
from tests.simulators.tissue_images import images, inside

HERTZ = 123.25e6
DISC = (Ellipse(1.0, (6.0, -9.0), (50.0, 60.0)),)
FATTY = Tissue(parts=(Part(fat=DISC),))


def test_peaks_beat_as_their_shifts_say():
    times = np.array([0.0, 0.0023, 0.0117])
    expected = sum(
        share * np.exp(2j * np.pi * ppm * 1e-6 * HERTZ * times) for ppm, share in FAT_PEAKS
    )
    found = fat_signal(times, h1_frequency_hz=HERTZ)
    assert found == pytest.approx(expected / 0.999, rel=1e-6)
    assert found[0] == pytest.approx(1.0)
    assert fat_signal(times, h1_frequency_hz=HERTZ, sign=-1) == pytest.approx(found.conj())


def test_fat_is_displaced_along_the_readout():
    one_peak_hz = -3.4e-6 * HERTZ
    sequence = Cartesian(matrix=(64, 64), n_frames=1, sample_time_us=24.0)
    fat, water = (
        np.abs(images(TissueScan(sequence, Tissue(parts=(part,)), n_coils=1))[0, 0])
        for part in (Part(fat=DISC), Part(water=DISC))
    )
    x = sequence.columns_mm

    def middle(image):
        return float((image**2).sum(0) @ x / (image**2).sum())

    pixel_hz = 1 / (128 * 24e-6)
    shift_mm = -one_peak_hz / pixel_hz * 3.75
    # exp(2πi f t) with kx growing in time: x appears at x - f / (bandwidth per pixel)
    assert middle(fat) - middle(water) == pytest.approx(shift_mm, rel=0.15)
    rows = [(image**2).sum(1) / (image**2).sum() for image in (fat, water)]
    assert np.abs(rows[0] - rows[1]).max() < 0.03 * rows[1].max()  # and not across it


def test_fat_is_displaced_along_the_phase_encoding_of_an_echo_train():
    epi = Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1)
    lines = {}
    for kind, part in (("fat", Part(fat=DISC)), ("water", Part(water=DISC))):
        scan = TissueScan(epi, Tissue(parts=(part,)), n_coils=1)
        rows = [scan.samples(each)[0, 39:41].mean() for each in list(epi.readouts())[3:]]
        lines[kind] = np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(rows))))
    overlap = [float(np.roll(lines["water"], n) @ lines["fat"]) for n in range(40)]
    pixels = -3.4e-6 * HERTZ * 40 * 560e-6  # of 40: turns once around the field of view
    assert abs((np.argmax(overlap) + pixels + 20) % 40 - 20) <= 1.5


def test_echoes_of_mixed_tissue_beat_and_decay():
    tissue = Tissue(
        parts=(Part(water=(replace(DISC[0], weight=0.7),), fat=(replace(DISC[0], weight=0.3),)),),
        water=replace(WATER, t2_star_s=0.03),
        fat=replace(FAT, t2_star_s=0.012),
    )
    times = (0.0023, 0.0046, 0.0092, 0.0138)
    sequence = Cartesian(matrix=(48, 48), n_frames=1, echo_times_s=times, sample_time_us=1.0)
    scan = TissueScan(sequence, tissue, n_coils=1)
    water = 0.7 * np.exp(-np.array(times) / 0.03)
    fat = 0.3 * np.exp(-np.array(times) / 0.012)
    expected = water + fat * fat_signal(np.array(times), h1_frequency_hz=HERTZ)
    for index in range(4):
        found = images(scan, contrast=index)[0, 0, 20:24, 24:28].mean()
        assert found == pytest.approx(expected[index], abs=0.02)
    truth = scan.truth(np.array([6.0, 110.0]), np.array([-9.0, 0.0]), frame=0)
    assert truth.fat_fraction[0] == pytest.approx(0.3)
    assert np.isnan(truth.fat_fraction[1])


def test_fat_does_not_move_with_temperature_and_water_does():
    heat = Heat(
        source=Gaussian(center_mm=(6.0, -9.0), fwhm_mm=(20.0, 20.0, 20.0)),
        plan=on_off(0.5, 60.0),
        rate_c_per_s_w=0.1,
        center_mm=(6.0, -9.0),
    )
    sequence = Cartesian(matrix=(48, 48), n_frames=2, repetition_time_s=0.1)
    phases = {}
    for kind, part in (("fat", Part(fat=DISC)), ("water", Part(water=DISC))):
        one = images(TissueScan(sequence, Tissue(parts=(part,), heat=heat), n_coils=1))[:, 0]
        phases[kind] = np.angle(one[1] * one[0].conj())[inside(np.abs(one[0]) > 0.3, 2)]
    assert np.abs(phases["water"]).max() > 0.5
    assert np.abs(phases["fat"]).max() < 0.01


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_field_of_warm_fat_is_that_of_a_sphere_of_susceptibility(axis):
    # for χ(r): ΔB/B0 = (M(r) / 4πr³ - χ(r) / 3)(3cos²θ - 1), M the χ within r; Schenck 1996
    sigma, grid, n = 3.0, 0.8, 61
    x = (np.arange(n) - 30) * grid
    xx, yy, z = x[None, :, None], x[:, None, None], np.arange(26) * grid
    rise_c = 20 * np.exp(-(xx**2 + yy**2 + z**2) / (2 * sigma**2))
    fat = WarmFat(np.full((n, n), 0.8), n_z=26, grid_mm=grid, chi_ppm_per_c=0.01, b0_axis=axis)
    found = fat.plane(rise_c)
    radii = np.linspace(1e-3, 30, 6000)
    chi = 0.8 * 0.01e-6 * 20 * np.exp(-(radii**2) / (2 * sigma**2))
    within = np.cumsum(chi * 4 * math.pi * radii**2) * (radii[1] - radii[0])
    profile = within / (4 * math.pi * radii**3) - chi / 3
    for column, row in ((33, 30), (30, 34), (27, 28), (42, 30), (36, 37), (24, 41)):
        x_mm, y_mm = x[column], x[row]
        r_mm = math.hypot(x_mm, y_mm)
        along = {"x": x_mm, "y": y_mm, "z": 0.0}[axis]
        expected = np.interp(r_mm, radii, profile) * (3 * (along / r_mm) ** 2 - 1)
        assert found[row, column] == pytest.approx(expected, abs=0.02 * abs(profile).max())


def test_warm_fat_disturbs_the_water_beside_it():
    # 20 °C, 0.01 ppm/°C: of the order of 0.05 ppm, 5 °C of error for a thermometer
    parts = (
        Part(
            water=(Ellipse(1.0, (6.0, -18.0), (40, 9)),), fat=(Ellipse(1.0, (6.0, 0.0), (40, 9)),)
        ),
    )
    heat = Heat(
        source=Gaussian(center_mm=(6.0, 0.0), fwhm_mm=(12.0, 12.0, 30.0)),
        plan=on_off(0.5, 60.0),
        rate_c_per_s_w=0.07,
        center_mm=(6.0, -4.0),
        grid_mm=1.5,
    )
    sequence = Cartesian(matrix=(64, 64), n_frames=2, repetition_time_s=0.15)
    scan = TissueScan(
        sequence,
        Tissue(parts=parts, heat=heat, fat_chi_ppm_per_c=0.01, b0_axis="y"),
        n_coils=1,
    )
    (points,) = scan.points
    moment = points.at_time(scan.center_time_s(1))
    assert 8 < moment.rise_c.max() < 40
    near = np.abs(moment.hz)
    assert 1.0 < near.max() < 20.0
    far = near[points.y_mm < -26][:, points.x_mm < -30]
    assert far.max() < 0.1 * near.max()
