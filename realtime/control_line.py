"""Asks a running monitor over its control address."""

from pathlib import Path

import msgspec
import zmq

from messages import Alert, MonitorError
from messages.codec import decode
from realtime.security.keys import secure_client

_PATIENCE_MS = 3000


class _Answer(msgspec.Struct):
    status: str
    text: str


def ask(
    address: str, request: dict[str, object], *, keys: Path | None = None
) -> tuple[str, list[Alert]]:
    """Return the monitor's answer, and the alerts that came before it.

    Raises MonitorError where it refuses, or says nothing for three seconds.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        line = context.socket(zmq.DEALER)
        connect(line, address, keys=keys)
        line.setsockopt(zmq.SNDTIMEO, _PATIENCE_MS)
        try:
            line.send(msgspec.json.encode(request))
        except zmq.Again:  # refused already: ZeroMQ keeps no line to a server that shut the door
            raise MonitorError(f"no monitor answers at {address}{unheard(keys)}") from None
        return _listen(line, address, keys)
    finally:
        context.destroy(linger=0)


def connect(line: "zmq.Socket[bytes]", address: str, *, keys: Path | None = None) -> None:
    """Connect to `tcp://host:port`. Raises MonitorError where that is no address.

    keys: the folder of this client's keys, for a monitor that listens with keys.
    """
    secure_client(line, keys)
    try:
        line.connect(address)
    except zmq.ZMQError as error:
        raise MonitorError(f"address {address!r}, expected tcp://host:port") from error


def _listen(line: "zmq.Socket[bytes]", address: str, keys: Path | None) -> tuple[str, list[Alert]]:
    alerts: list[Alert] = []
    while line.poll(_PATIENCE_MS):
        parts = line.recv_multipart()
        if len(parts) > 1:
            noun = decode(parts)[1]
            if isinstance(noun, Alert):
                alerts.append(noun)
            continue
        answer = msgspec.json.decode(parts[0], type=_Answer)
        if answer.status != "done":
            raise MonitorError(f"the monitor refused: {answer.text}")
        return answer.text, alerts
    raise MonitorError(f"no monitor answers at {address}{unheard(keys)}")


def unheard(keys: Path | None) -> str:
    """Return why a monitor may be silent though it runs: by design it says nothing of keys."""
    if keys is None:
        return "; one that listens with keys answers only to --keys"
    return "; one that does not allow this key (`mrmonitor keys allow`) is silent, too"
