"""Events from a stranger: whatever the parts are, a noun or our error, in memory of their size."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import MonitorError
from messages.codec import TOPICS, decode, encode
from tests.messages.test_codec import NOUNS, a_map

MOST_BYTES = 2_000_000
topics = st.sampled_from([one.encode() for one in TOPICS.values()])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
numbers = st.integers(-3, 1 << 65) | st.floats() | st.text(max_size=3)
references = st.fixed_dictionaries(
    {
        "array": numbers,
        "dtype": st.sampled_from(["<f4", "<c8", "|b1", "|O", "<U4", "V8", "f4,f4", "M8[s]", ""]),
        "shape": st.lists(numbers, max_size=4) | st.text(max_size=3),
    }
)


def read(parts):
    """Anything but a MonitorError passes through, and fails the test."""
    said = ""
    tracemalloc.start()
    try:
        decode(parts)
    except MonitorError as error:
        said = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MOST_BYTES
    assert "\n" not in said


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=4), topics)
def test_arbitrary_bytes_are_our_error(parts, topic):
    read(parts)
    read([topic, *parts])


@settings(max_examples=200, deadline=None)
@given(topics, values, st.data())
def test_arbitrary_json_is_our_error(topic, body, data):
    envelope = {"schema": 1, "epoch": "e", "sequence": 0, "body": body}
    name = data.draw(st.sampled_from([*envelope, "none of them"]))
    if name in envelope and data.draw(st.booleans()):
        envelope[name] = data.draw(values)
    read([topic, json.dumps(envelope).encode()])


@settings(max_examples=200, deadline=None)
@given(references, st.binary(max_size=64))
def test_a_reference_to_an_array_is_believed_in_nothing(reference, array):
    parts = [bytes(one) for one in encode(a_map())]
    event = json.loads(parts[1])
    event["body"]["magnitude"] = reference
    read([parts[0], json.dumps(event).encode(), array, *parts[3:]])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_noun_with_another_value_in_any_field_is_a_noun_or_our_error(data):
    noun = data.draw(st.one_of(list(NOUNS.values())))
    parts = [bytes(one) for one in encode(noun)]
    event = json.loads(parts[1])
    name = data.draw(st.sampled_from(sorted(event["body"])))
    event["body"][name] = data.draw(values)
    read([parts[0], json.dumps(event).encode(), *parts[2:]])


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_nothing_is_too_deep(depth):
    for body in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        whole = b'{"schema":1,"epoch":"e","sequence":0,"body":' + body + b"}"
        for header in (body, whole):
            with pytest.raises(MonitorError, match="event verdict: "):
                decode([b"verdict", header])
