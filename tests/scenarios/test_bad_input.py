"""What the issue calls bad input: a line that names field or offset, an event, a held permit.

One gateway serves them all, one after the other, so each test also shows that the next session is
served. `tests/scenarios/test_processes.py` looks at the gateway's stderr.
"""

import dataclasses
import re
import resource
import socket
import struct

import numpy as np
import pytest
import zmq

from simulators.mrd import ACQUISITION_HEAD, acquisition_message, acquisition_samples
from tests.harness import Running, Scan, close_message, config_message, header_message

SCAN = Scan()
FRAME = SCAN.frame(0)


@pytest.fixture(scope="module", autouse=True)
def most_kib_before() -> int:
    """Return the most memory that this process ever had before this file's tests."""
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def changed(message: bytes, **fields: object) -> bytes:
    """A readout with another header; its samples stay as long as they were."""
    head = np.frombuffer(message, ACQUISITION_HEAD, 1, 2)[0:1].copy()
    for name, value in fields.items():
        if name in head.dtype.names:
            head[name] = value
        else:
            head["idx"][name] = value
    return message[:2] + head.tobytes() + message[2 + head.itemsize :]


def with_samples(message: bytes, value: complex) -> bytes:
    head = np.frombuffer(message, ACQUISITION_HEAD, 1, 2)[0:1].copy().reshape(())
    samples = acquisition_samples(message).copy()
    samples[0, 5] = value
    return acquisition_message(head, samples)


def limit(maximum: int, minimum: int = 0) -> str:
    return f"<minimum>{minimum}</minimum><maximum>{maximum}</maximum><center>16</center>"


OPENING = SCAN.opening()
IMAGE_HEAD = struct.pack("<H198s", 1022, struct.pack("<HH", 1, 5).ljust(198, b"\0"))

# name, bytes, what the client is told
BAD = [
    (
        "a readout of 65535 samples x 65535 channels",
        OPENING + changed(FRAME[0], number_of_samples=65535, active_channels=65535),
        r"byte \d+: .*65535 samples x 65535 channels",
    ),
    (
        "a header of 65535 x 65535 pixels",
        header_message(SCAN.header(encodedSpace=(
            "<matrixSize><x>65535</x><y>65535</y><z>1</z></matrixSize>"
            "<fieldOfView_mm><x>1</x><y>1</y><z>1</z></fieldOfView_mm>"
        ))),
        r"encoding\[0\]\.encodedSpace\.matrixSize: 65535 x 65535",
    ),
    (
        "a matrix whose frame does not fit into memory",
        header_message(SCAN.header(encodedSpace=(
            "<matrixSize><x>16384</x><y>16384</y><z>1</z></matrixSize>"
            "<fieldOfView_mm><x>128</x><y>64</y><z>5</z></fieldOfView_mm>"
        ))) + FRAME[0],
        r"matrixSize .* MiB",
    ),
    ("an unknown message id", OPENING + struct.pack("<H", 4711), r"byte \d+: message id 4711"),
    ("HTTP", b"GET / HTTP/1.1\r\n\r\n", r"byte 0: message id \d+"),
    ("a second header", OPENING + OPENING, r"byte \d+: HEADER is a second header"),
    ("an image before the header", IMAGE_HEAD, r"byte 0: IMAGE came before HEADER"),
    ("a readout before the header", FRAME[0], r"byte 0: ACQUISITION came before HEADER"),
    (
        "a header without TE",
        SCAN.opening(TE="") + b"".join(FRAME),
        r"sequenceParameters\.TE: is missing",
    ),
    (
        "a header without field strength",
        SCAN.opening(H1resonanceFrequency_Hz="", systemFieldStrength_T="") + b"".join(FRAME),
        r"H1resonanceFrequency_Hz: is missing",
    ),
    (
        "a line outside the matrix",
        OPENING + FRAME[0] + changed(FRAME[1], kspace_encode_step_1=32),
        r"readout 2: idx\.kspace_encode_step_1 is 32, .*expected 0 to 31",
    ),
    (
        "a partition outside the matrix",
        OPENING + changed(FRAME[0], kspace_encode_step_2=1),
        r"readout 1: idx\.kspace_encode_step_2 is 1",
    ),
    (
        "a lower limit above the upper",
        SCAN.opening(kspace_encoding_step_1=limit(3, 9)),
        r"encodingLimits\.kspace_encoding_step_1: maximum 3 is below minimum 9",
    ),
    (
        "a line count that is no number",
        SCAN.opening(trajectory="cartesian", y="many"),
        r"encoding\[0\]\.encodedSpace\.matrixSize\.y",
    ),
    ("a trajectory that is not read", SCAN.opening(trajectory="radial") + FRAME[0], r"trajectory"),
    ("a header that is no XML", header_message(b"<ismrmrdHeader><enc"), r"header xml: not XML"),
    ("an entity bomb", header_message(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), r"DOCTYPE"),
    ("bytes after CLOSE", OPENING + FRAME[0] + close_message() + b"xx", r"bytes after CLOSE"),
    ("a config too many", config_message("a") + config_message("b"), r"second configuration"),
    (
        "a text of 4 GB",
        config_message("a") + struct.pack("<HI", 5, 2**32 - 1),
        r"TEXT announces 4294967295 bytes",
    ),
    (
        "a changed number of samples",
        OPENING + FRAME[0] + dataclasses.replace(SCAN, n_pixels=16, lines=(1,)).frame(0)[0],
        r"readout 2: 2 channels × 32 samples",
    ),
    (
        "more channels than the header says",
        dataclasses.replace(SCAN).opening() + Scan(n_coils=3).frame(0)[0],
        r"active_channels is 3",
    ),
]  # fmt: skip


