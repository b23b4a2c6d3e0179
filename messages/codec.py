"""Nouns to bytes and back: topic, JSON header, raw arrays.

The header is `{"schema": 1, "epoch": …, "sequence": …, "body": {…}, "at_ms": …}`; an array in the
body is `{"array": n, "dtype": "<f4", "shape": [z, y, x]}` and stands raw, C-ordered and
little-endian, as the n-th part after the header. Any language with JSON can read it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np

from messages.acquisition import Waveform
from messages.alert import Alert
from messages.errors import MonitorError
from messages.maps import Maps
from messages.permit import Permit
from messages.run import Heartbeat, RunStart, RunStop
from messages.verdict import Verdict

SCHEMA = 1

Noun = Permit | Verdict | Alert | Heartbeat | RunStart | RunStop | Maps | Waveform
Part = bytes | memoryview

TOPICS: Mapping[type, str] = {
    Permit: "permit",
    Verdict: "verdict",
    Alert: "alert",
    Heartbeat: "heartbeat",
    RunStart: "run.start",
    RunStop: "run.stop",
    Maps: "map",
    Waveform: "waveform",
}
_TYPES = {topic: noun for noun, topic in TOPICS.items()}


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which event this is; `sequence` counts one topic's events in one epoch, without a gap.

    at_ms: when it was said, on the monitor's monotonic clock: whoever hears it ever later is slow.
    """

    schema: int
    epoch: str
    sequence: int
    body: msgspec.Raw
    at_ms: float | None = None


def encode(
    noun: Noun, *, epoch: str = "", sequence: int = 0, at_ms: float | None = None
) -> list[Part]:
    """Return [topic, header, array, …] of a noun; the arrays are views, not copies.

    Raises ValueError where a number is NaN or infinite: JSON would turn it into null, and a silent
    null is a wrong temperature.
    """
    topic = TOPICS[type(noun)]
    _refuse_non_finite(noun, topic)
    arrays: list[Part] = []

    def as_reference(value: object) -> object:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{topic}: cannot encode a {type(value).__name__}")
        array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        arrays.append(array.reshape(-1).view(np.uint8).data)
        return {
            "array": len(arrays) - 1,
            "dtype": array.dtype.str,
            "shape": list(value.shape),
        }

    body = msgspec.json.encode(noun, enc_hook=as_reference)
    header = Envelope(SCHEMA, epoch, sequence, msgspec.Raw(body), at_ms)
    return [topic.encode(), msgspec.json.encode(header), *arrays]


def to_json(verdict: Verdict) -> bytes:
    """Return a verdict alone, without topic and envelope. Raises ValueError as `encode` does."""
    _refuse_non_finite(verdict, "verdict")
    return msgspec.json.encode(verdict)


def decode(parts: Sequence[Part]) -> tuple[Envelope, Noun]:
    """Return the envelope and the noun of what `encode` made; the arrays are read-only views.

    Raises MonitorError that names the topic and what is wrong with it.
    """
    if len(parts) < 2:
        raise MonitorError(f"event: expected a topic and a header, got {len(parts)} part(s)")
    topic = bytes(parts[0]).decode(errors="replace")
    if topic not in _TYPES:
        raise MonitorError(f"event: unknown topic {topic!r}, expected one of {', '.join(_TYPES)}")

    def from_reference(_: type, value: Any) -> object:  # noqa: ANN401 - msgspec's own signature
        return _array(value, parts[2:])

    try:
        envelope = msgspec.json.decode(parts[1], type=Envelope)
        if envelope.schema != SCHEMA:
            raise MonitorError(f"event {topic}: schema {envelope.schema}, expected {SCHEMA}")
        noun: Noun = msgspec.json.decode(envelope.body, type=_TYPES[topic], dec_hook=from_reference)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise MonitorError(f"event {topic}: {error}") from error
    return envelope, noun


def _array(reference: Any, arrays: Sequence[Part]) -> object:  # noqa: ANN401 - JSON
    index = int(reference["array"])
    if not 0 <= index < len(arrays):
        raise ValueError(f"array {index} of {len(arrays)} is missing")
    dtype = np.dtype(str(reference["dtype"]))
    if dtype.kind not in "biufc":
        raise ValueError(f"array {index} has dtype {dtype.str!r}, expected numbers")
    flat = np.frombuffer(arrays[index], dtype=dtype)
    array = flat.reshape([int(n) for n in reference["shape"]])
    array.flags.writeable = False
    return array


def _refuse_non_finite(value: object, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} is {value}; JSON has no such number, use None or an array")
    if is_dataclass(value):
        for field in fields(value):
            _refuse_non_finite(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            _refuse_non_finite(item, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_non_finite(item, f"{path}.{key}")
