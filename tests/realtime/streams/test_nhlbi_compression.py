import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Acquisition, StreamError
from messages.acquisition import LAST_IN_SLICE
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_acquisition, encode_close, encode_header
from realtime.streams.nhlbi_compression import BLOB_HEAD, BlobHead, blob_problem, decompress
from realtime.streams.pacing import Pacer
from realtime.streams.recordings import open_recording
from simulators.compression import compressed as simulated_compression
from tests.realtime.streams.nhlbi import blob, compressed, pack

Make = Callable[..., Acquisition]
ID_AND_HEAD = 342


def events_of(*messages: bytes) -> list[object]:
    decoder = Decoder()
    decoder.feed(b"".join(messages))
    return list(decoder.events())


def refusal(*messages: bytes) -> StreamError:
    with pytest.raises(StreamError) as caught:
        events_of(*messages)
    return caught.value


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 32), st.integers(1, 40))
def test_every_width_unpacks_to_its_integers(data: st.DataObject, bits: int, n: int) -> None:
    bound = 1 << (bits - 1)
    integers = data.draw(st.lists(st.integers(-bound, bound - 1), min_size=2 * n, max_size=2 * n))
    head = BlobHead(2 * n, 4.0, bits)
    found = decompress(head, pack(integers, bits)).view(np.float32)
    assert np.array_equal(found, (np.array(integers, np.int64).astype(np.float32) / 4))


def test_known_bytes() -> None:
    # 12 bits: 1, -1 → 0x001, 0xfff, low bits first; then 2047, -2048
    packed = bytes([0x01, 0xF0, 0xFF, 0xFF, 0x07, 0x80])
    found = decompress(BlobHead(4, 2.0, 12), packed)
    assert found.tolist() == [0.5 - 0.5j, 1023.5 - 1024j]
    assert not found.flags.writeable


def test_a_scale_without_end_is_a_readout_of_zeros() -> None:
    assert blob_problem(BlobHead(2, np.inf, 8), BLOB_HEAD.size + 2, 2) == ""
    assert decompress(BlobHead(2, np.inf, 8), b"\x7f\x80").tolist() == [0]


def test_a_compressed_readout_is_a_readout(header_xml: bytes, make_acquisition: Make) -> None:
    plain = make_acquisition(3, n_coils=3, n_samples=61, flags=LAST_IN_SLICE)
    message, samples = compressed(plain, bits=12)
    (found,) = events_of(encode_header(header_xml), message)[1:]
    assert np.array_equal(found.samples, samples)
    # 12 bits of the greatest float: half a step, as a fraction of all
    error = np.linalg.norm(found.samples - plain.samples) / np.linalg.norm(plain.samples)
    assert error < 1e-3
    assert found.flags == LAST_IN_SLICE
    assert found.idx == plain.idx


def test_the_trajectory_stands_before_the_blob(header_xml: bytes, make_acquisition: Make) -> None:
    plain = make_acquisition(n_dimensions=2)
    message, samples = compressed(plain)
    later = encode_acquisition(make_acquisition(1))
    _, found, after = events_of(encode_header(header_xml), message, later)
    assert np.array_equal(found.trajectory, plain.trajectory)
    assert np.array_equal(found.samples, samples)
    assert after.idx.kspace_encode_step_1 == 1


def test_compressed_bytes_one_by_one(header_xml: bytes, make_acquisition: Make) -> None:
    message, samples = compressed(make_acquisition(n_dimensions=3))
    decoder = Decoder()
    for byte in encode_header(header_xml) + message + encode_close():
        decoder.feed(bytes([byte]))
    _, found, _ = decoder.events()
    assert np.array_equal(found.samples, samples)
    decoder.end()


@pytest.mark.parametrize("n_padding", [0, 1, 7])
def test_padding_to_whole_words_is_taken(
    header_xml: bytes, make_acquisition: Make, n_padding: int
) -> None:
    message, samples = compressed(make_acquisition())
    n_bytes = len(message) - ID_AND_HEAD - 4 + n_padding
    padded = message[:ID_AND_HEAD] + struct.pack("<I", n_bytes) + message[ID_AND_HEAD + 4 :]
    _, found, _ = events_of(encode_header(header_xml), padded + bytes(n_padding), encode_close())
    assert np.array_equal(found.samples, samples)


