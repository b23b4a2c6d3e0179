"""Files of MRD version 2, written by the package mrd-python."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import Acquisition, EncodingLimit, EpiTiming, MonitorError, Waveform
from messages.acquisition import LAST_IN_SLICE
from realtime.streams.events import CloseReceived, HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import require_thermometry
from realtime.streams.recordings import open_recording

Make = Callable[..., Acquisition]


@pytest.fixture
def mrd() -> Any:
    return pytest.importorskip("mrd", reason="the extra mrd2 is not installed")


def their_header(mrd: Any) -> Any:
    space = mrd.EncodingSpaceType(
        matrix_size=mrd.MatrixSizeType(x=64, y=32, z=1),
        field_of_view_mm=mrd.FieldOfViewMm(x=400.0, y=200.0, z=4.0),
    )
    longs = {"rampUpTime": 160, "rampDownTime": 160, "flatTopTime": 240, "acqDelayTime": 32}
    description = mrd.TrajectoryDescriptionType(
        identifier="ConventionalEPI",
        user_parameter_long=[
            mrd.UserParameterLongType(name=name, value=value)
            for name, value in {**longs, "numSamples": 160}.items()
        ],
        user_parameter_double=[mrd.UserParameterDoubleType(name="dwellTime", value=3.1)],
    )
    encoding = mrd.EncodingType(
        encoded_space=space,
        recon_space=space,
        trajectory=mrd.Trajectory.EPI,
        trajectory_description=description,
        encoding_limits=mrd.EncodingLimitsType(
            kspace_encoding_step_1=mrd.LimitType(minimum=0, maximum=31, center=12),
            slice=mrd.LimitType(minimum=0, maximum=2, center=1),
        ),
        parallel_imaging=mrd.ParallelImagingType(
            acceleration_factor=mrd.AccelerationFactorType(
                kspace_encoding_step_1=2, kspace_encoding_step_2=1
            ),
            calibration_mode=mrd.CalibrationMode.EMBEDDED,
        ),
    )
    return mrd.Header(
        experimental_conditions=mrd.ExperimentalConditionsType(h1resonance_frequency_hz=123263034),
        acquisition_system_information=mrd.AcquisitionSystemInformationType(
            system_vendor="ACME <&>", system_field_strength_t=3.0, receiver_channels=8
        ),
        subject_information=mrd.SubjectInformationType(patient_name="Jane Doe"),
        sequence_parameters=mrd.SequenceParametersType(t_r=[25.0], t_e=[12.5, 20.0]),
        encoding=[encoding],
    )


def their_acquisition(mrd: Any, ours: Acquisition) -> Any:
    head = mrd.AcquisitionHeader(
        flags=mrd.AcquisitionFlags(ours.flags),
        idx=mrd.EncodingCounters(**{name: getattr(ours.idx, name) for name in ours.idx.__slots__}),
        measurement_uid=ours.measurement_uid,
        scan_counter=ours.scan_counter,
        acquisition_time_stamp=ours.acquisition_time_stamp,
        physiology_time_stamp=list(ours.physiology_time_stamp),
        discard_pre=ours.discard_pre,
        discard_post=ours.discard_post,
        center_sample=ours.center_sample,
        encoding_space_ref=0,
        sample_time_us=ours.sample_time_us,
        position=np.array(ours.pose.position_mm, np.float32),
        read_dir=np.array(ours.pose.read_dir, np.float32),
        phase_dir=np.array(ours.pose.phase_dir, np.float32),
        slice_dir=np.array(ours.pose.slice_dir, np.float32),
        patient_table_position=np.array(ours.pose.patient_table_position, np.float32),
    )
    return mrd.Acquisition(
        head=head, data=ours.samples, trajectory=np.ascontiguousarray(ours.trajectory.T)
    )


def write(mrd: Any, path: Path, items: list[Any], *, header: Any = ...) -> Path:
    with mrd.BinaryMrdWriter(str(path)) as writer:
        writer.write_header(their_header(mrd) if header is ... else header)
        writer.write_data(iter(items))
    return path


def events_of(path: Path) -> list[Any]:
    decoder = Decoder()
    for message in open_recording(path).messages():
        decoder.feed(message.data)
    decoder.end()
    return list(decoder.events())


def test_what_thermometry_needs_comes_over(mrd: Any, tmp_path: Path) -> None:
    header = events_of(write(mrd, tmp_path / "f.mrd", []))[0].header
    (encoding,) = header.encodings
    assert encoding.encoded_matrix == (64, 32, 1)
    assert encoding.encoded_fov_mm == (400.0, 200.0, 4.0)
    assert encoding.kspace_encoding_step_1 == EncodingLimit(0, 31, 12)
    assert encoding.n_slices == 3
    assert (encoding.trajectory, encoding.calibration_mode) == ("epi", "embedded")
    assert encoding.acceleration == (2, 1)
    assert encoding.epi == EpiTiming(160.0, 240.0, 160.0, 32.0, 160, 3.1)
    assert header.system_vendor == "ACME <&>"
    assert (header.receiver_channels, header.repetition_time_s) == (8, 0.025)
    echo_time_s, frequency_hz = require_thermometry(
        header, echo_time_s_override=None, field_strength_t_override=None
    )
    assert (echo_time_s, frequency_hz) == (0.0125, 123263034)
    assert b"Jane" not in header.xml


def test_readouts_and_waveforms_come_over(mrd: Any, tmp_path: Path, make_acquisition: Make) -> None:
    ours = [make_acquisition(0, flags=LAST_IN_SLICE), make_acquisition(1, n_dimensions=2)]
    wave = mrd.Waveform(
        flags=1, measurement_uid=2, scan_counter=3, time_stamp=4, sample_time_us=5.0,
        waveform_id=6, data=np.arange(6, dtype=np.uint32).reshape(2, 3),
    )  # fmt: skip
    items = [mrd.StreamItem.Acquisition(their_acquisition(mrd, one)) for one in ours]
    items.insert(1, mrd.StreamItem.WaveformUint32(wave))
    path = write(mrd, tmp_path / "f.mrd", items)
    header, first, between, second, close = events_of(path)
    assert isinstance(header, HeaderReceived)
    assert close == CloseReceived()
    for found, sent in zip((first, second), ours, strict=True):
        assert np.array_equal(found.samples, sent.samples)
        assert np.array_equal(found.trajectory, sent.trajectory)
        for name in ("flags", "idx", "pose", "center_sample", "discard_pre", "sample_time_us"):
            assert getattr(found, name) == getattr(sent, name)
        assert found.acquisition_time_stamp == sent.acquisition_time_stamp
    assert isinstance(between, Waveform)
    assert (between.time_stamp, between.waveform_id) == (4, 6)
    assert np.array_equal(between.samples, wave.data)
    stamps = [message.acquisition_time_stamp for message in open_recording(path).messages()]
    assert stamps == [None, 1000, None, 1000, None]


def test_what_is_not_given_is_zero_and_the_centre_the_middle(mrd: Any, tmp_path: Path) -> None:
    bare = mrd.Acquisition(data=np.ones((2, 64), np.complex64))
    path = write(mrd, tmp_path / "f.mrd", [mrd.StreamItem.Acquisition(bare)])
    found = events_of(path)[1]
    assert (found.center_sample, found.scan_counter, found.acquisition_time_stamp) == (32, 0, 0)
    assert found.pose.read_dir == (1.0, 0.0, 0.0)


def test_images_are_passed_over(mrd: Any, tmp_path: Path) -> None:
    array = mrd.StreamItem.ArrayComplexFloat(np.zeros((2, 2), np.complex64))
    assert len(events_of(write(mrd, tmp_path / "f.mrd", [array]))) == 2


def refusal(path: Path) -> str:
    with pytest.raises(MonitorError) as caught:
        list(open_recording(path).messages())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_counters_that_version_1_cannot_hold_are_refused(mrd: Any, tmp_path: Path) -> None:
    head = mrd.AcquisitionHeader(idx=mrd.EncodingCounters(repetition=70_000))
    one = mrd.Acquisition(head=head, data=np.ones((2, 64), np.complex64))
    text = refusal(write(mrd, tmp_path / "f.mrd", [mrd.StreamItem.Acquisition(one)]))
    assert "idx.repetition is 70000, expected at most 65535" in text


def test_a_file_without_a_header_is_refused(mrd: Any, tmp_path: Path) -> None:
    assert "no header" in refusal(write(mrd, tmp_path / "f.mrd", [], header=None))


def test_another_schema_is_refused_as_such(mrd: Any, tmp_path: Path) -> None:
    path = write(mrd, tmp_path / "f.mrd", [])
    path.write_bytes(path.read_bytes().replace(b"acquisitionTimeStamp", b"acquisitionTimeStemp"))
    assert "written by another version of MRD 2" in refusal(path)


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.mrd"
    path.write_bytes(b"yardl\1\0\0\0")
    monkeypatch.setitem(sys.modules, "mrd", None)
    assert 'pip install "mr-therapy-monitor[mrd2]"' in refusal(path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_harm_is_told_in_one_line(
    mrd: Any, tmp_path: Path, make_acquisition: Make, data: st.DataObject
) -> None:
    path = tmp_path / "whole.mrd"
    if not path.exists():
        readouts = [make_acquisition(n, n_samples=8) for n in range(3)]
        items = [mrd.StreamItem.Acquisition(their_acquisition(mrd, one)) for one in readouts]
        write(mrd, path, items)
    raw = bytearray(path.read_bytes())
    start = raw.rindex(b"Header") if data.draw(st.booleans()) else 0
    raw[data.draw(st.integers(start, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.sampled_from([len(raw), len(raw) - 1, len(raw) // 2, 9]))
    broken = tmp_path / "broken.mrd"
    broken.write_bytes(raw[:cut])
    assert "\n" not in "".join(complaints(broken))


def complaints(path: Path) -> Iterator[str]:
    """Anything but a MonitorError passes through, and fails the test."""
    try:
        events_of(path)
    except MonitorError as error:
        yield str(error)


def test_their_own_phantom_comes_over(mrd: Any, tmp_path: Path) -> None:
    path = tmp_path / "phantom.mrd"
    make = [sys.executable, "-m", "mrd.tools.phantom", "-m", "16", "-c", "3", "-r", "2"]
    subprocess.run([*make, "-o", str(path)], check=True, capture_output=True)
    header, *found, _ = events_of(path)
    assert header.header.encodings[0].encoded_matrix == (32, 16, 1)
    with mrd.BinaryMrdReader(str(path)) as reader:
        reader.read_header()
        # each is copied, because the reader is asked for the next only then
        theirs = [(item.value.head.flags, item.value.data.copy()) for item in reader.read_data()]
    assert len(found) == len(theirs) == 32 + 2 * 16
    for ours, (flags, samples) in zip(found, theirs, strict=True):
        assert np.array_equal(ours.samples, samples)
        assert ours.flags == int(flags)
