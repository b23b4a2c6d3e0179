"""What gateway and worker, and clients of the control port, say to each other: any of it."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import MonitorError, Pose
from realtime import control
from realtime.mailbox import Layout
from realtime.requests import (
    Acknowledge,
    BeamReport,
    PowerReport,
    Request,
    Resume,
    read_request,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.text("abcdefgh Ü.-", min_size=1, max_size=64)
counts = st.integers(0, (1 << 63) - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
vectors = st.tuples(numbers, numbers, numbers)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


def built(kind):
    """Any message of a kind that its own types allow."""
    by_field = {
        "admission_ms": st.dictionaries(words, numbers, max_size=3),
        "fov_mm": vectors,
        "image_shape": st.tuples(counts, counts, counts),
    }
    drawn = {}
    for field in msgspec.structs.fields(kind):
        drawn[field.name] = by_field.get(
            field.name, {int: counts, str: words, bool: st.booleans()}.get(field.type)
        )
    return st.builds(kind, **{name: one for name, one in drawn.items() if one is not None})


ORDERS = st.one_of(built(control.Configure), built(control.Assign))
ANSWERS = st.one_of(*(built(kind) for kind in control.ToGateway.__args__))
layouts = st.builds(Layout, *[st.integers(1, 1 << 20)] * 6)
CONFIGURATIONS = st.builds(
    control.Configuration,
    header_xml=st.binary(max_size=50),
    protocol_text=words,
    protocol_folder=st.none() | words,
    layout=layouts,
    pose=st.builds(Pose, vectors, vectors, vectors, vectors, vectors),
    is_deadline_enforced=st.booleans(),
    imaging_sample_time_us=numbers,
    has_had_frames=st.booleans(),
)
REQUESTS = st.one_of(
    st.builds(Resume, words, counts),
    st.builds(Acknowledge, st.integers(1 - (1 << 63), (1 << 63) - 1), names),
    st.builds(PowerReport, st.floats(0, 1e5), st.none() | st.floats(0, 1e9)),
    st.builds(
        BeamReport,
        st.integers(0, (1 << 31) - 1),
        st.booleans(),
        st.floats(0, 1e5),
        st.none() | st.floats(0, 1e9),
    ),
)


def refusal(read, packet, *, kind=MonitorError):
    """What is said of it, empty where it is understood; any other error fails the test."""
    try:
        read(packet)
    except kind as error:
        return str(error)
    return ""


@given(ORDERS)
def test_an_order_comes_back_as_it_went(order):
    assert control.unpack_for_worker(control.pack(order)) == order


@given(ANSWERS)
def test_an_answer_comes_back_as_it_went(answer):
    assert control.unpack_for_gateway(control.pack(answer)) == answer


@given(CONFIGURATIONS)
def test_a_configuration_comes_back_as_it_went(configuration):
    packed = control.pack_configuration(configuration)
    assert control.unpack_configuration(packed) == configuration


@settings(max_examples=200)
@given(st.binary(max_size=200) | json_values.map(lambda one: json.dumps(one).encode()))
def test_whatever_a_worker_says_is_an_answer_or_our_error(packet):
    assert "\n" not in refusal(control.unpack_for_gateway, packet)


@settings(max_examples=150)
@given(ANSWERS, st.data())
def test_a_damaged_answer_is_an_answer_or_our_error(answer, data):
    packet = bytearray(control.pack(answer))
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert "\n" not in refusal(control.unpack_for_gateway, bytes(packet))


@given(REQUESTS)
def test_a_request_comes_back_as_it_went(request_):
    assert read_request(msgspec.json.encode(request_)) == request_


@settings(max_examples=200)
@given(st.binary(max_size=200) | json_values.map(lambda one: json.dumps(one).encode()))
def test_whatever_is_asked_is_a_request_or_a_value_error(asked):
    assert "\n" not in refusal(read_request, asked, kind=ValueError)


@settings(max_examples=150)
@given(REQUESTS, st.data())
def test_a_request_with_a_wild_value_is_in_range_or_refused(request_, data):
    asked = json.loads(msgspec.json.encode(request_))
    name = data.draw(st.sampled_from(sorted(asked)))
    asked[name] = data.draw(json_values | st.sampled_from([1e300, -1, 1 << 80, "nan", None]))
    try:
        got: Request = read_request(json.dumps(asked).encode())
    except ValueError:
        return
    for value in msgspec.structs.asdict(got).values():
        assert not isinstance(value, float) or np.isfinite(value)
        assert not isinstance(value, int) or abs(value) < 1 << 63


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_nothing_is_too_deep(depth):
    for asked in (b"[" * depth, b'{"a":' * depth):
        with pytest.raises(ValueError, match=r"."):
            read_request(asked)
        with pytest.raises(MonitorError):
            control.unpack_for_gateway(asked)
