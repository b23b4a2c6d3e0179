"""Real scans as streams, without the person, and other programs' files."""

import shutil
import subprocess
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from messages import Acquisition
from realtime.protocol import load_protocol
from realtime.streams.deidentification import deidentified
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import parse_header
from realtime.streams.recording_files import write_hdf5, write_stream
from realtime.streams.recordings import open_recording
from tests.realdata.test_real_scans import replayed

SCANS = (
    "skyra_gre_2ch.h5",
    "skyra_epi_2ch.h5",
    "skyra_se_32ch.h5",
    "trio_epi_1ch.h5",
    "trio_epi_1ch_navigator.h5",
)
PERSONAL = (
    "studyTime", "studyDate", "measurementID", "frameOfReferenceUID", "institutionName",
    "deviceID", "protocolName", "stationName", "patientName", "sWipMemBlock",
)  # fmt: skip


def messages_of(path: Path) -> list[bytes]:
    return [message.data for message in open_recording(path).messages()]


def readouts_of(path: Path) -> list[Acquisition]:
    decoder = Decoder()
    decoder.feed(b"".join(messages_of(path)))
    decoder.end()
    return [event for event in decoder.events() if isinstance(event, Acquisition)]


@pytest.mark.realdata
@pytest.mark.parametrize("name", SCANS)
def test_a_scan_becomes_a_stream_and_a_file_again_byte_for_byte(
    data_folder: Path, tmp_path: Path, name: str
):
    original = messages_of(data_folder / name)
    write_stream(tmp_path / "raw.mrd", open_recording(data_folder / name).messages())
    assert (tmp_path / "raw.mrd").read_bytes() == b"".join(original)
    assert messages_of(tmp_path / "raw.mrd") == original
    write_hdf5(tmp_path / "again.h5", open_recording(tmp_path / "raw.mrd").messages())
    assert messages_of(tmp_path / "again.h5") == original


@pytest.mark.realdata
@pytest.mark.parametrize("name", SCANS)
def test_a_scan_without_the_person_is_the_same_measurement(
    data_folder: Path, tmp_path: Path, name: str
):
    source, target = data_folder / name, tmp_path / "out.h5"
    write_hdf5(target, deidentified(open_recording(source), config_names=()))
    raw = target.read_bytes()
    header = parse_header(open_recording(source).header_xml)
    for tag in PERSONAL:
        assert tag.encode() not in raw
    system = ismrmrd.xsd.CreateFromDocument(header.xml).acquisitionSystemInformation
    assert system.institutionName.encode() not in raw
    assert system.deviceID.encode() not in raw
    before, after = readouts_of(source), readouts_of(target)
    assert len(after) == len(before)
    first = before[0].acquisition_time_stamp - after[0].acquisition_time_stamp
    assert first > 10_000_000  # it was the afternoon
    for ours, theirs in zip(after, before, strict=True):
        assert np.array_equal(ours.samples, theirs.samples)
        assert (ours.idx, ours.pose, ours.flags) == (theirs.idx, theirs.pose, theirs.flags)
        assert ours.acquisition_time_stamp == theirs.acquisition_time_stamp - first


@pytest.mark.realdata
def test_a_scan_without_the_person_replays_with_the_same_images(data_folder: Path, tmp_path: Path):
    source = data_folder / "skyra_gre_2ch.h5"
    imaging = load_protocol("imaging")
    write_hdf5(tmp_path / "f.h5", deidentified(open_recording(source), config_names=()))
    write_stream(tmp_path / "f.mrd", deidentified(open_recording(source), config_names=()))
    _, expected = replayed(source, imaging, tmp_path / "before")
    for name in ("f.h5", "f.mrd"):
        summary, found = replayed(tmp_path / name, imaging, tmp_path / f"after-{name}")
        assert summary.is_closed
        assert set(found) == set(expected)
        for key in found:
            assert np.array_equal(found[key], expected[key], equal_nan=found[key].dtype.kind == "f")


@pytest.mark.parametrize("options", ["-a 2 -w 16", "-a 2 -w 16 -C", "-C", "-k"])
def test_debian_s_phantom_is_the_same_as_file_and_stream(tmp_path: Path, options: str):
    if shutil.which("ismrmrd_generate_cartesian_shepp_logan") is None:
        pytest.skip("ismrmrd-tools are not installed")
    path = tmp_path / "f.h5"
    make = f"ismrmrd_generate_cartesian_shepp_logan -r 3 -c 4 -m 32 -O 2 {options} -o {path}"
    subprocess.run(make.split(), check=True, capture_output=True)
    write_stream(tmp_path / "raw.mrd", open_recording(path).messages())
    from_file, from_stream = readouts_of(path), readouts_of(tmp_path / "raw.mrd")
    with ismrmrd.File(str(path), mode="r") as file:
        theirs = list(file["dataset"].acquisitions)
    assert len(theirs) == len(from_file) == len(from_stream)
    for ours, streamed, referee in zip(from_file, from_stream, theirs, strict=True):
        for one in (ours, streamed):
            assert np.array_equal(one.samples, referee.data)
            assert one.trajectory.size == referee.traj.size
            assert one.flags == referee.flags
            assert one.idx.repetition == referee.idx.repetition
            assert one.idx.kspace_encode_step_1 == referee.idx.kspace_encode_step_1
            # the phantom leaves all directions at zero
            assert one.pose.read_dir == (1.0, 0.0, 0.0)
    header = parse_header(open_recording(path).header_xml)
    if "-a 2" in options:
        assert header.encodings[0].acceleration == (2, 1)
        assert header.encodings[0].calibration_mode == "interleaved"
