"""HDF5 files made to mislead, and files that came to harm."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ismrmrd.hdf5 import acquisition_dtype

from messages import Acquisition, MonitorError
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.recordings import open_recording
from tests.realtime.streams.test_recordings import refusal, write_hdf5

Make = Callable[..., Acquisition]


def new_file(path: Path, xml: bytes) -> h5py.File:
    file = h5py.File(path, "w")
    file["dataset/xml"] = [xml]
    return file


def test_soft_and_external_links_are_refused(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    write_hdf5(tmp_path / "other.h5", header_xml, [make_acquisition()])
    path = tmp_path / "f.h5"
    for link in (
        h5py.SoftLink("/elsewhere/data"),
        h5py.SoftLink("../elsewhere/data"),
        h5py.ExternalLink("other.h5", "/dataset/data"),
        h5py.ExternalLink("../../../../etc/passwd", "/dataset/data"),
    ):
        with new_file(path, header_xml) as file:
            write = file.create_dataset("elsewhere/data", (1,), acquisition_dtype)
            assert write.size == 1
            file["dataset/data"] = link
        assert "/dataset/data is a link, expected a dataset of this file" in refusal(path)


def test_a_header_that_is_a_link_is_refused(tmp_path: Path, header_xml: bytes) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["secret"] = [header_xml]
        file["dataset/xml"] = h5py.SoftLink("/secret")
        file.create_dataset("dataset/data", (1,), acquisition_dtype)
    assert "/dataset/xml is a link" in refusal(path)


def test_external_storage_is_refused(tmp_path: Path, header_xml: bytes) -> None:
    (tmp_path / "secret.bin").write_bytes(b"s" * 4096)
    path = tmp_path / "f.h5"
    with new_file(path, header_xml) as file:
        file.create_dataset(
            "dataset/data",
            (2,),
            np.dtype([("head", "<f4", (85,)), ("traj", "<f4", (1,)), ("data", "<f4", (2,))]),
            external=[(str(tmp_path / "secret.bin"), 0, 4096)],
        )
    assert "/dataset/data is not a plain dataset of this file" in refusal(path)


def test_a_virtual_dataset_is_refused(tmp_path: Path, header_xml: bytes) -> None:
    path = tmp_path / "f.h5"
    kind = np.dtype([("head", "<f4", (85,)), ("traj", "<f4", (1,)), ("data", "<f4", (2,))])
    layout = h5py.VirtualLayout((2,), kind)
    layout[:] = h5py.VirtualSource("../other.h5", "data", (2,), kind)
    with new_file(path, header_xml) as file:
        file.create_virtual_dataset("dataset/data", layout)
    assert "is not a plain dataset of this file" in refusal(path)


def test_a_gzip_bomb_is_refused_by_what_it_declares(tmp_path: Path, header_xml: bytes) -> None:
    path = tmp_path / "f.h5"
    with new_file(path, header_xml) as file:
        file.create_dataset(
            "dataset/data", (1 << 40,), acquisition_dtype, chunks=(1000,), compression="gzip"
        )
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    text = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"claims {372 << 40} bytes in a file of" in text
    assert peak < 1_000_000


def test_a_chunk_beyond_measure_is_refused(tmp_path: Path, header_xml: bytes) -> None:
    path = tmp_path / "f.h5"
    with new_file(path, header_xml) as file:
        file.create_dataset(
            "dataset/data", (1,), acquisition_dtype, chunks=(1_000_000,), maxshape=(None,)
        )
    assert "chunks of 372000000 bytes" in refusal(path)


@pytest.mark.parametrize("samples", [h5py.string_dtype(), h5py.vlen_dtype(np.dtype(">f4"))])
def test_columns_that_hold_no_numbers_of_ours_are_refused(
    tmp_path: Path, header_xml: bytes, samples: np.dtype
) -> None:
    path = tmp_path / "f.h5"
    columns = [(name, acquisition_dtype[name]) for name in ("head", "traj")]
    with new_file(path, header_xml) as file:
        file.create_dataset("dataset/data", (1,), np.dtype([*columns, ("data", samples)]))
    assert "dataset/data.data is not a list of little-endian numbers" in refusal(path)


def decode_all(path: Path) -> None:
    decoder = Decoder()
    for message in open_recording(path).messages():
        decoder.feed(message.data)
        list(decoder.events())


def complaint(path: Path) -> str:
    """Anything but a MonitorError passes through, and fails the test."""
    try:
        decode_all(path)
    except MonitorError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("position", np.nan, "position or a direction is not finite"),
        ("sample_time_us", np.nan, "sample_time_us is nan"),
        ("flags", 1 << 53, "flagged as compressed with NHLBI"),
        ("flags", 1 << 52, "compressed with ZFP"),
    ],
)
def test_a_row_s_header_is_judged_as_on_the_wire(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make, field: str, value: float, text: str
) -> None:
    path = write_hdf5(tmp_path / "f.h5", header_xml, [make_acquisition(n) for n in range(3)])
    with h5py.File(path, "r+") as file:
        row = file["dataset/data"][2]
        row["head"][field] = value
        file["dataset/data"][2] = row
    with pytest.raises(MonitorError, match=text):
        decode_all(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_flipped_bits_are_a_session_or_one_line(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make, data: st.DataObject
) -> None:
    path = tmp_path / "whole.h5"
    if not path.exists():
        write_hdf5(path, header_xml, [make_acquisition(n, n_samples=8) for n in range(4)])
    raw = bytearray(path.read_bytes())
    flips = st.lists(st.integers(0, 8 * len(raw) - 1), min_size=1, max_size=8)
    for bit in data.draw(flips):
        raw[bit // 8] ^= 1 << bit % 8
    broken = tmp_path / "broken.h5"
    broken.write_bytes(raw)
    assert "\n" not in complaint(broken)
