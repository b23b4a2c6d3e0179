"""The codec: every noun there and back, and nothing that JSON would bend."""

import contextlib
import json
import math
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from messages import (
    Alert,
    Finding,
    FrameKey,
    Heartbeat,
    LimitPlan,
    Maps,
    MonitorError,
    Permit,
    Pose,
    RegionPlan,
    RegionReading,
    RunStart,
    RunStop,
    Verdict,
    Waveform,
)
from messages.codec import SCHEMA, TOPICS, decode, encode, to_json

numbers = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | numbers
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(-(2**53), 2**53)
keys = st.builds(FrameKey, *[st.integers(0, 65535)] * 5)
decisions = st.sampled_from(["GRANTED", "HELD"])
findings = st.builds(
    Finding, words, st.sampled_from(["inform", "warn", "hold"]), words, words, maybe, maybe, words
)
readings = st.builds(RegionReading, words, words, counts, counts, maybe, maybe, maybe, maybe, maybe)
vectors = st.tuples(numbers, numbers, numbers)
poses = st.builds(Pose, vectors, vectors, vectors, vectors, vectors)


@st.composite
def maps(draw):
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=4))
    picture = hnp.arrays(np.float32, shape, elements=st.floats(width=32))
    return Maps(
        draw(counts), draw(keys), draw(maybe), draw(vectors), draw(poses), draw(picture),
        draw(picture), draw(picture), draw(hnp.arrays(np.bool_, shape)), draw(picture),
        draw(picture), draw(picture), draw(picture),
        region_bits=draw(st.none() | hnp.arrays(np.uint16, shape)),
    )  # fmt: skip


NOUNS = {
    Permit: st.builds(Permit, decisions, numbers, words, counts, words),
    Verdict: st.builds(
        Verdict, counts, keys, st.sampled_from(["COMPUTED", "LATE", "FAULT"]), decisions, maybe,
        st.lists(findings, max_size=3).map(tuple), st.lists(readings, max_size=3).map(tuple),
        numbers, st.none() | st.dictionaries(words, numbers, max_size=3), decisions,
    ),
    Alert: st.builds(
        Alert, counts, words, st.sampled_from(["high", "medium", "low"]), st.booleans(),
        st.sampled_from(["raised", "cleared", "acknowledged", "withdrawn"]), words, words, counts,
        maybe, maybe, words, words, words,
    ),
    Heartbeat: st.builds(Heartbeat, counts, words, words, words),
    RunStart: st.builds(
        RunStart, words, words, words, words, words, words, words, words,
        st.dictionaries(words, words, max_size=3), st.tuples(counts, counts, counts), vectors,
        numbers, numbers, st.dictionaries(words, numbers, max_size=3), st.none() | counts,
        st.lists(st.builds(RegionPlan, words, words), max_size=3).map(tuple),
        st.lists(st.builds(LimitPlan, words, words, words, maybe, maybe, words), max_size=3)
        .map(tuple), maybe,
    ),
    RunStop: st.builds(RunStop, words, words, words, words, *[counts] * 8),
    Maps: maps(),
    Waveform: st.builds(
        Waveform, counts, counts, counts, counts, numbers, counts,
        hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4)),
        words,
    ),
}  # fmt: skip


def same(left, right) -> bool:
    if is_dataclass(left):
        pairs = [(getattr(left, f.name), getattr(right, f.name)) for f in fields(left)]
        return type(left) is type(right) and all(same(a, b) for a, b in pairs)
    if isinstance(left, np.ndarray):
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and np.array_equal(left.view(np.uint8).ravel() if left.size else left.ravel(),
                               right.view(np.uint8).ravel() if right.size else right.ravel())
        )  # fmt: skip
    return left == right


def a_map(**changed):
    picture = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    whole = Maps(
        3, FrameKey(1, 2), 0.5, (1.0, 2.0, 3.0), Pose(), picture, picture, picture,
        picture > 2, picture, picture, picture, picture,
    )  # fmt: skip
    return replace(whole, **changed)


