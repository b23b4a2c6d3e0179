import fcntl
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
from ismrmrd.hdf5 import acquisition_dtype

from messages import Acquisition, MonitorError, StreamError, Waveform
from realtime.streams import mrd_layout as layout
from realtime.streams.events import CloseReceived, HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import (
    encode_acquisition,
    encode_close,
    encode_config_file,
    encode_header,
    encode_text,
    encode_waveform,
)
from realtime.streams.mrd_framing import Limits
from realtime.streams.recordings import Recording, open_recording

Make = Callable[..., Acquisition]


def decoded(recording: Recording) -> list[object]:
    decoder = Decoder()
    for message in recording.messages():
        decoder.feed(message.data)
    events = list(decoder.events())
    decoder.end()
    return events


def write_hdf5(
    path: Path, xml: bytes, acquisitions: list[Acquisition], *, group: str = "dataset"
) -> Path:
    """As the ismrmrd package writes it, but without ours or theirs in between."""
    rows = np.zeros(len(acquisitions), acquisition_dtype)
    for row, acquisition in zip(rows, acquisitions, strict=True):
        raw = encode_acquisition(acquisition)
        row["head"] = np.frombuffer(raw[2:342], layout.ACQUISITION_HEADER)[0]
        row["traj"] = acquisition.trajectory.ravel()
        row["data"] = acquisition.samples.ravel().view(np.float32)
    with h5py.File(path, "a") as file:
        folder = file.create_group(group)
        folder.create_dataset("xml", (1,), dtype=h5py.special_dtype(vlen=bytes))[0] = xml
        folder.create_dataset("data", data=rows, maxshape=(None,), chunks=(1,))
    return path


def play(recording: Recording) -> tuple[list[bytes], MonitorError | None]:
    """Return the messages, and the error that ended them."""
    messages: list[bytes] = []
    try:
        messages.extend(message.data for message in recording.messages())
    except MonitorError as error:
        return messages, error
    return messages, None


def refusal(path: Path) -> str:
    with pytest.raises(MonitorError) as caught:
        list(open_recording(path).messages())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- HDF5 ---------------------------------------------------------------------------------------


