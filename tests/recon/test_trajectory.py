"""Where samples lie, and what a scanner's numbers mean."""

import dataclasses

import numpy as np
import pytest

from messages import HeaderError
from messages.acquisition import REVERSE
from recon import ReconstructionSettings
from recon.gridded import GriddedNUFFT
from recon.trajectory import Trajectory, fields_of
from tests.recon.nonuniform import (
    N_SAMPLES,
    N_SPOKES,
    N,
    absorb,
    nrmse,
    reconstruct,
    session,
    spiral,
    spokes,
)

COMPUTED = ReconstructionSettings(trajectory="golden-angle")


def positions(one, number=0):
    return np.stack(absorb(GriddedNUFFT(one.plan), one.frames[number]).coord)


@pytest.mark.parametrize(
    "unit", [1.0, 1 / N, N_SAMPLES / N, 1 / 0.064, 1 / 64, 2 * np.pi / 0.064, 1234.5]
)
def test_units_are_told_by_the_maximum(unit):
    one = session([spokes(0)], unit=unit)
    np.testing.assert_allclose(positions(one), one.coord[0], atol=1e-4)


def test_a_slightly_short_trajectory_in_a_known_unit_is_not_stretched():
    one = session([0.96 * spokes(0)], unit=1 / N)
    np.testing.assert_allclose(positions(one), one.coord[0], atol=1e-4)


@pytest.mark.parametrize("unit", [1.0, 1 / N, 1 / 0.064, 2 * np.pi / 0.064])
@pytest.mark.parametrize("part", [0.8, 1.2])
def test_a_trajectory_that_misses_the_edge_is_refused_or_left_as_it_is(unit, part):
    # Stretched to the edge it would put the hot spot elsewhere, and nobody would know
    one = session([part * spokes(0)], unit=unit)
    if part > 1:
        with pytest.raises(ValueError, match=r"reaches 19\.2 cycles"):
            positions(one)
    else:
        np.testing.assert_allclose(positions(one), one.coord[0], atol=1e-4)


def test_computed_spokes_beyond_the_encoded_matrix_are_refused():
    # Oversampled readouts under a header without oversampling: half as long as they are meant
    one = session([spokes(0)], settings=COMPUTED, encoded=N)
    with pytest.raises(ValueError, match=r"readout 0: its samples reach 32 .*at most 16"):
        absorb(GriddedNUFFT(one.plan), one.frames[0])


def test_the_unit_is_decided_once():
    one = session([spokes(0), 0.5 * spokes(N_SPOKES)], unit=1 / N)
    method = GriddedNUFFT(one.plan)
    calibration = method.calibrate(absorb(method, one.frames[0]), one.frames[0])
    assert calibration.sampling.unit.name == "a fraction of the encoded matrix"
    second = absorb(method, one.frames[1], calibration)
    np.testing.assert_allclose(np.stack(second.coord), one.coord[1], atol=1e-4)


def test_computed_golden_angles_count_on_through_frames():
    one = session([spokes(0), spokes(N_SPOKES)], settings=COMPUTED)
    for number in (0, 1):
        np.testing.assert_allclose(positions(one, number), one.coord[number], atol=1e-4)
    one.frames[1].readouts["kspace_encode_step_1"] += N_SPOKES  # a counter that does not restart
    np.testing.assert_allclose(positions(one, 1), one.coord[1], atol=1e-4)


def test_restarted_and_uniform_angles():
    restarted = ReconstructionSettings(trajectory="golden-angle-restarted")
    one = session([spokes(0), spokes(0)], settings=restarted)
    np.testing.assert_allclose(positions(one, 1), one.coord[0], atol=1e-4)
    uniform = ReconstructionSettings(trajectory="uniform-angle", readouts_per_frame=4)
    one = session([spokes(0, 4)], settings=uniform)
    at_edge = positions(one)[:, 0] / (-N / 2)
    expected = np.pi * np.arange(4) / 4
    np.testing.assert_allclose(
        at_edge, np.stack([np.sin(expected), np.cos(expected)], 1), atol=1e-6
    )


def test_reversed_and_trimmed_spokes_give_the_same_image():
    one = session([spokes(0)], settings=COMPUTED)
    expected = reconstruct(GriddedNUFFT(one.plan), one.frames[0]).coil_pixels
    turned = session([spokes(0)], settings=COMPUTED)
    frame = turned.frames[0]
    frame.readouts["flags"] |= np.uint64(REVERSE)
    frame.readouts["center_sample"] = N_SAMPLES - 1 - N_SAMPLES // 2
    frame.samples[:] = frame.samples[:, :, ::-1].copy()
    actual = reconstruct(GriddedNUFFT(turned.plan), frame).coil_pixels
    assert nrmse(actual, expected) < 3e-4  # the kernel ends on another grid point

    padded = np.pad(one.frames[0].samples, ((0, 0), (0, 0), (3, 2)), constant_values=1e6)
    rows = one.frames[0].readouts.copy()
    rows["discard_pre"], rows["discard_post"] = 3, 2
    rows["n_samples"] += 5
    rows["center_sample"] += 3
    frame = dataclasses.replace(one.frames[0], readouts=rows, samples=padded, trajectory=None)
    actual = reconstruct(GriddedNUFFT(one.plan), frame).coil_pixels
    np.testing.assert_array_equal(actual, expected)


