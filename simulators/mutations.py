"""Harm done to whole MRD sessions: bits, fields, counts, XML, order, samples; seeded.

Each operator takes the messages of a session and gives back others. It knows the layout as the
simulator's encoder does, and shares nothing with the decoder under test.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulators.mrd import (
    ACQUISITION,
    ACQUISITION_HEAD,
    CONFIG_TEXT,
    HEADER,
    TEXT,
    WAVEFORM,
    acquisition_head,
    close_message,
)
from simulators.waveforms import WAVEFORM_HEAD
from simulators.whole_sessions import text_message

Messages = list[bytes]
Operator = Callable[[Messages, Sequence[Messages], np.random.Generator], Messages]

_NUMBERS = (
    "0", "-1", "1", "2", "7", "9", "255", "65535", "65536", "1e9", "1e400", "-1e-9", "0.5", "nan",
    "inf", "-inf", "", "x", "9" * 400, "0x10", "1_000", "٣", " 8 ", "8.0",
)  # fmt: skip
_WORDS = (
    "", "radial", "cartesian", "epi", "spiral", "other", "nosuch", "\x00", "ß", "embedded",
    "interleaved", "separate", "]]>", "&lt;", "../../etc/passwd", "a" * 5000,
)  # fmt: skip
_IDS = (0, 6, 7, 8, 1000, 1018, 1022, 1030, 4711, 60000, 65535)
_FLAGS = (6, 7, 12, 13, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 52, 53, 63)
_TEXT_KINDS = frozenset({CONFIG_TEXT, HEADER, TEXT})
_MOST_HARMS = 3


@dataclass(frozen=True, slots=True)
class Mutant:
    """A session's bytes after the harm, and the names of what was done, in order."""

    data: bytes
    harms: tuple[str, ...]


def mutant(sessions: Sequence[Messages], rng: np.random.Generator) -> Mutant:
    """Return one of the sessions with one to three harms; the same state gives the same bytes."""
    messages = list(sessions[int(rng.integers(len(sessions)))])
    names = list(OPERATORS)
    harms = []
    for _ in range(rng.integers(1, _MOST_HARMS + 1)):
        name = names[rng.integers(len(names))]
        messages = OPERATORS[name](messages, sessions, rng)
        harms.append(name)
    return Mutant(b"".join(messages), tuple(harms))


