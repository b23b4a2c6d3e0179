import math
from dataclasses import replace

import h5py
import numpy as np
import pytest

from simulators import Drift, TreatmentSimulator, default_treatment
from simulators.coils import head_coils
from simulators.mrd import acquisition_head, acquisition_samples
from simulators.phantom import HEAD, image
from simulators.truth import write_truth


@pytest.fixture(scope="module")
def heated(small, play):
    """Slow heating: 0.5 °C/s, so a frame hardly blurs."""
    slow = replace(small, n_frames=6, planned_heating_s=9.0, planned_peak_c=41.0)
    return slow, *play(slow)


def test_heat_appears_at_the_focus_with_the_right_sign(heated, difference_c):
    treatment, simulator, images = heated
    y, x = (round(value) for value in treatment.focus_px)
    last = difference_c(images[5], images[0], treatment.rad_per_c)
    truth = simulator.truth
    for seen in (truth.temperature_bandlimited_c, truth.temperature_voxel_c):
        assert abs(last[y, x] + 37 - seen[5][y, x]) < 0.2
    assert last[y, x] > 3.5
    heat = np.where(np.abs(images[0]).sum(axis=0) > 0.2, last, 0)
    assert np.unravel_index(heat.argmax(), heat.shape) == (y, x)


def test_phase_sign_turns_the_phase_the_other_way(small, play):
    short = replace(small, n_frames=2, phase_sign=-1)
    simulator, images = play(short)
    y, x = (round(value) for value in short.focus_px)
    phase = np.angle((images[1] * images[0].conj()).sum(axis=0))[y, x]
    assert short.rad_per_c > 0
    assert abs(phase / short.rad_per_c + 37 - simulator.truth.temperature_point_c[1][y, x]) < 0.3


def test_rad_per_c_is_the_known_figure():
    # 2π · 0.0094 ppm · 123.25 MHz · 13 ms
    assert abs(default_treatment().rad_per_c + 0.09463) < 1e-5


def test_unheated_frames_are_identical(small, play):
    _, images = play(replace(small, n_frames=2), heat=lambda _: False)
    assert np.array_equal(images[0], images[1])


def test_image_is_the_object_times_the_coils(small, play):
    _, images = play(replace(small, n_frames=1), heat=lambda _: False)
    sequence = small.sequence
    x, y = sequence.columns_mm[None, :], sequence.rows_mm[:, None]
    expected = head_coils(4).sensitivity(x, y) * image(HEAD, x, y)
    flat = (slice(None), slice(46, 48), slice(22, 26))  # white matter, no edge near
    assert np.abs(images[0][flat] - expected[flat]).max() < 0.03  # Gibbs ringing of the skull


def test_heating_within_a_frame_is_seen_as_of_the_centre_line(small, play, difference_c):
    simulator, images = play(replace(small, n_frames=3, planned_peak_c=60.0))
    y, x = (round(value) for value in small.focus_px)
    now = difference_c(images[2], images[0], small.rad_per_c)[y, x] + 37
    truth = simulator.truth
    assert abs(now - truth.temperature_bandlimited_c[2][y, x]) < 0.6
    assert truth.peak_c[-1] - truth.peak_at_c(truth.frame_time_s[2]) > 1.0  # it did move meanwhile


@pytest.mark.parametrize(
    "drift",
    [
        Drift(0.3),
        Drift(0.1, (0.4, -0.3)),
        Drift(0.0, (0.1, 0.2), (0.5, -0.2, 0.4)),
    ],
)
def test_drift_has_the_declared_shape(small, drift, play, difference_c):
    short = replace(small, n_frames=3, drift=drift)
    _, images = play(short, heat=lambda _: False)
    sequence = short.sequence
    x = sequence.columns_mm[None, :] / (sequence.fov_mm[0] / 2)
    y = sequence.rows_mm[:, None] / (sequence.fov_mm[1] / 2)
    expected = 2 * sequence.frame_time_s * (drift.order0_c_per_s + drift.pattern_c_per_s(x, y))
    found = difference_c(images[2], images[0], short.rad_per_c)
    inside = np.zeros(found.shape, bool)
    inside[20:60, 26:54] = True
    inside &= np.abs(images[0]).sum(axis=0) > 0.5
    assert inside.sum() > 800
    assert np.abs(found - expected)[inside].max() < 0.1