def test_every_noun_that_travels_is_tested():
    assert set(NOUNS) == set(TOPICS)


@pytest.mark.parametrize("noun_type", list(TOPICS), ids=TOPICS.get)
def test_every_noun_comes_back_as_it_went(noun_type):
    @settings(max_examples=60, deadline=None)
    @given(NOUNS[noun_type], words, st.integers(0, 2**53))
    def there_and_back(noun, epoch, sequence):
        parts = [bytes(part) for part in encode(noun, epoch=epoch, sequence=sequence)]
        envelope, found = decode(parts)
        assert same(noun, found)
        assert (envelope.schema, envelope.epoch, envelope.sequence) == (SCHEMA, epoch, sequence)
        assert parts[0].decode() == TOPICS[noun_type]
        json.loads(parts[1])  # any language with JSON can read it

    there_and_back()


def number_fields():
    yield Permit("HELD", 0.0, "", 0), "lease_ms", "permit.lease_ms"
    verdict = Verdict(0, FrameKey(), "COMPUTED", "HELD")
    yield verdict, "time_s", "verdict.time_s"
    yield verdict, "age_ms", "verdict.age_ms"
    yield Alert(0, "", "low", False, "raised", ""), "value", "alert.value"
    yield a_map(), "time_s", "map.time_s"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("noun", "field", "path"), list(number_fields()))
def test_what_json_cannot_say_is_refused_by_path(noun, field, path, bad):
    with pytest.raises(ValueError, match=rf"^{path} is "):
        encode(replace(noun, **{field: bad}))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_deep_inside_too(bad):
    finding = Finding("noise", "hold", "", value=bad)
    verdict = Verdict(0, FrameKey(), "COMPUTED", "HELD", findings=(finding,))
    with pytest.raises(ValueError, match=r"verdict\.findings\[0\]\.value"):
        encode(verdict)
    with pytest.raises(ValueError, match=r"verdict\.findings\[0\]\.value"):
        to_json(verdict)
    timed = Verdict(0, FrameKey(), "COMPUTED", "HELD", stage_ms={"absorb": bad})
    with pytest.raises(ValueError, match=r"verdict\.stage_ms\.absorb"):
        encode(timed)
    with pytest.raises(ValueError, match=r"map\.pose\.position_mm\[1\]"):
        encode(a_map(pose=Pose((0.0, bad, 0.0))))


@pytest.mark.parametrize("bad", [np.float32("nan"), np.float64("nan"), np.float32("inf")])
def test_numpy_s_own_numbers_are_not_let_through(bad):
    with pytest.raises((ValueError, TypeError)):
        encode(Permit("HELD", bad, "", 0))


def test_nan_inside_an_array_is_data_and_stays():
    picture = np.array([[[np.nan, np.inf, -0.0]]], np.float32)
    _, found = decode(encode(a_map(temperature_c=picture)))
    assert np.array_equal(found.temperature_c, picture, equal_nan=True)


def test_arrays_are_views_both_ways_and_read_only():
    noun = a_map()
    parts = encode(noun)
    assert np.shares_memory(np.frombuffer(parts[2], np.uint8), noun.magnitude)
    sent = [bytes(part) for part in parts]
    _, found = decode(sent)
    assert np.shares_memory(found.magnitude, np.frombuffer(sent[2], np.float32))
    assert not found.magnitude.flags.writeable
    assert not found.valid.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        found.magnitude[0] = 1.0


def test_a_writable_buffer_still_gives_a_read_only_array():
    parts = [bytearray(bytes(part)) for part in encode(a_map())]
    _, found = decode(parts)
    assert not found.magnitude.flags.writeable


def test_big_endian_and_strided_arrays_travel_as_little_endian_and_dense():
    strange = np.arange(12, dtype=">f4").reshape(1, 2, 6)[:, :, ::2]
    _, found = decode(encode(a_map(magnitude=strange)))
    assert found.magnitude.dtype == np.dtype("<f4")
    assert np.array_equal(found.magnitude, strange)


