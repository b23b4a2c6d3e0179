"""What the decoder makes of trajectories and directions."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from messages import Acquisition, Pose, StreamError
from messages.acquisition import NOISE_MEASUREMENT
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_acquisition, encode_header

Make = Callable[..., Acquisition]
ZERO = (0.0, 0.0, 0.0)
IDENTITY = Pose()


def readouts_of(xml: bytes, *acquisitions: Acquisition) -> list[Acquisition]:
    decoder = Decoder()
    decoder.feed(encode_header(xml) + b"".join(map(encode_acquisition, acquisitions)))
    return list(decoder.events())[1:]


def refusal(xml: bytes, *acquisitions: Acquisition) -> StreamError:
    with pytest.raises(StreamError) as caught:
        readouts_of(xml, *acquisitions)
    return caught.value


def named(xml: bytes, trajectory: str) -> bytes:
    return xml.replace(b">cartesian<", f">{trajectory}<".encode())


@pytest.mark.parametrize("trajectory", ["radial", "spiral", "goldenangle"])
@pytest.mark.parametrize("n_dimensions", [0, 2, 3])
def test_a_trajectory_of_2_or_3_dimensions_or_none_is_taken(
    header_xml: bytes, make_acquisition: Make, trajectory: str, n_dimensions: int
) -> None:
    sent = [make_acquisition(n, n_dimensions=n_dimensions) for n in range(3)]
    found = readouts_of(named(header_xml, trajectory), *sent)
    assert all(np.array_equal(f.trajectory, s.trajectory) for f, s in zip(found, sent, strict=True))


@pytest.mark.parametrize("n_dimensions", [1, 4])
def test_a_trajectory_of_another_dimension_is_refused(
    header_xml: bytes, make_acquisition: Make, n_dimensions: int
) -> None:
    xml = named(header_xml, "radial")
    good, bad = make_acquisition(n_dimensions=2), make_acquisition(n_dimensions=n_dimensions)
    error = refusal(xml, good, bad)
    assert f"trajectory_dimensions is {n_dimensions}, expected 2 or 3" in str(error)
    assert error.offset == len(encode_header(xml)) + len(encode_acquisition(good))


@pytest.mark.parametrize("trajectory", ["cartesian", "epi"])
def test_on_a_grid_any_trajectory_passes(
    header_xml: bytes, make_acquisition: Make, trajectory: str
) -> None:
    sent = [make_acquisition(n, n_dimensions=n) for n in range(5)]
    assert len(readouts_of(named(header_xml, trajectory), *sent)) == 5


@pytest.mark.parametrize("trajectory", ["radial", "other"])
def test_the_dimension_does_not_change_between_imaging_readouts(
    header_xml: bytes, make_acquisition: Make, trajectory: str
) -> None:
    xml = named(header_xml, trajectory)
    noise = make_acquisition(flags=NOISE_MEASUREMENT)
    sent = [noise, make_acquisition(n_dimensions=2), noise, make_acquisition(n_dimensions=2)]
    assert len(readouts_of(xml, *sent)) == 4
    error = refusal(xml, *sent, make_acquisition(n_dimensions=3))
    assert "trajectory_dimensions is 3, expected 2 as in the imaging readouts before" in str(error)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("trajectory", ["cartesian", "radial"])
def test_a_trajectory_that_is_not_finite_is_refused(
    header_xml: bytes, make_acquisition: Make, trajectory: str, value: float
) -> None:
    xml = named(header_xml, trajectory)
    bad = make_acquisition(n_dimensions=2)
    bad.trajectory[-1, -1] = value
    error = refusal(xml, make_acquisition(n_dimensions=2), bad)
    assert "trajectory is not finite" in str(error)
    assert error.offset == len(encode_header(xml)) + len(encode_acquisition(bad))


def posed(acquisition: Acquisition, **fields: object) -> Acquisition:
    return replace(acquisition, pose=replace(acquisition.pose, **fields))


def test_directions_all_zero_are_the_scanner_s_axes(
    header_xml: bytes, make_acquisition: Make
) -> None:
    phantom = posed(make_acquisition(), read_dir=ZERO, phase_dir=ZERO, slice_dir=ZERO)
    (found,) = readouts_of(header_xml, phantom)
    assert found.pose.position_mm == phantom.pose.position_mm
    assert found.pose.patient_table_position == phantom.pose.patient_table_position
    axes = found.pose.read_dir, found.pose.phase_dir, found.pose.slice_dir
    assert axes == (IDENTITY.read_dir, IDENTITY.phase_dir, IDENTITY.slice_dir)


@pytest.mark.parametrize("missing", ["read_dir", "phase_dir", "slice_dir"])
def test_one_missing_direction_stands_upright_on_the_others(
    header_xml: bytes, make_acquisition: Make, missing: str
) -> None:
    whole = posed(make_acquisition(), read_dir=(0.6, 0.8, 0.0), phase_dir=(-0.8, 0.6, 0.0))
    whole = posed(whole, slice_dir=(0.0, 0.0, 1.0))
    (found,) = readouts_of(header_xml, posed(whole, **{missing: ZERO}))
    assert getattr(found.pose, missing) == pytest.approx(getattr(whole.pose, missing), abs=1e-6)


def test_directions_that_span_no_space_are_refused(
    header_xml: bytes, make_acquisition: Make
) -> None:
    two_missing = posed(make_acquisition(), read_dir=ZERO, phase_dir=ZERO)
    assert "span no space" in str(refusal(header_xml, two_missing))
    along = posed(make_acquisition(), read_dir=(1.0, 0, 0), phase_dir=(1.0, 0, 0), slice_dir=ZERO)
    assert "span no space" in str(refusal(header_xml, along))


def test_a_direction_of_another_length_is_scaled_to_one(
    header_xml: bytes, make_acquisition: Make
) -> None:
    long = posed(make_acquisition(), read_dir=(3.0, 4.0, 0.0))
    almost = posed(make_acquisition(), read_dir=(0.70710677, 0.70710677, 0.0))
    found = readouts_of(header_xml, long, almost)
    assert found[0].pose.read_dir == (0.6, 0.8, 0.0)
    # what is a unit vector but for rounding is kept to the bit
    assert found[1].pose.read_dir == tuple(np.float32([0.70710677, 0.70710677, 0]).tolist())


def test_a_pose_that_is_not_finite_is_refused(header_xml: bytes, make_acquisition: Make) -> None:
    for name in ("position_mm", "slice_dir", "patient_table_position"):
        error = refusal(header_xml, posed(make_acquisition(), **{name: (0.0, np.nan, 0.0)}))
        assert "not finite" in str(error)