def test_gadgetron_s_float32_length_is_taken() -> None:
    # 2.7 million floats of 13 bits: float32 rounds the number of bits to a multiple of 4
    n_floats, bits = 2_700_002, 13
    rounded = 13 + int(np.ceil(np.float32(n_floats * bits) / np.float32(8)))
    exact = 13 + -(-n_floats * bits // 8)
    assert rounded < exact
    assert blob_problem(BlobHead(n_floats, 1.0, bits), rounded, n_floats) == ""
    assert decompress(BlobHead(n_floats, 1.0, bits), bytes(rounded - 13)).size == n_floats // 2


@pytest.mark.parametrize(
    ("head", "n_bytes", "text"),
    [
        ((256, 1.0, 12), 13 + 383, "has 396 bytes, expected 397 for 256 floats of 12 bits"),
        ((256, 1.0, 12), 13 + 392, "has 405 bytes, expected 397"),
        ((256, 1.0, 12), 13, "announces 13 bytes for 256 floats, expected 45 to 1044"),
        ((256, 1.0, 12), 0, "announces 0 bytes"),
        ((256, 1.0, 12), 0xFFFFFFFF, "announces 4294967295 bytes"),
        ((255, 1.0, 12), 13 + 384, "holds 255 floats, its readout's header says 256"),
        ((1 << 63, 1.0, 12), 13 + 384, "holds 9223372036854775808 floats"),
        ((256, 1.0, 0), 13 + 384, "has 0 bits a float, expected 1 to 32"),
        ((256, 1.0, 33), 13 + 384, "has 33 bits a float"),
        ((256, 0.0, 12), 13 + 384, "scale of 0, expected above 0"),
        ((256, -1.0, 12), 13 + 384, "scale of -1"),
        ((256, np.nan, 12), 13 + 384, "scale of nan"),
    ],
)
def test_a_blob_that_cannot_be_is_refused_by_its_head_alone(
    header_xml: bytes, make_acquisition: Make, head: tuple[int, float, int], n_bytes: int, text: str
) -> None:
    message, _ = compressed(make_acquisition())
    start = message[:ID_AND_HEAD] + struct.pack("<I", n_bytes) + struct.pack("<QfB", *head)
    before = encode_header(header_xml)
    error = refusal(before, start)
    assert text in str(error)
    assert "NHLBI (flag 54)" in str(error)
    assert error.offset == len(before)


def test_a_blob_s_claim_allocates_nothing(header_xml: bytes, make_acquisition: Make) -> None:
    message, _ = compressed(make_acquisition())
    decoder = Decoder()
    decoder.feed(encode_header(header_xml))
    list(decoder.events())
    tracemalloc.start()
    decoder.feed(message[:ID_AND_HEAD] + struct.pack("<I", 0xFFFFFFFF))
    with pytest.raises(StreamError):
        list(decoder.events())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_a_recorded_stream_with_compressed_readouts_is_played_as_it_is(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    readouts = [compressed(make_acquisition(n, ticks=4 * n), bits=5 + n)[0] for n in range(12)]
    session = [encode_header(header_xml), *readouts, encode_close()]
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(session))
    messages = list(open_recording(path).messages())
    assert [message.data for message in messages] == session
    due_s = [due for due, _ in Pacer(messages, vendor="SIEMENS").due()]
    assert due_s[1:-1] == pytest.approx([0.01 * n for n in range(12)])


def test_the_referee_packs_as_the_reference_says() -> None:
    assert blob([1, -1], 12, 2.0) == struct.pack("<QfB", 2, 2.0, 12) + bytes([0x01, 0xF0, 0xFF])


@pytest.mark.parametrize("bits", [2, 7, 8, 12, 16, 24, 31])
def test_the_simulator_s_own_packing_unpacks(
    header_xml: bytes, make_acquisition: Make, bits: int
) -> None:
    plain = make_acquisition(n_coils=3, n_dimensions=2)
    message = simulated_compression(encode_acquisition(plain), bits=bits)
    _, found = events_of(encode_header(header_xml), message)
    assert np.array_equal(found.trajectory, plain.trajectory)
    floats = plain.samples.reshape(-1).view(np.float32)
    # half a step of the integers, and the rounding of a float32
    step = np.abs(floats).max() / (2 ** (bits - 1) - 1)
    error = np.abs(found.samples.reshape(-1).view(np.float32) - floats).max()
    assert error <= 0.5 * step * (1 + 1e-3) + 1e-6 * np.abs(floats).max()