def _bits(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    at = _any(messages, rng)
    if at is None:
        return messages
    harmed = bytearray(messages[at])
    # heads are few among the bytes, and it is there that a flip leads astray
    most = len(harmed) if rng.random() < 0.3 else min(len(harmed), 344)
    for place in rng.integers(most, size=rng.integers(1, 9)):
        harmed[place] ^= 1 << int(rng.integers(8))
    return _with(messages, at, bytes(harmed))


def _field(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Put an extreme, or another's value, into one field of a readout's or waveform's head."""
    at = _any(messages, rng, ACQUISITION, WAVEFORM)
    if at is None:
        return messages
    layout = ACQUISITION_HEAD if _kind(messages[at]) == ACQUISITION else WAVEFORM_HEAD
    if len(messages[at]) < 2 + layout.itemsize:
        return messages
    row = np.frombuffer(messages[at], layout, 1, 2).copy()
    is_readout = layout is ACQUISITION_HEAD
    part = row["idx"] if is_readout and rng.random() < 0.4 else row
    names = [name for name in part.dtype.names or () if name != "idx"]
    values = part[names[rng.integers(len(names))]].reshape(-1)
    values[rng.integers(values.size)] = _extreme(values.dtype, rng)
    return _with(messages, at, messages[at][:2] + row.tobytes() + messages[at][2 + row.nbytes :])


def _flag(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Turn one flag over in one readout, or take the flags from all of them."""
    is_everywhere = rng.random() < 0.3
    flag = np.uint64(1) << np.uint64(_FLAGS[rng.integers(len(_FLAGS))])
    chosen = [_any(messages, rng, ACQUISITION)]
    if is_everywhere:
        chosen = [at for at, one in enumerate(messages) if _kind(one) == ACQUISITION]
    for at in chosen:
        if at is None or len(messages[at]) < 2 + ACQUISITION_HEAD.itemsize:
            continue
        head = acquisition_head(messages[at])
        head["flags"] = 0 if is_everywhere else head["flags"] ^ flag
        messages = _with(messages, at, messages[at][:2] + head.tobytes() + messages[at][342:])
    return messages


def _length(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Let a text announce another length than it has."""
    at = _any(messages, rng, *_TEXT_KINDS)
    if at is None or len(messages[at]) < 6:
        return messages
    real = len(messages[at]) - 6
    claims = (0, 1, real - 1, real + 1, real + 1000, 1 << 24, (1 << 24) + 1, (1 << 32) - 1)
    claim = max(claims[rng.integers(len(claims))], 0)
    return _with(messages, at, messages[at][:2] + struct.pack("<I", claim) + messages[at][6:])


def _xml_value(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    def change(xml: str) -> str:
        found = [one for one in re.finditer(r">([^<>]+)<", xml) if one[1].strip()]
        if not found:
            return xml
        one = found[rng.integers(len(found))]
        wild = _NUMBERS if re.match(r"\s*-?\d", one[1]) and rng.random() < 0.9 else _WORDS
        return xml[: one.start(1)] + wild[rng.integers(len(wild))] + xml[one.end(1) :]

    return _with_xml(messages, rng, change)


def _xml_structure(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Remove, double or nest an element, or write what no header may hold."""

    def change(xml: str) -> str:
        found = list(re.finditer(r"<(\w+)>.*?</\1>", xml, re.DOTALL))
        if not found:
            return xml
        one = found[rng.integers(len(found))]
        put = (
            "", one[0] * 2, one[0] * 50, f"<{one[1]}>{one[0]}</{one[1]}>", f"<{one[1]}/>",
            one[0].replace("</", "<", 1), "<!-- -->", "&bomb;", '<a b="c" b="d"/>',
        )  # fmt: skip
        if rng.random() < 0.1:
            return '<!DOCTYPE a [<!ENTITY bomb "b">]>' + xml
        return xml[: one.start()] + put[rng.integers(len(put))] + xml[one.end() :]

    return _with_xml(messages, rng, change)


def _order(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Let two messages change places, or shuffle a stretch of them."""
    if len(messages) < 2:
        return messages
    one, other = sorted(rng.integers(len(messages), size=2))
    if rng.random() < 0.5:
        messages = _with(messages, one, messages[other])
        return _with(messages, other, messages[one])
    stretch = list(messages[one : other + 1])
    rng.shuffle(stretch)
    return [*messages[:one], *stretch, *messages[other + 1 :]]


def _double(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    at = _any(messages, rng)
    if at is None:
        return messages
    times = int(rng.choice([1, 1, 2, 5, 20]))
    return [*messages[: at + 1], *[messages[at]] * times, *messages[at + 1 :]]


def _delete(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    at = _any(messages, rng)
    if at is None:
        return messages
    n = int(rng.choice([1, 1, 2, 4, 16]))
    return [*messages[:at], *messages[at + n :]]


def _cut(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """End the stream at any byte; sometimes cut a piece out of it instead."""
    whole = b"".join(messages)
    one, other = sorted(int(n) for n in rng.integers(len(whole) + 1, size=2))
    if rng.random() < 0.7:
        return _cut_at(messages, one)
    at = _any(messages, rng)
    if at is None:
        return messages
    size = len(messages[at])
    one, other = one % size, other % size
    return _with(messages, at, messages[at][: min(one, other)] + messages[at][max(one, other) :])


def _splice(messages: Messages, others: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Go on with another session from some message on, or put some of its messages in."""
    other = others[int(rng.integers(len(others)))]
    at, start = rng.integers(len(messages) + 1), rng.integers(len(other))
    if rng.random() < 0.5:
        return [*messages[:at], *other[start:]]
    return [*messages[:at], *other[start : start + rng.integers(1, 9)], *messages[at:]]


def _samples(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Make some samples or trajectory points NaN, infinite, huge or zero; perhaps everywhere."""
    wild = np.float32(rng.choice([np.nan, np.inf, -np.inf, 3e38, 1e-45, 0.0])).tobytes()
    chosen = [_any(messages, rng, ACQUISITION)]
    if rng.random() < 0.2:
        chosen = [at for at, one in enumerate(messages) if _kind(one) == ACQUISITION]
    for at in chosen:
        if at is None or len(messages[at]) < 350:
            continue
        n = (len(messages[at]) - 342) // 4
        first, length = int(rng.integers(n)), int(rng.choice([1, 2, 16, n]))
        body = bytearray(messages[at])
        body[342 + 4 * first : 342 + 4 * min(first + length, n)] = wild * min(length, n - first)
        messages = _with(messages, at, bytes(body))
    return messages


def _stranger(messages: Messages, _: Sequence[Messages], rng: np.random.Generator) -> Messages:
    """Put a message in that does not belong here."""
    at = int(rng.integers(len(messages) + 1))
    alien = (
        struct.pack("<H", _IDS[rng.integers(len(_IDS))]),
        rng.bytes(int(rng.integers(1, 400))),
        text_message("x" * int(rng.integers(1, 3000))),
        text_message('{"parameters": {"config": "nosuch"}}'),
        struct.pack("<HQQQ", 6, 0, 1, 18) + b"gadgetron::version",
        b"GET / HTTP/1.1\r\n\r\n",
        close_message(),
    )[rng.integers(7)]
    return [*messages[:at], alien, *messages[at:]]


OPERATORS: dict[str, Operator] = {
    "bits": _bits,
    "field": _field,
    "flag": _flag,
    "length": _length,
    "XML value": _xml_value,
    "XML structure": _xml_structure,
    "order": _order,
    "double": _double,
    "delete": _delete,
    "cut": _cut,
    "splice": _splice,
    "samples": _samples,
    "stranger": _stranger,
}


def _kind(message: bytes) -> int:
    return int(struct.unpack_from("<H", message)[0]) if len(message) >= 2 else -1


def _any(messages: Messages, rng: np.random.Generator, *kinds: int) -> int | None:
    """Return the place of a message, of one of these kinds where any are given."""
    found = [at for at, one in enumerate(messages) if one and (not kinds or _kind(one) in kinds)]
    return found[rng.integers(len(found))] if found else None


def _with(messages: Messages, at: int, message: bytes) -> Messages:
    return [*messages[:at], message, *messages[at + 1 :]]


def _with_xml(
    messages: Messages, rng: np.random.Generator, change: Callable[[str], str]
) -> Messages:
    at = _any(messages, rng, HEADER)
    if at is None or len(messages[at]) < 6:
        return messages
    xml = change(messages[at][6:].decode("utf-8", "replace")).encode("utf-8", "replace")
    if rng.random() < 0.03:
        xml = xml.replace(b"<", b"\xff", 1)
    return _with(messages, at, struct.pack("<HI", HEADER, len(xml)) + xml)


def _cut_at(messages: Messages, n_bytes: int) -> Messages:
    kept = []
    for one in messages:
        kept.append(one[:n_bytes])
        n_bytes -= len(kept[-1])
        if n_bytes <= 0:
            break
    return kept


def _extreme(dtype: np.dtype[Any], rng: np.random.Generator) -> object:
    if dtype.kind == "f":
        return rng.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 1e30, 0.5])
    most = np.iinfo(dtype).max
    near = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 100, 1000, most // 2, most - 1, most]
    return (
        near[rng.integers(len(near))]
        if rng.random() < 0.9
        else int(rng.integers(most, dtype=np.uint64))
    )