def refused(gateway: Running, stream: bytes, match: str, *, ends: bool = False) -> None:
    """Send it; see TEXT and CLOSE, an alert, a held permit, and a one-line reason."""
    mark = gateway.mark()
    client = gateway.connect()
    client.send(stream)
    if ends:
        client.connection.shutdown(socket.SHUT_WR)
    client.read_to_end()
    client.hang_up()
    assert not client.is_reset
    errors = [text for text in client.texts if text.startswith("ERROR")]
    assert len(errors) == 1, client.results
    assert client.is_closed
    assert "\n" not in errors[0]
    assert "Traceback" not in errors[0]
    assert re.search(match, errors[0]), errors[0]
    alert = gateway.events.wait(
        lambda topic, noun: topic == "alert" and noun.event == "stream-lost.hold", after=mark
    )
    assert alert.text in errors[0]
    permits = [noun for _, topic, noun in gateway.events.events[mark:] if topic == "permit"]
    assert permits[-1].state == "HELD"
    assert gateway.is_alive


@pytest.mark.parametrize(("stream", "match"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_told_in_a_line_and_held(shared_gateway: Running, stream, match):
    refused(shared_gateway, stream, match)


WHOLE = OPENING + b"".join(FRAME[:3])


@pytest.mark.parametrize(
    "n_bytes",
    [1, 2, 5, 6, 100, len(OPENING) - 1, len(OPENING) + 1, len(OPENING) + 2,
     len(OPENING) + 200, len(OPENING) + 342, len(OPENING) + 343, len(WHOLE) - 1],
)  # fmt: skip
def test_a_body_cut_at_any_byte_is_told_with_its_offset(shared_gateway: Running, n_bytes):
    refused(shared_gateway, WHOLE[:n_bytes], r"byte \d+: message cut after \d+ bytes", ends=True)


def test_a_stream_that_stops_did_not_end(shared_gateway: Running):
    stopped = OPENING + b"".join(FRAME)
    refused(shared_gateway, stopped, rf"byte {len(stopped)}: stream ended without CLOSE", ends=True)


def test_after_all_that_the_next_session_is_served(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.mark()
    shared_gateway.serves(scan, n_frames=3)
    shared_gateway.events.topic("run.stop", after=mark)
    verdicts = [n for _, t, n in shared_gateway.events.events[mark:] if t == "verdict"]
    assert verdicts[-1].permit == "GRANTED"


def test_none_of_it_took_much_memory(shared_gateway: Running, most_kib_before: int):
    """Everything above ran in this process: 65535 x 65535 would have shown."""
    most_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # other files' tests run in this process too, so that only what these add can be judged
    assert most_kib - most_kib_before < 500_000


def test_a_limit_beyond_the_matrix_is_refused_before_memory_is_taken(shared_gateway: Running):
    stream = SCAN.opening(kspace_encoding_step_1=limit(65535)) + FRAME[0]
    refused(shared_gateway, stream, r"kspace_encoding_step_1")


@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.nan)])
def test_nan_samples_hold_and_are_told(shared_gateway: Running, scan: Scan, value):
    mark = shared_gateway.mark()
    client = shared_gateway.connect()
    client.send(scan.opening())
    for n in range(3):
        client.send_frame(scan, n)
    frame = scan.frame(3)
    frame[7] = with_samples(frame[7], value)
    client.send(*frame)
    client.read_until(lambda _: client.n_images == 12)
    verdict = shared_gateway.events.wait(
        lambda topic, noun: topic == "verdict" and noun.frame_id == 3, after=mark
    )
    assert verdict.permit == "HELD"
    assert "non-finite-data" in [one.rule for one in verdict.findings]
    shared_gateway.events.wait(
        lambda topic, noun: topic == "alert" and noun.event == "non-finite-data.hold", after=mark
    )
    client.send_frame(scan, 4)
    client.send(close_message())
    client.read_to_end()
    assert client.is_closed
    client.hang_up()


