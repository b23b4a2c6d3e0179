import io
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import ismrmrd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ismrmrd.serialization import ConfigFile as TheirConfigFile
from ismrmrd.serialization import ConfigText as TheirConfigText
from ismrmrd.serialization import ProtocolDeserializer, ProtocolSerializer

from messages import Acquisition, HeaderError, MonitorError, StreamError, Waveform
from messages.acquisition import NOISE_MEASUREMENT
from realtime.streams import mrd_layout as layout
from realtime.streams.events import (
    CloseReceived,
    ConfigFile,
    Event,
    HeaderReceived,
    ImageReceived,
    Query,
    Response,
    Text,
)
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import (
    encode_acquisition,
    encode_close,
    encode_config_file,
    encode_config_text,
    encode_header,
    encode_query,
    encode_response,
    encode_text,
    encode_waveform,
)
from realtime.streams.mrd_framing import Limits

Make = Callable[..., Acquisition]
ANY_CHUNKING = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def decode(data: bytes, **options: object) -> list[Event]:
    decoder = Decoder(**options)
    decoder.feed(data)
    return list(decoder.events())


def their_image(shape: tuple[int, ...] = (1, 3, 5)) -> bytes:
    pixels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    image = ismrmrd.Image.from_array(pixels, transpose=False)
    return struct.pack("<H", layout.IMAGE) + image.to_bytes()


def waveform() -> Waveform:
    samples = np.arange(12, dtype=np.uint32).reshape(3, 4)
    return Waveform(5, 7, 9, 1234, 400.0, 1, samples)


@pytest.fixture
def session(header_xml: bytes, make_acquisition: Make) -> list[bytes]:
    return [
        encode_query(42, "ismrmrd::version"),
        encode_config_file("mrgfus-brain"),
        encode_text("hello"),
        encode_header(header_xml),
        encode_acquisition(make_acquisition(0)),
        encode_waveform(waveform()),
        their_image(),
        encode_acquisition(make_acquisition(1, n_coils=3, n_dimensions=2)),
        encode_text("{}"),
        encode_close(),
    ]


def same(one: Event, other: Event) -> bool:
    if isinstance(one, Acquisition | Waveform):
        names = [n for n in type(one).__slots__ if n not in ("samples", "trajectory")]
        return (
            type(one) is type(other)
            and all(getattr(one, n) == getattr(other, n) for n in names)
            and np.array_equal(one.samples, other.samples)
            and (isinstance(one, Waveform) or np.array_equal(one.trajectory, other.trajectory))
        )
    if isinstance(one, ImageReceived):
        return one.header == other.header and one.attributes == other.attributes
    return one == other


def test_a_session_becomes_its_events(session: list[bytes], make_acquisition: Make) -> None:
    events = decode(b"".join(session))
    assert [type(event) for event in events] == [
        Query,
        ConfigFile,
        Text,
        HeaderReceived,
        Acquisition,
        Waveform,
        ImageReceived,
        Acquisition,
        Text,
        CloseReceived,
    ]
    assert events[0] == Query(42, "ismrmrd::version")
    assert events[1] == ConfigFile("mrgfus-brain")
    assert events[2] == Text("hello")
    assert same(events[4], make_acquisition(0))
    assert same(events[5], waveform())
    assert same(events[7], make_acquisition(1, n_coils=3, n_dimensions=2))


@ANY_CHUNKING
@given(data=st.data())
def test_decoding_is_independent_of_chunking(session: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(session)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=30).map(sorted))
    decoder, events = Decoder(), []
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        chunk = bytearray(whole[start:stop])
        decoder.feed(chunk)
        chunk[:] = b"\xff" * len(chunk)  # the caller reuses its buffer
        events += decoder.events()
    decoder.end()
    expected = decode(whole)
    assert len(events) == len(expected)
    assert all(same(one, other) for one, other in zip(events, expected, strict=True))


