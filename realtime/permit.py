"""The permission to treat: a lease that lapses by itself unless valid verdicts renew it.

Every image stream of a session (slice, contrast, phase, set) must keep its own last verdict valid:
a good frame of one slice never covers for a bad or missing one of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from messages import FrameKey, Permit, Verdict

_Stream = tuple[int, int, int, int]  # slice, contrast, phase, set


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the last verdict of one image stream said; reason is None where it granted."""

    frame_id: int
    received_ns: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The state of the permit. It begins held.

    expires_ns: when the lease lapses, None while held: the time-out for the gateway's poll.
    """

    lease_ms: float
    frame_id: int = -1
    expires_ns: int | None = None
    reason: str = "no verdict yet"
    standings: Mapping[_Stream, _Standing] = field(default_factory=dict)

    def renew(
        self,
        verdict: Verdict,
        *,
        received_ns: int,
        now_ns: int,
        holds_reason: str | None = None,
    ) -> tuple["Lease", Permit]:
        """Return the lease after a verdict, and the permit to publish.

        received_ns: when the frame's last readout arrived; the lease counts from there.
        holds_reason: why an alert holds the permit whatever this verdict says, or None.
        A verdict on an older frame than the stream's last never grants.
        """
        stream = _stream(verdict.key)
        last = self.standings.get(stream)
        reason = _why_held(verdict)
        is_newer = last is None or verdict.frame_id > last.frame_id
        if reason is None and not is_newer:
            return self, self.permit(now_ns)
        newest = verdict.frame_id if is_newer or last is None else last.frame_id
        standing = _Standing(newest, received_ns, reason)
        moved = replace(self, standings={**self.standings, stream: standing})
        if holds_reason is not None:
            return moved.hold(holds_reason, verdict.frame_id)
        return _judged(moved, verdict.frame_id, now_ns)

    def hold(self, reason: str, frame_id: int) -> tuple["Lease", Permit]:
        """Return the lease held, and the permit to publish; the next valid verdict may renew it."""
        held = replace(self, frame_id=frame_id, expires_ns=None, reason=reason)
        return held, held.permit(0)

    def at(self, now_ns: int) -> tuple["Lease", Permit | None]:
        """Return the lease as time has it, and the permit to publish where it has just lapsed."""
        if self.expires_ns is None or now_ns < self.expires_ns:
            return self, None
        return self.hold(self._lapsed, self.frame_id)

    def permit(self, now_ns: int) -> Permit:
        """Return the permit as it stands, with what is left of the lease."""
        if self.expires_ns is None or self.expires_ns <= now_ns:
            return Permit("HELD", 0.0, self.reason or self._lapsed, self.frame_id)
        return Permit("GRANTED", (self.expires_ns - now_ns) / 1e6, "", self.frame_id)

    @property
    def _lapsed(self) -> str:
        return f"no valid verdict for {self.lease_ms:g} ms"


def _judged(lease: Lease, frame_id: int, now_ns: int) -> tuple[Lease, Permit]:
    for standing in lease.standings.values():
        if standing.reason is not None:
            return lease.hold(standing.reason, frame_id)
    oldest_ns = min(standing.received_ns for standing in lease.standings.values())
    expires_ns = oldest_ns + round(lease.lease_ms * 1e6)
    granted = replace(lease, frame_id=frame_id, expires_ns=expires_ns, reason="")
    lapsed, permit = granted.at(now_ns)
    return lapsed, permit or granted.permit(now_ns)


def _stream(key: FrameKey) -> _Stream:
    return key.slice, key.contrast, key.phase, key.set


def _why_held(verdict: Verdict) -> str | None:
    if verdict.outcome == "COMPUTED" and verdict.decision == "GRANTED":
        return None
    for finding in verdict.findings:
        if finding.severity == "hold":
            return finding.text
    return f"frame {verdict.frame_id}: {verdict.outcome.lower()}, nothing granted"
