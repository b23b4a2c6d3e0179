from itertools import islice

import numpy as np
import pytest

from simulators.field import Field
from simulators.mrd import acquisition_samples
from simulators.patient import Patient
from simulators.phantom import Ellipse
from simulators.scan import Scan
from simulators.sequences import Cartesian, Epi, Radial
from simulators.spot import HeatedSpot, per_frame, ramp

DISC = (Ellipse(1.0, (6.0, -9.0), (60.0, 70.0), 20.0),)
SPOT = HeatedSpot((8.0, -4.0), (12.0, 16.0), per_frame(0.0, 10.0, 25.0))
HOT = Patient(bodies=DISC, rise=SPOT)


def gre(patient, **how):
    return Scan(Cartesian(matrix=(64, 64), n_frames=3, **how), patient=patient, n_coils=1)


def images(scan):
    n_rows, n = scan.sequence.matrix[1], scan.sequence.matrix[0]
    lines = np.stack([acquisition_samples(message)[0] for message in scan.messages()])
    kspace = np.fft.ifftshift(lines.reshape(-1, n_rows, lines.shape[1]), axes=(1, 2))
    return np.fft.fftshift(np.fft.ifft2(kspace), axes=(1, 2))[:, :, n // 2 : n // 2 + n]


def grid(scan):
    return scan.sequence.columns_mm[None, :], scan.sequence.rows_mm[:, None]


def test_phase_of_the_image_is_the_rise():
    scan = gre(HOT)
    found, rad_per_c = images(scan), -2 * np.pi * 0.0094e-6 * 123.25e6 * 0.013
    for frame in (1, 2):
        rise_c = np.angle(found[frame] * found[0].conj()) / rad_per_c
        truth_c = scan.rise_c(*grid(scan), frame=frame)
        near = truth_c > 0.5
        assert truth_c.max() == pytest.approx((10, 25)[frame - 1], rel=0.02)
        assert np.abs(rise_c - truth_c)[near].max() < 0.25  # 3.75 mm pixels under a spot of 12 mm
        assert np.angle(scan.truth(*grid(scan), frame=frame))[near] == pytest.approx(
            rad_per_c * truth_c[near]
        )


def test_opposite_sign_of_phase_is_obeyed():
    turned = Patient(bodies=DISC, rise=SPOT, phase_sign=-1)
    assert np.allclose(
        np.angle(gre(turned).truth(*grid(gre(turned)), frame=2)),
        -np.angle(gre(HOT).truth(*grid(gre(HOT)), frame=2)),
    )


@pytest.mark.parametrize("sequence", [Radial(matrix=(64, 64), n_frames=2), Epi(n_frames=2)])
def test_heat_at_any_position_is_the_integral_of_the_change(sequence):
    hot = Scan(sequence, patient=HOT, n_coils=2)
    cold = Scan(sequence, patient=Patient(bodies=DISC), n_coils=2)
    planned = [each for each in sequence.readouts() if each.frame == 1][10]
    some = [5, 40, 64, 70]
    x, y = np.arange(-20, 36, 0.25) + 0.1, np.arange(-40, 33, 0.25) + 0.1
    x, y = x[None, :], y[:, None]
    change = hot.coil_image(x, y, frame=1) - cold.coil_image(x, y, frame=1)
    dx, dy, _ = sequence.voxel_mm
    waves = [np.exp(-2j * np.pi * (kx * x + ky * y)) for kx, ky, _ in planned.k_per_mm[some]]
    expected = np.stack([(change * wave).sum(axis=(1, 2)) for wave in waves], axis=1)
    expected *= 0.25**2 / (dx * dy)
    found = (hot.samples(planned) - cold.samples(planned))[:, some]
    assert np.abs(found - expected).max() < 2e-3 * np.abs(change).sum() * 0.25**2 / (dx * dy)


def test_ramp_heats_from_readout_to_readout():
    rise = ramp(2.0, start_s=1.0)
    assert (rise(0, 0.5), rise(0, 1.5), rise(7, 3.0)) == (0.0, 1.0, 4.0)
    scan = gre(Patient(bodies=DISC, rise=HeatedSpot((8.0, -4.0), (12.0, 16.0), rise)))
    centre_s = scan.center_time_s(2)
    assert centre_s == pytest.approx((2 * 64 + 32) * 0.0156 + 0.013)
    at_focus = scan.rise_c(np.array(8.0), np.array(-4.0), frame=2)
    assert at_focus == pytest.approx(2 * (centre_s - 1))


def test_heat_that_evolves_turns_late_lines_further():
    epi = Epi(n_frames=1)

    def scan(peak_c, **how):
        spot = HeatedSpot((8.0, -4.0), (12.0, 16.0), per_frame(peak_c), **how)
        return Scan(epi, patient=Patient(bodies=DISC, rise=spot), n_coils=1)

    for line in (3 + 10, 3 + 40, 3 + 70):
        planned = list(epi.readouts())[line]
        share = 1 + (line - 43) * 560e-6 / 0.027
        evolving = scan(10.0, evolves=True).samples(planned)
        assert np.allclose(evolving, scan(10.0 * share).samples(planned), atol=1e-4)


def test_volume_refuses_heat():
    with pytest.raises(ValueError, match="volume"):
        Scan(Cartesian(partitions=4), patient=Patient(rise=SPOT))


def test_offset_and_slope_turn_the_image_as_the_truth_says():
    field = Field(offset_hz=7.0, drift_hz_per_s=1.0, slope_hz_per_mm=(0.02, -0.03))
    scan = gre(Patient(bodies=DISC, field=field))
    found = images(scan)
    inside = np.abs(scan.truth(*grid(scan))) > 0
    inside &= np.roll(inside, 3, 0) & np.roll(inside, -3, 0)
    inside &= np.roll(inside, 3, 1) & np.roll(inside, -3, 1)
    for frame in (0, 2):
        error = np.angle(found[frame] * scan.truth(*grid(scan), frame=frame).conj())
        assert np.abs(error[inside]).max() < 0.06
        assert abs(error[inside].mean()) < 2e-3


def test_off_resonance_shifts_an_epi_along_its_phase_encoding():
    epi = Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1)
    pixel_hz = 1 / (40 * 560e-6)
    still, moved = (
        Scan(epi, patient=Patient(bodies=DISC, field=Field(offset_hz=hertz)), n_coils=1)
        for hertz in (0.0, 3 * pixel_hz)
    )

    def profile(scan):
        lines = np.stack([acquisition_samples(message)[0] for message in scan.messages()])[3:]
        line = lines[:, 39:41].mean(axis=1)  # kx = 0 lies between them, whatever the polarity
        return np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(line))))

    still, moved = profile(still), profile(moved)
    overlap = {n: float(np.roll(still, n) @ moved) for n in range(-6, 7)}
    # exp(2πi f t) with ky growing in time: x appears at x - f · echo spacing · FOV
    assert max(overlap, key=overlap.get) == -3


def test_navigators_see_the_field_drift_between_them():
    epi = Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1)
    scan = Scan(epi, patient=Patient(bodies=DISC, field=Field(offset_hz=30.0)), n_coils=1)
    first, _, third = (acquisition_samples(one)[0] for one in islice(scan.messages(), 3))
    assert np.angle(np.vdot(first, third)) == pytest.approx(2 * np.pi * 30 * 2 * 560e-6, abs=1e-3)
