"""What page and browser say to each other: JSON both ways, and pictures as binary messages.

Read strictly: an unknown field, a number out of range or another type is refused.
"""

from typing import Annotated

import msgspec

from messages import Alert, RegionReading
from realtime.requests import Name

MOST_INBOUND_BYTES = 4096
_MOST = (1 << 53) - 1  # the largest integer that JavaScript counts to

_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class Hello(msgspec.Struct, tag="hello", frozen=True, forbid_unknown_fields=True):
    """The first word of a browser: up to which alert of which epoch it has heard."""

    epoch: Annotated[str, msgspec.Meta(max_length=64)] = ""
    after: _Count = 0


class Seen(msgspec.Struct, tag="seen", frozen=True, forbid_unknown_fields=True):
    """The browser lives: the last beat that it heard, the last picture that it drew, its clock."""

    stamp_ms: Annotated[float, msgspec.Meta(ge=0.0, le=float(_MOST))]
    beat: _Count = 0
    picture: _Count = 0


class Acknowledge(msgspec.Struct, tag="acknowledge", frozen=True, forbid_unknown_fields=True):
    """A person has seen this alert of this epoch; the answer bears the same `request`."""

    request: _Count
    epoch: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    alert_id: _Count
    who: Name


Word = Hello | Seen | Acknowledge

_words: msgspec.json.Decoder[Word] = msgspec.json.Decoder(Word)


class Told(msgspec.Struct, tag="alert", frozen=True):
    """One change of an alert; `sequence` counts them in an epoch, without a gap."""

    sequence: int
    alert: Alert


class PermitWord(msgspec.Struct, tag="permit", frozen=True):
    """The permit as the page may believe it; `left_ms` of the lease, 0 where held."""

    state: str
    reason: str
    left_ms: float


class Welcome(msgspec.Struct, tag="welcome", frozen=True):
    """What stands when a browser comes, or when the monitor begins anew.

    missed: the changes that came after those it has heard; is_whole: none of them is lost.
    """

    epoch: str
    last_alert: int
    open: list[Alert]
    missed: list[Told]
    is_whole: bool
    stale_ms: int


class FrameWord(msgspec.Struct, frozen=True):
    """The last frame's verdict; `heard_ms` by the page's clock, `age_ms` had passed by then."""

    frame_id: int
    outcome: str
    decision: str
    age_ms: float
    heard_ms: float
    regions: tuple[RegionReading, ...]
    baseline_frames: int
    baseline_wanted: int


class Beat(msgspec.Struct, tag="beat", frozen=True):
    """The monitor lives; one for each of its heartbeats, while the browser keeps up.

    echo_ms: the browser's own stamp of its last `seen`: this beat was sent after that, whatever
        delayed it on its way. now_ms: by the page's clock. silent_ms: age of the monitor's last
        word, None before the first.
    """

    number: int
    echo_ms: float | None
    now_ms: float
    silent_ms: float | None
    permit: PermitWord
    run_id: str
    protocol_name: str
    lease_ms: float
    frame: FrameWord | None
    misses_alerts: bool
    n_refused: int


class Acknowledged(msgspec.Struct, tag="acknowledged", frozen=True):
    """Answer to `acknowledge`: done or refused, and why."""

    request: int
    alert_id: int
    status: str
    text: str


def read_word(text: str) -> Word:
    """Return what a browser said. Raises ValueError, msgspec's among them, where it is none."""
    return _words.decode(text)


def write(message: Told | PermitWord | Welcome | Beat | Acknowledged) -> str:
    """Return a message as the JSON of a text message."""
    return msgspec.json.encode(message).decode()