def test_a_third_column_is_a_weight_or_refused():
    one = session([spokes(0)])
    frame = one.frames[0]
    weight = np.abs(frame.trajectory[..., :1])
    with_weight = dataclasses.replace(
        frame, trajectory=np.concatenate([frame.trajectory, weight], 2)
    )
    assert np.allclose(absorb(GriddedNUFFT(one.plan), with_weight).coord[3], one.coord[0][3])
    kz = np.concatenate([frame.trajectory, frame.trajectory[..., :1]], 2)
    with pytest.raises(ValueError, match="kz"):
        absorb(GriddedNUFFT(one.plan), dataclasses.replace(frame, trajectory=kz))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: None, "bring no trajectory"),
        (lambda t: t[:, :-1], "expected 21 readouts of 64"),
        (lambda t: t[..., :1], "1 dimensions, expected 2"),
        (lambda t: 0 * t, "reaches 0"),
        (
            lambda t: np.where(np.arange(N_SPOKES)[:, None, None] == 4, 3 * t, t),
            "readout 4: .*reach",
        ),
        (
            lambda t: np.where(np.arange(N_SPOKES)[:, None, None] == 2, np.nan, t),
            "readout 2: .*nan",
        ),
    ],
)
def test_a_wrong_trajectory_is_refused_with_words(spoil, words):
    one = session([spokes(0)])
    frame = dataclasses.replace(one.frames[0], trajectory=spoil(one.frames[0].trajectory))
    with pytest.raises(ValueError, match=words):
        absorb(GriddedNUFFT(one.plan), frame)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("n_samples", 65, "n_samples is 65"),
        ("discard_pre", 64, "leave nothing"),
        ("center_sample", -1, "center_sample is -1"),
    ],
)
def test_a_readout_that_cannot_be_is_refused(column, value, words):
    one = session([spokes(0)], settings=COMPUTED)
    one.frames[0].readouts[column][2] = value
    with pytest.raises(ValueError, match=f"readout 2: .*{words}"):
        absorb(GriddedNUFFT(one.plan), one.frames[0])


def test_a_session_that_cannot_be_is_refused_at_the_header():
    def plan_of(encoding=None, settings=None, trajectory="radial"):
        one = session([spokes(0)], trajectory=trajectory, settings=settings).plan
        return dataclasses.replace(
            one, encoding=dataclasses.replace(one.encoding, **(encoding or {}))
        )

    with pytest.raises(HeaderError, match=r"encoding\.trajectory.*'cartesian'"):
        Trajectory(plan_of({"trajectory": "cartesian"}), "nufft")
    three = dataclasses.replace(plan_of(), recon_matrix=(N, N, 8))
    with pytest.raises(HeaderError, match=r"matrixSize\.z.*is 8"):
        Trajectory(three, "nufft")
    with pytest.raises(HeaderError, match="spiral"):
        Trajectory(plan_of(settings=COMPUTED, trajectory="spiral"), "nufft")
    with pytest.raises(HeaderError, match=r"kspace_encoding_step_1\.maximum"):
        Trajectory(plan_of({"kspace_encoding_step_1": None}, COMPUTED), "nufft")
    ring = ReconstructionSettings(gradient_delay="ring")
    with pytest.raises(HeaderError, match="radial spokes"):
        GriddedNUFFT(session([spiral()], trajectory="spiral", encoded=N, settings=ring).plan)


def test_an_oblong_field_of_view_is_stretched_along_y():
    one = session([spokes(0)], settings=COMPUTED)
    the_plan = dataclasses.replace(one.plan, recon_fov_mm=(64.0, 32.0, 5.0))
    row = one.frames[0].readouts[1:2].tolist()[0]
    trajectory = Trajectory(the_plan, "nufft")
    at = trajectory.computed(fields_of(row), slice(0, N_SAMPLES), 0) * trajectory.aspect
    np.testing.assert_allclose(at, one.coord[0][1] * [0.5, 1.0], atol=1e-4)


def test_counters_that_stand_still_cannot_tell_spokes_apart():
    one = session([spokes(0)], settings=COMPUTED)
    one.frames[0].readouts["kspace_encode_step_1"] = 0
    with pytest.raises(ValueError, match=r"every readout .* kspace_encode_step_1 0"):
        reconstruct(GriddedNUFFT(one.plan), one.frames[0])
    brought = session([spokes(0)])
    brought.frames[0].readouts["kspace_encode_step_1"] = 0
    assert reconstruct(GriddedNUFFT(brought.plan), brought.frames[0]).is_complete