def test_decoding_byte_by_byte_gives_the_same(session: list[bytes]) -> None:
    decoder, events = Decoder(), []
    for byte in b"".join(session):
        decoder.feed(bytes([byte]))
        events += decoder.events()
    expected = decode(b"".join(session))
    assert len(events) == len(expected)
    assert all(same(one, other) for one, other in zip(events, expected, strict=True))


def test_every_truncation_is_an_error_that_names_where(session: list[bytes]) -> None:
    whole = b"".join(session)
    starts = np.cumsum([0] + [len(message) for message in session])
    # Every byte of heads and texts; sparsely through the samples, which are all alike.
    cuts = [cut for cut in range(1, len(whole)) if cut % 7 == 0 or np.abs(starts - cut).min() < 8]
    for cut in cuts:
        decoder = Decoder()
        decoder.feed(whole[:cut])
        events = list(decoder.events())
        n_whole = int(np.searchsorted(starts, cut, side="right")) - 1
        assert len(events) == n_whole
        with pytest.raises(StreamError) as caught:
            decoder.end()
        assert caught.value.offset == starts[n_whole]


def test_a_stream_without_a_byte_ends_in_silence_and_one_with_close_in_peace() -> None:
    Decoder().end()
    decoder = Decoder()
    decoder.feed(encode_close())
    assert list(decoder.events()) == [CloseReceived()]
    decoder.end()


def test_a_stream_that_stops_between_messages_has_not_ended(session: list[bytes]) -> None:
    decoder = Decoder()
    decoder.feed(b"".join(session[:6]))
    with pytest.raises(StreamError, match="ended without CLOSE"):
        decoder.end()


def test_each_readout_has_its_own_pose(header_xml: bytes, make_acquisition: Make) -> None:
    first = make_acquisition(0)
    moved = replace(first, pose=replace(first.pose, position_mm=(9.0, 8.0, 7.0)))
    stream = b"".join(encode_acquisition(a) for a in (first, moved, moved, first))
    poses = [event.pose for event in decode(encode_header(header_xml) + stream)[1:]]
    assert poses == [first.pose, moved.pose, moved.pose, first.pose]


def test_events_before_an_error_are_not_lost(session: list[bytes]) -> None:
    decoder = Decoder()
    decoder.feed(b"".join(session[:5]) + struct.pack("<H", 60000))
    events = decoder.events()
    assert [type(next(events)) for _ in range(5)][-1] is Acquisition
    with pytest.raises(StreamError, match="60000"):
        next(events)
    decoder.feed(session[5])
    with pytest.raises(StreamError, match="60000"):
        list(decoder.events())
    with pytest.raises(StreamError, match="60000"):
        decoder.end()


def test_samples_are_read_only_and_aligned(session: list[bytes]) -> None:
    whole = b"".join(session)
    for chunk in (len(whole), 100, 333):
        decoder = Decoder()
        for start in range(0, len(whole), chunk):
            decoder.feed(whole[start : start + chunk])
        arrays = [e.samples for e in decoder.events() if isinstance(e, Acquisition | Waveform)]
        assert len(arrays) == 3
        assert all(a.flags.aligned and not a.flags.writeable for a in arrays)


def test_nan_samples_pass(header_xml: bytes, make_acquisition: Make) -> None:
    raw = bytearray(encode_acquisition(make_acquisition(0)))
    raw[342:346] = struct.pack("<f", np.nan)
    acquisition = decode(encode_header(header_xml) + raw)[1]
    assert np.isnan(acquisition.samples[0, 0].real)


# --- the ismrmrd package as referee -------------------------------------------------------------


def their_acquisition(ours: Acquisition) -> ismrmrd.Acquisition:
    theirs = ismrmrd.Acquisition.from_array(ours.samples, ours.trajectory)
    for name in (
        "measurement_uid",
        "scan_counter",
        "acquisition_time_stamp",
        "discard_pre",
        "discard_post",
        "center_sample",
        "sample_time_us",
        "flags",
    ):
        setattr(theirs, name, getattr(ours, name))
    theirs.version = 1
    theirs.physiology_time_stamp[:] = ours.physiology_time_stamp
    theirs.position[:] = ours.pose.position_mm
    for name in ("read_dir", "phase_dir", "slice_dir", "patient_table_position"):
        getattr(theirs, name)[:] = getattr(ours.pose, name)
    for name in ours.idx.__slots__:
        setattr(theirs.idx, name, getattr(ours.idx, name))
    return theirs


