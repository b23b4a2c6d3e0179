"""What page and browser say to each other: JSON both ways, and pictures as binary messages.

A browser says `hello`, and hears `welcome`, `permit`, `history` (several, oldest first) and the
newest pictures; then a `beat` and a `frame` whenever there is one, `plan` when a run begins, each
`alert`, and pictures. It says `seen` for each beat and each picture that it has drawn; a beat or a
picture more comes only then, and few frames. Of a recorded run it says `seek`.

Read strictly: an unknown field, a number out of range or another type is refused.
"""

from typing import Annotated

import msgspec

from messages import (
    Alert,
    DeliveredDose,
    LimitPlan,
    MotionReading,
    RegionPlan,
    RegionReading,
    RunStart,
    Verdict,
)
from realtime.requests import Name

MOST_INBOUND_BYTES = 4096
MOST_EPOCH = 64  # characters that a browser may say back
_MOST = (1 << 53) - 1  # the largest integer that JavaScript counts to

_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class Hello(msgspec.Struct, tag="hello", frozen=True, forbid_unknown_fields=True):
    """The first word of a browser: up to which alert of which epoch it has heard."""

    epoch: Annotated[str, msgspec.Meta(max_length=MOST_EPOCH)] = ""
    after: _Count = 0


class Seen(msgspec.Struct, tag="seen", frozen=True, forbid_unknown_fields=True):
    """The browser lives: the last beat that it heard, the last picture that it drew, its clock."""

    stamp_ms: Annotated[float, msgspec.Meta(ge=0.0, le=float(_MOST))]
    beat: _Count = 0
    picture: _Count = 0


class Acknowledge(msgspec.Struct, tag="acknowledge", frozen=True, forbid_unknown_fields=True):
    """A person has seen this alert of this epoch; the answer bears the same `request`."""

    request: _Count
    epoch: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_EPOCH)]
    alert_id: _Count
    who: Name


class Seek(msgspec.Struct, tag="seek", frozen=True, forbid_unknown_fields=True):
    """Show the n-th frame of a recorded run, from 0; a live page takes no such word."""

    frame: _Count


Word = Hello | Seen | Acknowledge | Seek

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


class Plan(msgspec.Struct, frozen=True):
    """What was known of a run before its first frame.

    gate_margin_mm, max_outside_percent: of the gate, None where nothing is gated.
    """

    run_id: str
    protocol_name: str
    therapy: str
    started_utc: str
    regions: tuple[RegionPlan, ...]
    limits: tuple[LimitPlan, ...]
    gate_margin_mm: float | None
    max_outside_percent: float | None
    frame_deadline_ms: float
    lease_ms: float
    frame_interval_s: float | None


class PlanWord(msgspec.Struct, tag="plan", frozen=True):
    """A run has begun."""

    plan: Plan


class Recorded(msgspec.Struct, frozen=True):
    """A finished run that is shown again.

    times_s: of its frames, None where the scanner gave no clock.
    """

    n_frames: int
    times_s: list[float | None]
    name: str


class Welcome(msgspec.Struct, tag="welcome", frozen=True):
    """What stands when a browser comes, or when the monitor begins anew.

    missed: the changes that came after those it has heard; is_whole: none of them is lost.
    plan: of the run under way, or of the last one; None where none was heard to begin.
    recorded: None where this is live.
    """

    epoch: str
    last_alert: int
    open: list[Alert]
    missed: list[Told]
    is_whole: bool
    stale_ms: int
    plan: Plan | None = None
    recorded: Recorded | None = None


class FrameWord(msgspec.Struct, frozen=True):
    """A frame's verdict; `heard_ms` by the page's clock, `age_ms` had passed by then.

    permit: what stood after it.
    """

    frame_id: int
    outcome: str
    decision: str
    age_ms: float
    heard_ms: float
    regions: tuple[RegionReading, ...]
    baseline_frames: int
    baseline_wanted: int
    time_s: float | None
    permit: str
    stage_ms: dict[str, float] | None
    lesion_mm3: tuple[float, float, float] | None
    motion: MotionReading | None
    delivered: DeliveredDose | None


class Beat(msgspec.Struct, tag="beat", frozen=True):
    """The monitor lives; one for each of its heartbeats, while the browser keeps up.

    echo_ms: the browser's own stamp of its last `seen`: this beat was sent after that, whatever
        delayed it on its way. now_ms: by the page's clock. silent_ms: age of the monitor's last
        word, None before the first. frame: the last FrameWord. preparing: what is done before a
        frame can be judged, in words, empty where nothing is; preparing_fraction: how far that is,
        0 to 1, None where nobody knows.
    """

    number: int
    echo_ms: float | None
    now_ms: float
    silent_ms: float | None
    permit: PermitWord
    run_id: str
    protocol_name: str
    lease_ms: float
    frame: msgspec.Raw | None
    misses_alerts: bool
    n_refused: int
    preparing: str
    preparing_fraction: float | None


class FrameTold(msgspec.Struct, tag="frame", frozen=True):
    """A FrameWord as it comes; n_skipped: older ones that this browser was too slow for."""

    frame: msgspec.Raw
    n_skipped: int


class History(msgspec.Struct, tag="history", frozen=True):
    """FrameWords of before, the oldest first; of a long run only some of the older ones."""

    run_id: str
    rows: list[msgspec.Raw]


class Acknowledged(msgspec.Struct, tag="acknowledged", frozen=True):
    """Answer to `acknowledge`: done or refused, and why."""

    request: int
    alert_id: int
    status: str
    text: str


def read_word(text: str) -> Word:
    """Return what a browser said. Raises ValueError, msgspec's among them, where it is none."""
    return _words.decode(text)


Message = Told | PermitWord | Welcome | Beat | Acknowledged | PlanWord | FrameTold | History


def write(message: Message) -> str:
    """Return a message as the JSON of a text message."""
    return msgspec.json.encode(message).decode()


def write_frame(verdict: Verdict, *, heard_ms: float) -> msgspec.Raw:
    """Return a verdict's FrameWord as JSON, made once for all browsers."""
    word = FrameWord(
        verdict.frame_id,
        verdict.outcome,
        verdict.decision,
        verdict.age_ms,
        heard_ms,
        verdict.regions,
        verdict.baseline_frames,
        verdict.baseline_wanted,
        verdict.time_s,
        verdict.permit,
        verdict.stage_ms,
        verdict.lesion_mm3,
        verdict.motion,
        verdict.delivered,
    )
    return msgspec.Raw(msgspec.json.encode(word))


def plan_of(start: RunStart) -> Plan:
    """Return what a browser is told of a run's beginning."""
    gate = {one.quantity: one.stop for one in start.limits if one.rule == "gate"}
    return Plan(
        start.run_id,
        start.protocol_name,
        start.therapy,
        start.started_utc,
        start.regions,
        start.limits,
        gate.get("displacement_mm"),
        gate.get("outside_percent"),
        start.frame_deadline_ms,
        start.lease_ms,
        start.frame_interval_s,
    )
