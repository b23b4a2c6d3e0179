"""What a scan of tissue shows of heat, drift, distortion and push: against its truth and laws."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulators.mrd import acquisition_head
from simulators.phantom import Ellipse
from simulators.sequences import Cartesian, EncodedPairs, Epi
from simulators.tissue import (
    WATER,
    Breathing,
    FieldDrift,
    Gaussian,
    Heat,
    MagnetField,
    Part,
    Push,
    Tissue,
)
from simulators.tissue.heat import on_off
from simulators.tissue_scan import TissueScan
from tests.simulators.tissue_images import images, inside

DISC = (Ellipse(1.0, (6.0, -9.0), (55.0, 65.0), 20.0),)
STILL = Tissue(parts=(Part(water=DISC),))
HEAT = Heat(
    source=Gaussian(center_mm=(8.0, -4.0), fwhm_mm=(10.0, 14.0, 10.0)),
    plan=on_off(1.0, 30.0),
    rate_c_per_s_w=0.1,
    center_mm=(8.0, -4.0),
)
SEQUENCE = Cartesian(matrix=(64, 64), n_frames=3, repetition_time_s=0.05)
RAD_PER_C = -2 * np.pi * 0.0094e-6 * 123.25e6 * 0.013


def solid(image):
    return inside(np.abs(image) > 0.7, 2)


def test_phase_of_the_image_is_the_rise_that_should_be_seen():
    hot = images(TissueScan(SEQUENCE, replace(STILL, heat=HEAT), n_coils=1))[:, 0]
    cold = images(TissueScan(SEQUENCE, STILL, n_coils=1))[:, 0]
    scan = TissueScan(SEQUENCE, replace(STILL, heat=HEAT), n_coils=1)
    for frame in (1, 2):
        rise_c = np.angle(hot[frame] * cold[frame].conj()) / RAD_PER_C
        seen_c = scan.seen_rise_c(frame)
        assert 5 < np.nanmax(seen_c) < 60
        error_c = (rise_c - seen_c)[solid(cold[0])]
        error_c -= np.round(error_c * RAD_PER_C / (2 * np.pi)) * 2 * np.pi / RAD_PER_C
        # 3 °C/s while 3.2 s of lines are played, and 0.1 mm of shift along the readout
        assert np.sqrt((error_c**2).mean()) < 0.15
        assert np.abs(error_c).max() < 1.5


def test_what_should_be_seen_is_the_image_of_tissue_that_stands_still():
    # a slow readout would shift it; this one takes 0.1 ms
    quick = replace(SEQUENCE, sample_time_us=1.0)
    tissue = replace(STILL, field=MagnetField(order1_hz=(20.0, -15.0), order2_hz=(9.0, 4.0, 2.0)))
    scan = TissueScan(quick, tissue, n_coils=1)
    _, cold, _ = scan._seen_water(0, 0)
    error = np.abs(images(scan)[0, 0] - cold)
    assert np.sqrt((error**2).mean()) < 2e-3
    assert error.max() < 0.03


def test_point_voxel_and_band_limited_truths_agree_where_heat_is_smooth():
    scan = TissueScan(SEQUENCE, replace(STILL, heat=HEAT), n_coils=1)
    x, y = SEQUENCE.columns_mm[None, :], SEQUENCE.rows_mm[:, None]
    point_c = scan.truth(x, y, frame=2).rise_c
    voxel_c, seen_c = scan.voxel_rise_c(2), scan.seen_rise_c(2)
    deep = inside(~np.isnan(point_c), 3)
    assert np.abs(voxel_c - point_c)[deep].max() < 0.06 * np.nanmax(point_c)
    assert np.abs(seen_c - point_c)[deep].max() < 0.06 * np.nanmax(point_c)
    assert np.nanmax(voxel_c) < np.nanmax(point_c)
    assert np.isnan(point_c[0, 0])
    assert np.isnan(seen_c[0, 0])


def test_decay_and_signal_change_with_temperature():
    warm = replace(
        WATER, t2_star_s=0.02, t2_star_per_c=0.02, magnitude_per_c=-0.01, alpha_ppm_per_c=0.0
    )
    tissue = replace(STILL, water=warm)
    scan = TissueScan(SEQUENCE, replace(tissue, heat=HEAT), n_coils=1)
    hot = np.abs(images(scan, frames=(2,))[0, 0])
    cold = np.abs(images(TissueScan(SEQUENCE, tissue, n_coils=1), frames=(2,))[0, 0])
    rise_c = scan.voxel_rise_c(2)
    expected = (1 - 0.01 * rise_c) * np.exp(-0.013 / 0.02 * (1 / (1 + 0.02 * rise_c) - 1))
    ratio = (hot / np.maximum(cold, 0.1))[solid(cold / cold.max())]
    assert np.ptp(ratio) > 0.035
    assert ratio == pytest.approx(expected[solid(cold / cold.max())], abs=0.006)
    assert cold[30, 34] == pytest.approx(math.exp(-0.013 / 0.02), rel=0.03)


def test_heat_lengthens_t1_and_dims_a_spoiled_echo():
    t1 = replace(WATER, t1_s=0.8, t1_per_c=0.015, alpha_ppm_per_c=0.0)
    short = replace(SEQUENCE, repetition_time_s=0.02)
    flips = {0: 5.0, 1: 20.0, 2: 20.0}
    scan = TissueScan(
        short, replace(STILL, water=t1, heat=HEAT), n_coils=1, flip_deg=lambda frame: flips[frame]
    )
    found = np.abs(images(scan)[:, 0])
    rise_c = scan.voxel_rise_c(2)
    at = np.s_[31, 34]

    def ernst(flip_deg, t1_s):
        left, flip = math.exp(-0.02 / t1_s), math.radians(flip_deg)
        return math.sin(flip) * (1 - left) / (1 - math.cos(flip) * left)

    assert found[0][at] == pytest.approx(ernst(5.0, 0.8), rel=0.02)
    assert found[2][at] == pytest.approx(ernst(20.0, 0.8 * (1 + 0.015 * rise_c[at])), rel=0.02)
    assert ernst(20.0, 0.8) > 1.01 * found[2][at]


def test_drift_of_order_two_over_forty_minutes():
    pattern = MagnetField(order0_hz=6.0, order1_hz=(3.0, -2.0), order2_hz=(4.0, 2.0, -5.0))
    drifting = replace(STILL, drift=FieldDrift(pattern=pattern, after_s=2400.0))
    scan = TissueScan(SEQUENCE, drifting, n_coils=1, pause_s=1200.0)
    found = images(scan)[:, 0]
    x, y = SEQUENCE.columns_mm[None, :], SEQUENCE.rows_mm[:, None]
    assert scan.center_time_s(2) == pytest.approx(2400, abs=12)
    hertz = np.angle(found[2] * found[0].conj()) / (2 * np.pi * 0.013)
    passed = (scan.center_time_s(2) - scan.center_time_s(0)) / 2400
    error = (hertz - passed * pattern.hz(x, y))[solid(found[0])]
    assert np.abs(error).max() < 0.25
    assert abs(error.mean()) < 0.02
    truth = scan.truth(x, y, frame=2).off_resonance_hz - scan.truth(x, y, frame=0).off_resonance_hz
    assert truth == pytest.approx(passed * pattern.hz(x, y))


def test_echo_planar_image_is_bent_by_the_field():
    epi = Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1)
    ball = Tissue(parts=(Part(water=(Ellipse(1.0, (0.0, -15.0), (25.0, 25.0)),)),))
    pixel_hz = 1 / (40 * 560e-6)
    bent = replace(ball, field=MagnetField(order1_hz=(0.0, 100 * pixel_hz / 60)))

    def profile(tissue):
        scan = TissueScan(epi, tissue, n_coils=1)
        rows = [scan.samples(each)[0, 39:41].mean() for each in list(epi.readouts())[3:]]
        return np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(rows))))

    straight, squeezed = profile(ball), profile(bent)
    y = (np.arange(40) - 20) * 6.0
    wide, narrow = (
        float(np.sqrt((p**4) @ (y - (p**4) @ y / (p**4).sum()) ** 2 / (p**4).sum()))
        for p in (straight, squeezed)
    )
    # y appears at y - f · echo spacing · FOV: a slope of a pixel in 60 mm takes a tenth
    assert narrow / wide == pytest.approx(0.9, abs=0.02)


def test_heat_moves_along_the_echo_train_with_its_own_off_resonance():
    epi = Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1)
    (line,) = [each for each in epi.readouts() if each.counter("kspace_encode_step_1") == 35][:1]
    late = TissueScan(epi, replace(STILL, heat=replace(HEAT, plan=on_off(-20.0, 30.0))), n_coils=1)
    still = TissueScan(epi, STILL, n_coils=1)
    hz, _ = late.precession(WATER, late.points[0], late.points[0].at_time(line.t_s), 0)
    assert hz.min() < -10  # °C times -1.16 Hz
    assert np.abs(late.samples(line) - still.samples(line)).max() > 0.01


def test_push_turns_the_phase_by_gamma_g_delta_u():
    push = Push(
        shape=Gaussian(center_mm=(8.0, -4.0), fwhm_mm=(20.0, 24.0, 20.0)),
        peak_um=5.0,
        is_on=lambda frame: frame >= 2,
    )
    assert push.rad_per_um * 5 == pytest.approx(0.27, abs=0.003)
    pairs = EncodedPairs(matrix=(64, 64), n_frames=4, repetition_time_s=0.02)
    scan = TissueScan(pairs, replace(STILL, push=push), n_coils=1)
    found = images(scan)[:, 0]
    x, y = pairs.columns_mm[None, :], pairs.rows_mm[:, None]
    push_um = scan.truth(x, y, frame=2).push_um
    assert scan.truth(x, y, frame=1).push_um[30, 34] == 0.0
    difference = np.angle(found[2] * found[3].conj())
    there = solid(found[0])
    assert np.abs(difference - 2 * push.rad_per_um * push_um)[there].max() < 0.02
    assert difference[there].max() == pytest.approx(0.53, abs=0.02)
    assert np.abs(np.angle(found[0] * found[1].conj()))[there].max() < 1e-4
    together = np.angle(found[2] * found[3] * (found[0] * found[1]).conj())
    assert np.abs(together[there]).max() < 1e-2  # heat's phase would stand here alone
    heads = [acquisition_head(one.message)["idx"] for one in scan.readouts()]
    played = [(int(one["repetition"]), int(one["set"])) for one in heads[::64]]
    assert played == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_sign_of_phase_turns_everything_around():
    tissue = replace(
        STILL,
        field=MagnetField(order0_hz=9.0, order1_hz=(5.0, -4.0)),
        drift=FieldDrift(pattern=MagnetField(order0_hz=2.0), after_s=5.0),
        heat=HEAT,
    )
    scans = (TissueScan(SEQUENCE, replace(tissue, phase_sign=sign), n_coils=1) for sign in (1, -1))
    straight, turned = (images(one, frames=(2,))[0, 0] for one in scans)
    middle = np.s_[28:36, 30:38]
    assert np.abs(np.angle(straight)[middle]).max() > 1
    # what turns within the readout and heats within the frame goes the other way: a small shift
    assert np.angle(straight)[middle] == pytest.approx(-np.angle(turned)[middle], abs=0.12)
    scan = TissueScan(SEQUENCE, replace(tissue, phase_sign=-1), n_coils=1)
    plain = TissueScan(SEQUENCE, tissue, n_coils=1)
    assert np.nanmax(scan.seen_rise_c(2)) == pytest.approx(
        np.nanmax(plain.seen_rise_c(2)), rel=0.005
    )


def test_heat_goes_with_tissue_that_breathes():
    breathing = Breathing(
        reach_mm=15.0, full_mm=-200, end_mm=-190, end_share=1.0, trace=((0.0,), (1.0,))
    )
    tissue = replace(STILL, parts=(Part(water=DISC, moves=True),), heat=HEAT, breathing=breathing)
    scan = TissueScan(SEQUENCE, tissue, n_coils=1)
    here, there = (
        float(scan.truth(np.array([8.0]), np.array([y]), frame=2).rise_c[0]) for y in (-4.0, 11.0)
    )
    assert there > 4 * here
    row = int(np.unravel_index(np.nanargmax(scan.seen_rise_c(2)), (64, 64))[0])
    assert SEQUENCE.rows_mm[row] == pytest.approx(11.0, abs=2.0)