def test_the_ismrmrd_packages_own_stream_decodes(header_xml: bytes, make_acquisition: Make) -> None:
    ours = [make_acquisition(3, n_dimensions=2), make_acquisition(4, n_coils=1)]
    stream = io.BytesIO()
    serializer = ProtocolSerializer(stream)
    serializer.serialize(TheirConfigFile("a-name"))
    serializer.serialize(ismrmrd.xsd.CreateFromDocument(header_xml))
    for acquisition in ours:
        serializer.serialize(their_acquisition(acquisition))
    pixels = np.arange(6, dtype=np.int16).reshape(2, 3)
    serializer.serialize(ismrmrd.Image.from_array(pixels, transpose=False))
    serializer.serialize(ismrmrd.Waveform.from_array(waveform().samples))
    serializer.serialize("words")
    serializer.close()

    events = decode(stream.getvalue())
    assert events[0] == ConfigFile("a-name")
    assert events[1].header.encodings[0].encoded_matrix == (64, 32, 1)
    assert same(events[2], ours[0])
    assert same(events[3], ours[1])
    assert isinstance(events[4], ImageReceived)
    assert np.array_equal(events[5].samples, waveform().samples)
    assert events[6:] == [Text("words"), CloseReceived()]


def test_our_acquisition_is_the_ismrmrd_packages_byte_for_byte(make_acquisition: Make) -> None:
    ours = make_acquisition(5, n_coils=3, n_dimensions=2)
    assert encode_acquisition(ours)[2:] == their_acquisition(ours).to_bytes()


def test_the_ismrmrd_package_reads_what_we_send(header_xml: bytes, make_acquisition: Make) -> None:
    ours = make_acquisition(6)
    stream = io.BytesIO(
        encode_config_text("<x/>")
        + encode_header(header_xml)
        + encode_acquisition(ours)
        + encode_waveform(waveform())
        + encode_text("words")
        + encode_close()
    )
    config, header, acquisition, wave, text = ProtocolDeserializer(stream).deserialize()
    assert isinstance(config, TheirConfigText)
    assert config == "<x/>"
    assert header.encoding[0].encodedSpace.matrixSize.x == 64
    assert np.array_equal(acquisition.data, ours.samples)
    assert acquisition.idx.repetition == 5
    assert np.array_equal(wave.data, waveform().samples)
    assert text.rstrip("\0") == "words"


def test_replies_decode_with_their_pixels() -> None:
    replies = encode_response(3, "1.15") + their_image((1, 3, 5)) + encode_close()
    response, image, close = decode(replies, reads_replies=True)
    assert (response, close) == (Response(3, "1.15"), CloseReceived())
    assert np.array_equal(image.pixels, np.arange(15, dtype=np.float32).reshape(1, 1, 3, 5))


@pytest.mark.parametrize("text", [b"words", b"words\0", b""])
def test_texts_with_and_without_nul(text: bytes) -> None:
    raw = struct.pack("<HI", layout.TEXT, len(text)) + text
    assert decode(raw, reads_replies=True) == [Text(text.rstrip(b"\0").decode())]


def test_no_text_that_we_send_is_empty() -> None:
    with pytest.raises(ValueError, match="empty"):
        encode_config_text("")
    assert len(encode_text("")) == 2 + 4 + 1


# --- bad input ----------------------------------------------------------------------------------


def refusal(data: bytes, **options: object) -> MonitorError:
    with pytest.raises(MonitorError) as caught:
        decode(data, **options)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", [1005, 1018, 1030, 0, 8, 60000])
def test_an_id_that_is_not_ours_is_named(header_xml: bytes, kind: int) -> None:
    header = encode_header(header_xml)
    error = refusal(header + struct.pack("<H", kind))
    assert str(kind) in str(error)
    assert error.offset == len(header)


