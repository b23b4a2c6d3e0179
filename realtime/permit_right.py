"""Which of several sessions may treat: one at a time, and a client that froze not for ever."""

from dataclasses import dataclass
from typing import Literal

from realtime.protocol_sections import Therapy

_STALLS_UNTIL_LOST = 10

Right = Literal["none", "granted", "taken-over", "refused"]


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that has the permit, and when its client was last heard."""

    run_id: str
    heard_ns: int
    stall_ms: float

    def lost_ns(self) -> int:
        """Return from when on another treatment that begins takes the permit over."""
        return self.heard_ns + round(_STALLS_UNTIL_LOST * self.stall_ms * 1e6)


def right_of(therapy: Therapy, holder: Holder | None, *, now_ns: int) -> Right:
    """Return what a session that begins now may do with the permit.

    none: it does not treat. granted: nobody has it. taken-over: whoever has it has been silent for
    ten times its protocol's stall_ms. refused: it is served, but may not treat.
    """
    if therapy == "imaging":
        return "none"
    if holder is None:
        return "granted"
    return "taken-over" if now_ns >= holder.lost_ns() else "refused"


def places(therapy: Therapy, most: int, *, is_held: bool) -> int:
    """Return how many sessions there may be with a new one: one place waits for a treatment.

    is_held: whether a session has the permit; then, and where there is one place only, none waits.
    """
    return most if therapy != "imaging" or is_held or most == 1 else most - 1