def test_nan_samples_are_told_to_the_client(shared_gateway: Running, scan: Scan):
    client = shared_gateway.connect()
    frame = scan.frame(0)
    frame[7] = with_samples(frame[7], np.nan)
    client.send(scan.opening(), *frame)
    client.read_until(lambda _: client.n_images == 3)
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    assert any("NaN" in text for text in client.texts)


@pytest.mark.parametrize("field", ["position", "read_dir", "patient_table_position"])
def test_a_pose_that_is_no_number_is_refused(shared_gateway: Running, field):
    """Events cannot carry it: JSON has no NaN."""
    stream = OPENING + changed(FRAME[0], **{field: np.nan})
    refused(shared_gateway, stream, r"byte \d+: ACQUISITION position or a direction")


def test_an_unknown_protocol_name_is_said_where_no_protocol_is_given(shared_gateway: Running):
    was = shared_gateway.gateway.settings
    shared_gateway.gateway.settings = dataclasses.replace(was, protocol=None)
    try:
        stream = config_message("no-such-protocol") + OPENING
        refused(shared_gateway, stream, r"config 'no-such-protocol' is none of")
    finally:
        shared_gateway.gateway.settings = was


def test_a_frame_of_zeros_is_held_and_the_next_is_measured(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.mark()
    client = shared_gateway.connect()
    client.send(scan.opening())
    for n in range(3):
        client.send_frame(scan, n)
    client.send(*(message[:342] + bytes(len(message) - 342) for message in scan.frame(3)))
    client.read_until(lambda _: client.n_frames == 4)
    client.send_frame(scan, 4)
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    shared_gateway.events.topic("run.stop", after=mark)
    verdicts = {noun.frame_id: noun for noun in shared_gateway.since(mark, "verdict")}
    assert verdicts[2].permit == "GRANTED"
    assert verdicts[3].permit == "HELD"
    assert verdicts[3].findings
    assert verdicts[4].outcome == "COMPUTED"


@pytest.mark.parametrize(
    "parts",
    [[b""], [b"\x00"], [b"garbage"], [b"a", b"b", b"c"], [b"", b""], [b"\xff" * 100_000],
     [b"\x01\x00"], [OPENING[:50], b"and more"]],
    ids=["empty", "nul", "text", "three parts", "empty parts", "100 kB", "cut", "cut in parts"],
)  # fmt: skip
def test_garbage_over_zeromq_is_refused_and_the_next_client_served(
    shared_gateway: Running, scan: Scan, parts
):
    with zmq.Context.instance().socket(zmq.DEALER) as dealer:
        dealer.linger = 5000
        dealer.connect(shared_gateway.gateway.zmq_endpoint)
        dealer.send_multipart(parts)
        if len(parts) == 1 and len(parts[0]) > 2:  # whole enough to be judged
            assert dealer.poll(20_000)
            assert b"ERROR" in b"".join(dealer.recv_multipart())
    assert b"not a request" in shared_gateway.ask(b"still there?")[-1][-1]
    client = shared_gateway.connect()
    client.send(config_message("mrgfus-demo"), close_message())
    client.read_to_end()
    assert client.is_closed
    client.hang_up()