def test_the_order_of_a_session_is_kept(header_xml: bytes, make_acquisition: Make) -> None:
    config, header = encode_config_file("a"), encode_header(header_xml)
    readout, text = encode_acquisition(make_acquisition()), encode_text("x")
    for early in (readout, their_image(), encode_waveform(waveform())):
        name = layout.NAMES[struct.unpack_from("<H", early)[0]]
        for before in (b"", config):
            error = refusal(before + early)
            assert f"{name} came before HEADER" in str(error)
            assert error.offset == len(before)
    assert "second configuration" in str(refusal(config + encode_config_text("b")))
    assert "second header" in str(refusal(config + header + header))
    assert "came after HEADER" in str(refusal(header + config))
    assert "TEXT came first" in str(refusal(text))
    assert "RESPONSE came from a client" in str(refusal(encode_response(1, "x")))
    after = refusal(header + encode_close() + b"\0")
    assert "after CLOSE" in str(after)
    assert after.offset == len(header) + 2
    assert "came from a server" in str(refusal(header, reads_replies=True))


CORRUPTIONS = [
    ({"number_of_samples": 0}, "number_of_samples is 0"),
    ({"active_channels": 0}, "active_channels is 0"),
    ({"active_channels": 5, "available_channels": 4}, "available_channels, 4"),
    ({"active_channels": 9, "available_channels": 9}, "at most 8, the header's receiverChannels"),
    ({"discard_pre": 40, "discard_post": 24}, "discard_pre [+] discard_post is 64"),
    ({"encoding_space_ref": 1}, "encoding_space_ref is 1"),
    ({"trajectory_dimensions": 5}, "trajectory_dimensions is 5"),
    ({"trajectory_dimensions": 65535, "number_of_samples": 65535}, "trajectory_dimensions 65535"),
    ({"sample_time_us": np.nan}, "sample_time_us is nan"),
    ({"sample_time_us": np.inf}, "sample_time_us is inf"),
    ({"number_of_samples": 4 * 64 + 1025}, "at most 1280 for the header's encodedSpace"),
    ({"flags": 1 << 52}, "compressed with ZFP [(]flag 53[)]"),
    ({"version": 2}, "version is 2, expected 1, or 0 where it is not set"),
]


@pytest.mark.parametrize(("fields", "text"), CORRUPTIONS)
def test_a_readout_that_cannot_be_is_refused_by_its_header_alone(
    header_xml: bytes, make_acquisition: Make, fields: dict[str, float], text: str
) -> None:
    head = np.frombuffer(encode_acquisition(make_acquisition())[2:342], layout.ACQUISITION_HEADER)
    head = head.copy()
    for name, value in fields.items():
        head[name] = value
    before = encode_header(header_xml)
    with pytest.raises(StreamError, match=text) as caught:
        decode(before + struct.pack("<H", layout.ACQUISITION) + head.tobytes())
    assert caught.value.offset == len(before)


@pytest.mark.parametrize("available", [0, 1])
def test_available_channels_left_at_their_default_say_nothing(
    header_xml: bytes, make_acquisition: Make, available: int
) -> None:
    raw = bytearray(encode_acquisition(make_acquisition(n_coils=4)))
    raw[2 + 36 : 2 + 38] = struct.pack("<H", available)
    assert decode(encode_header(header_xml) + raw)[1].n_coils == 4


def test_a_spiral_readout_may_be_longer_than_the_matrix(
    header_xml: bytes, make_acquisition: Make
) -> None:
    xml = header_xml.replace(b">cartesian<", b">spiral<")
    raw = encode_acquisition(make_acquisition(n_samples=5000))
    assert decode(encode_header(xml) + raw)[1].n_samples == 5000
    with pytest.raises(StreamError, match="encodedSpace"):
        decode(encode_header(header_xml) + raw)


def test_a_noise_readout_may_be_longer_than_the_matrix(
    header_xml: bytes, make_acquisition: Make
) -> None:
    raw = encode_acquisition(make_acquisition(n_samples=5000, flags=NOISE_MEASUREMENT))
    assert decode(encode_header(header_xml) + raw)[1].n_samples == 5000