def edited(change, noun=None):
    parts = [bytes(part) for part in encode(noun or a_map(), epoch="e", sequence=1)]
    header = json.loads(parts[1])
    change(header)
    return [parts[0], json.dumps(header).encode(), *parts[2:]]


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(header):
        for key in path:
            header = header[key]
        header[last] = value

    return change


BROKEN = [
    ("no parts", [], r"expected a topic and a header, got 0"),
    ("topic alone", [b"permit"], r"got 1 part"),
    ("unknown topic", [b"verdikt", b"{}"], r"unknown topic 'verdikt'"),
    ("a topic that is no text", [b"\xff\xfe", b"{}"], r"unknown topic"),
    ("another schema", edited(put("schema", SCHEMA + 1)), rf"map: schema {SCHEMA + 1}, expected"),
    ("an unknown key in the envelope", edited(put("extra", 1)), r"event map: .*extra"),
    ("a missing body", edited(lambda h: h.pop("body")), r"event map: .*body"),
    ("a missing field", edited(lambda h: h["body"].pop("pose")), r"event map: .*pose"),
    ("a wrong type", edited(put("body", "frame_id", "three")), r"event map: .*frame_id"),
    ("an array number too high", edited(put("body", "magnitude", "array", 99)), r"99 of 8"),
    ("a negative array number", edited(put("body", "magnitude", "array", -1)), r"-1 of 8"),
    ("an unknown dtype", edited(put("body", "magnitude", "dtype", "<z9")), r"event map: .*z9"),
    ("objects", edited(put("body", "magnitude", "dtype", "|O")), r"event map: .*dtype '\|O'"),
    ("text", edited(put("body", "magnitude", "dtype", "<U3")), r"event map: .*expected numbers"),
    ("a shape that does not fit", edited(put("body", "magnitude", "shape", [9, 9, 9])), r"reshape"),
    ("a shape that is no list", edited(put("body", "magnitude", "shape", 6)), r"event map"),
    ("an array that is none", edited(put("body", "magnitude", [1, 2, 3])), r"event map"),
    ("an array that is null", edited(put("body", "magnitude", None)), r"event map"),
    ("a dtype that is a structure", edited(put("body", "magnitude", "dtype", "f4,f4")), r"numbers"),
    ("a JSON that is none", [b"permit", b"not json"], r"event permit"),
    ("a JSON that is no UTF-8", [b"permit", b'{"schema": "\xff\xff"}'], r"event permit"),
    ("a body of another noun", [b"permit", edited(lambda h: None)[1]], r"event permit"),
]


@pytest.mark.parametrize(("parts", "match"), [x[1:] for x in BROKEN], ids=[x[0] for x in BROKEN])
def test_what_cannot_be_read_is_said_in_one_line(parts, match):
    with pytest.raises(MonitorError, match=match) as said:
        decode(parts)
    assert "\n" not in str(said.value)


def test_a_missing_array_part_is_named():
    parts = [bytes(part) for part in encode(a_map())]
    with pytest.raises(MonitorError, match="missing"):
        decode(parts[:-1])
    with pytest.raises(MonitorError, match="event map"):
        decode([*parts[:2], parts[2][:-1], *parts[3:]])


@pytest.mark.parametrize("noun", [a_map(), Permit("GRANTED", 12.5, "why", 3)])
def test_every_truncation_of_the_header_is_an_error(noun):
    parts = [bytes(part) for part in encode(noun, epoch="e", sequence=9)]
    for n in range(len(parts[1])):
        with pytest.raises(MonitorError):
            decode([parts[0], parts[1][:n], *parts[2:]])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_to_one_byte_raises_anything_but_our_error(data):
    noun = data.draw(st.sampled_from([a_map(), Permit("HELD", 1.0, "r", 0)]))
    parts = [bytearray(bytes(part)) for part in encode(noun)]
    part = data.draw(st.integers(0, len(parts) - 1))
    place = data.draw(st.integers(0, len(parts[part]) - 1))
    parts[part][place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MonitorError):
        decode([bytes(one) for one in parts])