def test_image_snr_at_the_focus_is_the_declared_one(small, play):
    noisy = replace(small, snr=40.0, n_frames=12)
    simulator, images = play(noisy, heat=lambda _: False)
    covariance = simulator._noise.covariance
    y, x = (round(value) for value in noisy.focus_px)
    xs, ys = np.array(noisy.focus_mm[0]), np.array(noisy.focus_mm[1])
    sensitivity = simulator._coils.sensitivity(xs, ys)
    combine = np.linalg.solve(covariance, sensitivity).conj()
    combined = np.tensordot(combine, images, axes=(0, 1))[:, y - 6 : y + 7, x - 6 : x + 7]
    std = combined.real.std(axis=0, ddof=1)
    signal = np.abs(combined.mean(axis=0))[6, 6]
    assert abs(signal / np.sqrt((std**2).mean()) - 40) < 3  # 169 pixels, 12 frames: 1.6 %


def test_noise_scan_has_the_covariance_of_imaging_but_for_dwell_and_bandwidth(small):
    noisy = replace(small, snr=30.0, n_noise_readouts=256)
    simulator = TreatmentSimulator(noisy)
    readouts = list(simulator.noise_readouts())
    samples = np.concatenate([acquisition_samples(r.message) for r in readouts], axis=1)
    found = samples @ samples.conj().T / samples.shape[1]
    sequence = noisy.sequence
    scale = sequence.noise_bandwidth * sequence.sample_time_us / sequence.noise_sample_time_us
    expected = simulator._noise.covariance * scale
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    head = acquisition_head(readouts[0].message)
    assert int(head["flags"]) == 1 << 18
    assert np.isclose(head["sample_time_us"], sequence.noise_sample_time_us)
    assert int(head["center_sample"]) == 0


def test_no_noise_means_no_noise_scan(small):
    assert list(TreatmentSimulator(small).noise_readouts()) == []


def test_same_seed_same_bytes(small):
    noisy = replace(small, snr=30.0, n_frames=1)

    def first(seed):
        simulator = TreatmentSimulator(replace(noisy, seed=seed))
        list(simulator.noise_readouts())
        return [simulator.next_readout(sonicating=False).message for _ in range(3)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_power_goes_off_within_a_readout(small):
    simulator = TreatmentSimulator(small)
    start_s = simulator.time_s
    simulator.next_readout(sonicating=True, until_s=start_s + 0.01)
    assert math.isclose(simulator.heated_s, 0.01)
    assert simulator.truth.power_time_s == pytest.approx([start_s, start_s + 0.01])
    assert simulator.truth.power_w == [small.power_w, 0.0]
    assert simulator.truth.peak_c[-1] - 37 == pytest.approx(0.01 * small.rate_c_per_s, rel=0.01)


def test_stopped_treatment_wants_no_more_heat_unless_it_resumes(small):
    for resumes in (False, True):
        simulator = TreatmentSimulator(replace(small, n_baseline_frames=0, resumes=resumes))
        simulator.next_readout(sonicating=True)
        assert simulator.wants_heat
        simulator.next_readout(sonicating=False)
        assert simulator.wants_heat is resumes


def test_planned_peak_is_reached_in_the_planned_time(heated):
    treatment, simulator, _ = heated
    assert abs(max(simulator.truth.peak_c) - treatment.planned_peak_c) < 0.1


def test_dose_is_that_of_the_temperature_history(heated):
    treatment, simulator, _ = heated
    log = simulator.truth
    times, peaks = np.array(log.sample_time_s), np.array(log.peak_c)
    rate = np.where(peaks >= 43, 0.5, 0.25) ** (43 - peaks) / 60
    dose = np.sum(np.diff(times) * (rate[1:] + rate[:-1]) / 2)
    assert abs(log.peak_dose_cem43_min[-1] - dose) < 0.01 * dose
    y, x = (round(value) for value in treatment.focus_px)
    at_centre = np.interp(log.frame_time_s[-1], times, log.peak_dose_cem43_min)
    assert abs(log.dose_cem43_min[-1][y, x] - at_centre) < 0.01 * at_centre


def test_truth_is_written_and_read_back(heated, tmp_path):
    treatment, simulator, _ = heated
    write_truth(tmp_path / "truth.h5", simulator.truth)
    with h5py.File(tmp_path / "truth.h5") as file:
        assert file["temperature_voxel_c"].shape == (6, 80, 80)
        assert np.array_equal(file["peak_c"][:], simulator.truth.peak_c)
        assert file["power_w"][0] == treatment.power_w


def test_beyond_the_last_frame_there_is_nothing(small, play):
    simulator, _ = play(replace(small, n_frames=1), heat=lambda _: False)
    with pytest.raises(ValueError, match="1 frames"):
        simulator.next_readout(sonicating=False)


def test_default_treatment_crosses_sixty_degrees():
    treatment = default_treatment()
    assert [round(v, 1) for v in treatment.focus_px] == [72.1, 71.1]
    assert 1 < treatment.rate_c_per_s < 5