def test_a_claim_of_65535_by_65535_samples_allocates_nothing(
    header_xml: bytes, make_acquisition: Make
) -> None:
    raw = bytearray(encode_acquisition(make_acquisition())[:342])
    raw[2 + 34 : 2 + 40] = struct.pack("<HHH", 65535, 65535, 65535)
    decoder = Decoder()
    decoder.feed(encode_header(header_xml))
    list(decoder.events())
    tracemalloc.start()
    decoder.feed(raw)
    with pytest.raises(StreamError, match="65535 samples x 65535 channels"):
        list(decoder.events())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "claim",
    [
        struct.pack("<HI", layout.CONFIG_TEXT, 2 << 30),
        struct.pack("<HI", layout.HEADER, (16 << 20) + 1),
        struct.pack("<HQQQ", layout.QUERY, 0, 1, 1 << 63),
    ],
)
def test_a_text_beyond_16_mib_is_refused_by_its_length(claim: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(StreamError, match="at most 16777216"):
        decode(claim)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_images_and_waveforms_beyond_their_limits_are_refused(header_xml: bytes) -> None:
    header = encode_header(header_xml)
    raw = bytearray(their_image())
    raw[2 + 16 : 2 + 22] = struct.pack("<HHH", 65535, 65535, 65535)
    assert "IMAGE of 1 channels x 65535" in str(refusal(header + raw))
    raw[2 + 2 : 2 + 4] = struct.pack("<H", 9)
    assert "data_type is 9" in str(refusal(header + raw))
    raw = bytearray(their_image())
    raw[2 + 198 : 2 + 206] = struct.pack("<Q", 1 << 62)
    assert "attributes announce" in str(refusal(header + raw))
    raw = bytearray(encode_waveform(waveform()))
    raw[2 + 28 : 2 + 32] = struct.pack("<HH", 65535, 65535)
    assert "WAVEFORM of 65535" in str(refusal(header + raw))


def test_pixels_from_a_client_are_passed_over_not_held(header_xml: bytes) -> None:
    raw = their_image((1, 1024, 1024))
    decoder = Decoder()
    decoder.feed(encode_header(header_xml))
    list(decoder.events())
    tracemalloc.start()
    for start in range(0, len(raw), 10_000):
        decoder.feed(raw[start : start + 10_000])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (image,) = decoder.events()
    assert image.pixels is None
    assert peak < 1_000_000
    decoder.feed(encode_close())
    assert list(decoder.events()) == [CloseReceived()]


def test_limits_can_be_drawn_closer(header_xml: bytes, make_acquisition: Make) -> None:
    stream = encode_header(header_xml) + encode_acquisition(make_acquisition())
    with pytest.raises(StreamError, match="at most 1000"):
        decode(stream, limits=Limits(max_readout_bytes=1000))


def test_a_bad_header_names_its_field(header_xml: bytes) -> None:
    xml = header_xml.replace(b"<x>64</x>", b"<x>-1</x>")
    with pytest.raises(HeaderError, match=r"encodedSpace\.matrixSize\.x"):
        decode(encode_header(xml))


def error_of(data: bytes, **options: object) -> str:
    """Anything but a MonitorError passes through, and fails the test."""
    decoder = Decoder(**options)
    decoder.feed(data)
    try:
        list(decoder.events())
        decoder.end()
    except MonitorError as error:
        return str(error)
    return ""


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_garbage_is_events_or_a_one_line_error(data: bytes, replies: bool) -> None:
    assert "\n" not in error_of(data, reads_replies=replies)


@ANY_CHUNKING
@given(data=st.data())
def test_a_flipped_byte_is_events_or_a_one_line_error(
    session: list[bytes], data: st.DataObject
) -> None:
    whole = bytearray(b"".join(session))
    where = data.draw(st.integers(0, len(whole) - 1))
    whole[where] ^= data.draw(st.integers(1, 255))
    assert "\n" not in error_of(bytes(whole))
