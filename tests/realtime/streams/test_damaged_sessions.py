"""Valid sessions cut at every byte, and with bits flipped: what the decoder makes of them.

The law: it yields a prefix of the events of the whole session up to the harm, or it raises a
MonitorError that names a byte offset or a header's field; never anything else, in bounded memory.
"""

import re
import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import Acquisition, HeaderError, MonitorError, StreamError, Waveform
from messages.acquisition import NOISE_MEASUREMENT
from realtime.streams import mrd_layout as layout
from realtime.streams.events import Event, ImageReceived
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import (
    encode_acquisition,
    encode_close,
    encode_config_file,
    encode_header,
    encode_query,
    encode_text,
    encode_waveform,
)
from realtime.streams.mrd_framing import Limits
from tests.realtime.streams.nhlbi import compressed

Make = Callable[..., Acquisition]
BOUNDED = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# A message may take what it may claim, and Python needs something around it.
LIMITS = Limits(max_text_bytes=1 << 16, max_readout_bytes=1 << 16, max_image_bytes=1 << 16)
MEMORY_BYTES = 500_000


@pytest.fixture
def session(header_xml: bytes, make_acquisition: Make) -> list[bytes]:
    """Everything that a client may send: config, queries, plain and compressed readouts."""
    small = {"n_samples": 16}
    image = np.zeros((), layout.IMAGE_HEADER)
    image["version"], image["data_type"], image["matrix_size"], image["channels"] = 1, 5, 4, 1
    attributes = b"<ismrmrdMeta/>"
    return [
        encode_query(1, "ismrmrd::version"),
        encode_config_file("mrgfus-demo"),
        encode_header(header_xml.replace(b">cartesian<", b">radial<") + b"\0"),
        encode_text('{"parameters": {"config": "mrgfus-demo"}}'),
        encode_acquisition(make_acquisition(0, flags=NOISE_MEASUREMENT, **small)),
        encode_acquisition(make_acquisition(1, n_dimensions=2, **small)),
        compressed(make_acquisition(2, n_dimensions=2, **small), bits=11)[0],
        encode_waveform(Waveform(0, 0, 0, 5, 1.0, 0, np.ones((2, 3), np.uint32))),
        struct.pack("<H", layout.IMAGE)
        + image.tobytes()
        + struct.pack("<Q", len(attributes))
        + attributes
        + bytes(4 * 4**3),
        compressed(make_acquisition(3, n_dimensions=2, **small), bits=31)[0],
        encode_close(),
    ]


def decode(data: bytes, chunk: int) -> tuple[list[Event], MonitorError | None]:
    """Anything but a MonitorError passes through, and fails the test."""
    decoder, events = Decoder(limits=LIMITS), []
    try:
        for start in range(0, len(data), chunk):
            decoder.feed(data[start : start + chunk])
            events.extend(decoder.events())
        decoder.end()
    except MonitorError as error:
        return events, error
    return events, None


def told(event: Event) -> tuple[object, ...]:
    """An event as something that compares."""
    if isinstance(event, Acquisition | Waveform):
        names = [n for n in type(event).__slots__ if n not in ("samples", "trajectory")]
        arrays = [event.samples.tobytes()]
        if isinstance(event, Acquisition):
            arrays.append(event.trajectory.tobytes())
        return (type(event), *(getattr(event, n) for n in names), *arrays)
    if isinstance(event, ImageReceived):
        return event.header, event.attributes
    return (event,)


def test_the_session_itself_is_valid(session: list[bytes]) -> None:
    events, error = decode(b"".join(session), 1 << 20)
    assert error is None
    assert len(events) == len(session)


def test_cut_at_every_byte_it_gives_what_was_whole_and_names_where(session: list[bytes]) -> None:
    whole = b"".join(session)
    starts = np.cumsum([0] + [len(message) for message in session])
    expected = [told(event) for event in decode(whole, 1 << 20)[0]]
    for cut in range(len(whole)):
        events, error = decode(whole[:cut], 1 << 20)
        n_whole = int(np.searchsorted(starts, cut, side="right")) - 1
        assert len(events) == n_whole
        if cut == 0:
            assert error is None  # a connection without a byte
            continue
        assert isinstance(error, StreamError)
        assert error.offset == (cut if cut == starts[n_whole] else starts[n_whole])
        assert str(error).startswith(f"byte {error.offset}: ")
    # the events of a cut are those of the whole: compared once, at the last cut
    assert [told(event) for event in events] == expected[:-1]


@BOUNDED
@given(data=st.data())
def test_flipped_bits_spoil_nothing_before_them(session: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(session))
    starts = np.cumsum([0] + [len(message) for message in session])
    expected = [told(event) for event in decode(bytes(whole), 1 << 20)[0]]
    # heads are few among the bytes, and it is there that a flip leads astray
    heads = np.concatenate([np.arange(s, min(s + 360, len(whole))) for s in starts[:-1]])
    somewhere = st.integers(0, len(whole) - 1) | st.sampled_from(heads.tolist())
    places = data.draw(st.lists(somewhere, min_size=1, max_size=4, unique=True))
    for place in places:
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    chunk = data.draw(st.sampled_from([7, 512, 1 << 20]))
    tracemalloc.start()
    events, error = decode(bytes(whole), chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_safe = int(np.searchsorted(starts, min(places), side="right")) - 1
    assert [told(event) for event in events[:n_safe]] == expected[:n_safe]
    assert len(events) >= n_safe
    assert peak < MEMORY_BYTES
    if error is not None:
        assert "\n" not in str(error)
        if not isinstance(error, HeaderError):
            assert re.match(r"byte \d+: ", str(error))
            assert 0 <= error.offset <= len(whole)


@BOUNDED
@given(data=st.data())
def test_messages_in_another_order_are_events_or_one_line(
    session: list[bytes], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(session))
    _, error = decode(b"".join(shuffled), 1 << 20)
    assert error is None or "\n" not in str(error)
