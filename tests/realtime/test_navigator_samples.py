"""The samples about the centre of k-space, as each spoke passes it."""

import dataclasses

import numpy as np
import pytest

from messages.acquisition import NOISE_MEASUREMENT, REVERSE
from realtime.navigator_samples import centre_passes
from recon import ReconstructionSettings, Whitening
from tests.recon.nonuniform import GOLDEN, N, body, session, spokes

N_SPOKES = 8


def one_hop(source="golden-angle", **more):
    settings = ReconstructionSettings(trajectory=source, readouts_per_frame=N_SPOKES)
    one = session([spokes(0, N_SPOKES)], settings=settings, **more)
    one.frames[0].readouts["time_s"] = 2.0 + 0.004 * np.arange(N_SPOKES)
    return one.plan, one.frames[0]


def turned(angle_rad):
    return np.angle(np.exp(1j * angle_rad))


def test_the_middle_sample_is_the_sum_over_each_coils_image():
    plan, frame = one_hop()
    passes = centre_passes(frame, plan)
    sums = body().sum(axis=(1, 2)) / N
    np.testing.assert_allclose(passes.samples[:, :, 1], np.tile(sums, (N_SPOKES, 1)), rtol=1e-5)
    np.testing.assert_array_equal(passes.times_s, frame.readouts["time_s"])


@pytest.mark.parametrize("source", ["golden-angle", "header"])
def test_angles_are_those_in_which_the_samples_run(source):
    plan, frame = one_hop(source)
    angles = centre_passes(frame, plan).angles_rad
    np.testing.assert_allclose(turned(angles - np.arange(N_SPOKES) * GOLDEN), 0, atol=1e-5)


def test_a_reversed_spoke_runs_the_other_way():
    plan, frame = one_hop()
    forward = centre_passes(frame, plan).angles_rad
    frame.readouts["flags"] = REVERSE
    backward = centre_passes(frame, plan).angles_rad
    np.testing.assert_allclose(abs(turned(backward - forward)), np.pi, atol=1e-9)


def test_coils_are_whitened_where_there_was_a_noise_scan():
    matrix = np.diag([1, 2, 3]).astype(np.complex64)
    bare = centre_passes(one_hop()[1], one_hop()[0]).samples
    plan, frame = one_hop(whitening=Whitening(matrix, 1.0, 1000))
    whitened = centre_passes(frame, plan).samples
    np.testing.assert_allclose(whitened, bare * np.array([1, 2, 3])[:, None], rtol=1e-6)


def test_readouts_that_make_no_image_are_left_out():
    plan, frame = one_hop()
    frame.readouts["flags"][3] = NOISE_MEASUREMENT
    passes = centre_passes(frame, plan, n_samples=5)
    assert passes.samples.shape == (N_SPOKES - 1, 3, 5)
    assert passes.times_s[3] == frame.readouts["time_s"][4]


def test_a_spoke_that_ends_beside_its_centre_is_refused_by_its_number():
    plan, frame = one_hop()
    frame.readouts["center_sample"][2] = 1
    with pytest.raises(ValueError, match=r"readout 2 has fewer than 2 samples"):
        centre_passes(frame, plan, n_samples=5)
    with pytest.raises(ValueError, match=r"n_samples is 4"):
        centre_passes(frame, plan, n_samples=4)


def test_each_spoke_has_its_own_centre():
    plan, frame = one_hop()
    before = centre_passes(frame, plan).samples
    samples = frame.samples.copy()
    samples[4] = np.roll(samples[4], 2, axis=-1)
    rows = frame.readouts.copy()
    rows["center_sample"][4] += 2
    moved = dataclasses.replace(frame, samples=samples, readouts=rows)
    np.testing.assert_array_equal(centre_passes(moved, plan).samples, before)
