"""The lease to treat."""

from dataclasses import dataclass

from messages.verdict import Decision


@dataclass(frozen=True, slots=True)
class Permit:
    """The lease to treat: GRANTED for `lease_ms` after receipt, or HELD with a reason.

    A subscriber that sees the lease lapse, or misses heartbeats, must act as if it read HELD.
    """

    state: Decision
    lease_ms: float
    reason: str
    frame_id: int
    run_id: str = ""