def test_hdf5_rows_become_the_bytes_of_the_wire(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    acquisitions = [make_acquisition(line, n_coils=1 + line % 3, ticks=line) for line in range(300)]
    acquisitions[7] = make_acquisition(7, n_dimensions=3, ticks=7)
    recording = open_recording(write_hdf5(tmp_path / "f.h5", header_xml, acquisitions))
    assert recording.header_xml == header_xml
    assert (recording.n_readouts, recording.has_config) == (300, False)
    messages = list(recording.messages())
    assert messages[0].data == encode_header(header_xml)
    assert [m.data for m in messages[1:-1]] == [encode_acquisition(a) for a in acquisitions]
    assert [m.acquisition_time_stamp for m in messages[1:-1]] == list(range(300))
    assert messages[-1].data == encode_close()
    assert [m.data for m in recording.messages()] == [m.data for m in messages]


def test_waveforms_stand_between_readouts_by_time(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = tmp_path / "f.h5"
    with ismrmrd.Dataset(str(path)) as dataset:
        dataset.write_xml_header(header_xml)
        for line in range(4):
            ours = make_acquisition(line)
            theirs = ismrmrd.Acquisition.from_array(ours.samples)
            theirs.acquisition_time_stamp = 10 * line
            dataset.append_acquisition(theirs)
        for stamp in (5, 25):
            wave = ismrmrd.Waveform.from_array(np.arange(6, dtype=np.uint32).reshape(2, 3))
            wave.time_stamp = stamp
            dataset.append_waveform(wave)
    events = decoded(open_recording(path))
    kinds = "".join({Acquisition: "a", Waveform: "w"}.get(type(e), "-") for e in events)
    assert kinds == "-awaawa-"
    assert np.array_equal(events[2].samples, np.arange(6).reshape(2, 3))


def test_another_group_name_will_do_where_there_is_only_one(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = write_hdf5(tmp_path / "f.h5", header_xml, [make_acquisition()], group="scan_1")
    assert len(decoded(open_recording(path))) == 3
    write_hdf5(path, header_xml, [make_acquisition()], group="scan_2")
    assert "several groups hold raw data ('scan_1', 'scan_2')" in refusal(path)
    write_hdf5(path, header_xml, [make_acquisition()] * 2, group="dataset")
    assert open_recording(path).n_readouts == 2


def test_headers_packed_otherwise_in_the_file_are_repacked(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    aligned = np.dtype(
        [(name, layout.ACQUISITION_HEADER[name]) for name in layout.ACQUISITION_HEADER.names],
        align=True,
    )
    assert aligned.itemsize > 340
    dtype = np.dtype(
        [
            ("head", aligned),
            ("traj", acquisition_dtype["traj"]),
            ("data", acquisition_dtype["data"]),
        ]
    )
    acquisition = make_acquisition(5)
    packed = np.frombuffer(encode_acquisition(acquisition)[2:342], layout.ACQUISITION_HEADER)[0]
    row = np.zeros(1, dtype)
    for name in packed.dtype.names:
        row["head"][name][0] = packed[name]
    row["traj"][0] = np.zeros(0, np.float32)
    row["data"][0] = acquisition.samples.ravel().view(np.float32)
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset/xml", (1,), dtype=h5py.special_dtype(vlen=bytes))[0] = (
            header_xml
        )
        file.create_dataset("dataset/data", data=row)
    messages = list(open_recording(path).messages())
    assert messages[1].data == encode_acquisition(acquisition)


def test_a_row_whose_samples_do_not_fit_its_header_is_named(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = write_hdf5(tmp_path / "f.h5", header_xml, [make_acquisition(n) for n in range(300)])
    with h5py.File(path, "r+") as file:
        row = file["dataset/data"][290]
        row["data"] = row["data"][:-2]
        file["dataset/data"][290] = row
    messages, error = play(open_recording(path))
    assert len(messages) == 1 + 290
    assert "row 290: data has 1016 bytes, its header says 1024" in str(error)


def test_a_row_with_an_impossible_header_is_named(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = write_hdf5(tmp_path / "f.h5", header_xml, [make_acquisition(n) for n in range(3)])
    with h5py.File(path, "r+") as file:
        row = file["dataset/data"][2]
        row["head"]["number_of_samples"] = row["head"]["active_channels"] = 65535
        file["dataset/data"][2] = row
    assert "row 2: of 65535 samples x 65535 channels" in refusal(path)


def test_hdf5_that_holds_no_raw_data_is_refused(tmp_path: Path, header_xml: bytes) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["image/data"] = np.zeros(3)
    assert "no group holds 'data' and 'xml', expected 'dataset'; groups: 'image'" in refusal(path)
    with h5py.File(path, "w") as file:
        file["dataset/data"] = np.zeros(3)
        file["dataset/xml"] = [header_xml]
    assert "is not a list of data, head, traj" in refusal(path)


def test_a_truncated_hdf5_file_is_refused(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = write_hdf5(tmp_path / "f.h5", header_xml, [make_acquisition(n) for n in range(50)])
    n_bytes = path.stat().st_size
    path.write_bytes(path.read_bytes()[: n_bytes // 2])
    said = refusal(path)
    assert said.endswith(
        f"cannot be read as HDF5: cut off, {n_bytes // 2} of {n_bytes} bytes are there"
    )


def test_a_file_that_another_process_writes_is_refused(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = write_hdf5(tmp_path / "f.h5", header_xml, [make_acquisition()])
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)  # as HDF5 locks what it writes
        assert "another program has it open for writing" in refusal(path)


def test_links_that_lead_out_of_the_file_are_refused(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    write_hdf5(tmp_path / "other.h5", header_xml, [make_acquisition()])
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["dataset"] = h5py.ExternalLink("other.h5", "/dataset")
    assert "no group holds" in refusal(path)
    with h5py.File(path, "w") as file:
        file["dataset/xml"] = [header_xml]
        file["dataset/data"] = h5py.ExternalLink("other.h5", "/dataset/data")
    assert "dataset/data is a link" in refusal(path)


def test_a_chunk_that_would_expand_beyond_measure_is_refused(
    tmp_path: Path, header_xml: bytes
) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["dataset/xml"] = [header_xml]
        file.create_dataset(
            "dataset/data",
            shape=(1_000_000,),
            chunks=(1_000_000,),
            dtype=acquisition_dtype,
            compression="gzip",
        )
    assert path.stat().st_size < 100_000
    assert "claims 372000000 bytes in a file of" in refusal(path)


# --- MRD streams --------------------------------------------------------------------------------


@pytest.fixture
def session(header_xml: bytes, make_acquisition: Make) -> list[bytes]:
    wave = Waveform(0, 0, 0, 5, 1.0, 0, np.zeros((1, 2), np.uint32))
    return [
        encode_config_file("a"),
        encode_header(header_xml + b"\0"),
        encode_acquisition(make_acquisition(0, ticks=4)),
        encode_text("{}"),
        encode_waveform(wave),
        encode_acquisition(make_acquisition(1, ticks=8)),
        encode_close(),
    ]


def test_a_stream_is_played_as_it_was_recorded(
    tmp_path: Path, header_xml: bytes, session: list[bytes]
) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(session))
    recording = open_recording(path)
    assert recording.header_xml == header_xml
    assert recording.has_config
    messages = list(recording.messages())
    assert [m.data for m in messages] == session
    assert [m.acquisition_time_stamp for m in messages] == [None, None, 4, None, None, 8, None]
    events = decoded(recording)
    assert isinstance(events[1], HeaderReceived)
    assert events[-1] == CloseReceived()


def test_a_cut_stream_gives_all_before_the_cut_and_then_says_where(
    tmp_path: Path, session: list[bytes]
) -> None:
    whole = b"".join(session)
    starts = np.cumsum([0] + [len(message) for message in session])
    path = tmp_path / "raw.mrd"
    for cut in range(starts[2], len(whole), 11):
        path.write_bytes(whole[:cut])
        messages, error = play(open_recording(path))
        n_whole = int(np.searchsorted(starts, cut, side="right")) - 1
        assert messages == session[:n_whole]
        assert isinstance(error, StreamError)
        assert error.offset == starts[n_whole]


def test_a_stream_with_bytes_after_close_is_refused(tmp_path: Path, session: list[bytes]) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(session) + b"\0\0")
    assert "bytes after CLOSE" in refusal(path)


def test_a_stream_without_a_header_is_refused(tmp_path: Path, make_acquisition: Make) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(encode_acquisition(make_acquisition()) + encode_close())
    assert "no HEADER" in refusal(path)


def test_limits_hold_for_recordings_too(tmp_path: Path, session: list[bytes]) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(session))
    with pytest.raises(StreamError, match="at most 1000"):
        list(open_recording(path, limits=Limits(max_readout_bytes=1000)).messages())


# --- neither ------------------------------------------------------------------------------------


def test_files_that_are_no_recording_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert "is empty" in refusal(path)
    path.write_text("some notes on the scan\n")
    assert "is neither ISMRMRD HDF5 nor an MRD stream: it begins with 'some not'" in refusal(path)
    path.write_bytes(bytes(range(200, 240)))
    assert "it begins with c8 c9 ca" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    assert "is a zip archive" in refusal(path)
    assert "No such file" in refusal(tmp_path / "absent")
    assert "directory" in refusal(tmp_path)


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name",
    [
        "skyra_gre_2ch.h5",
        "skyra_epi_2ch.h5",
        "skyra_se_32ch.h5",
        "trio_epi_1ch.h5",
        "trio_epi_1ch_navigator.h5",
    ],
)
def test_real_scans_read_as_the_ismrmrd_package_reads_them(real_scans: Path, name: str) -> None:
    events = decoded(open_recording(real_scans / name))
    ours = [event for event in events if isinstance(event, Acquisition)]
    with ismrmrd.Dataset(str(real_scans / name), mode="r") as dataset:
        assert dataset.number_of_acquisitions() == len(ours) == len(events) - 2
        assert events[0].header.xml == dataset.read_xml_header().rstrip(b"\0")
        for index in [0, 1, len(ours) // 2, len(ours) - 1]:
            theirs = dataset.read_acquisition(index)
            acquisition = ours[index]
            assert np.array_equal(acquisition.samples, theirs.data)
            assert acquisition.flags == theirs.flags
            assert acquisition.acquisition_time_stamp == theirs.acquisition_time_stamp
            assert acquisition.idx.kspace_encode_step_1 == theirs.idx.kspace_encode_step_1
            assert acquisition.pose.position_mm == tuple(theirs.position)
