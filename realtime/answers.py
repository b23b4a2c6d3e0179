"""One answer for each frame: permit first, then verdict, then alerts.

It holds the deadlines, the lease and the book of alerts of one session, and reads no clock.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from messages import Finding, FrameKey, Maps, Permit, Verdict
from messages.codec import Noun
from messages.verdict import Outcome
from realtime.alerts import faults
from realtime.alerts.life_cycle import AlertBook, Changes, Entry, acknowledge, part, resolve, step
from realtime.deadlines import Deadlines
from realtime.permit import Lease
from realtime.protocol import Protocol as TreatmentProtocol
from realtime.stretches import Stretches

# A source that waits for the worker has no deadline; a frame that takes an hour is lost even there.
_NO_DEADLINE_MS = 3_600_000.0
# Alerts whose ids another session's have cut off: older ones are known only while they live.
_MOST_OURS = 1000

_verdicts = msgspec.json.Decoder(Verdict)


class Sink(Protocol):
    """Where events go."""

    def publish(self, noun: Noun) -> object:
        """Send an event."""
        ...


class PictureSink(Sink, Protocol):
    """Where a session's events and pictures go."""

    def show(self, picture: Maps) -> None:
        """Send a picture, ahead of what is measured in it, to the client that waits for it."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """How the frames of a run were answered."""

    n_frames: int = 0
    n_late: int = 0
    n_fault: int = 0
    n_incomplete: int = 0


@dataclass(slots=True)
class AlertIds:
    """Counts the alerts of an epoch across its sessions: the next one's id."""

    n_raised: int = 0


@dataclass(frozen=True, slots=True)
class _Open:
    key: FrameKey
    received_ns: int


class Answers:
    """Gives each opened frame exactly one verdict and keeps the permit true to it.

    protocol: None for the reception desk, which has alerts but never a permit to give.
    is_deadline_enforced: False where the source waits for the worker.
    may_treat: False where the permit is another session's, or nobody's: then no permit is ever
        published, and each verdict says HELD.
    alert_ids: shared by all of an epoch, so that no id is used twice.
    """

    def __init__(
        self,
        protocol: TreatmentProtocol | None,
        sink: Sink,
        *,
        is_deadline_enforced: bool = True,
        may_treat: bool = True,
        alert_ids: AlertIds | None = None,
    ) -> None:
        self._protocol = protocol
        self._hash = "" if protocol is None else protocol.hash
        self._sink = sink
        self._is_enforced = is_deadline_enforced
        lease_ms = 0.0 if protocol is None else protocol.protocol.lease_ms
        is_timed = is_deadline_enforced and protocol is not None
        self._deadline_ms = (
            protocol.protocol.frame_deadline_ms if is_timed and protocol else _NO_DEADLINE_MS
        )
        self._deadlines = Deadlines(self._deadline_ms)
        self._lease = Lease(lease_ms)
        self._permit = Permit("HELD", 0.0, "no verdict yet", -1)
        self.may_treat = may_treat
        self.held_elsewhere: Callable[[], str | None] = lambda: None
        self._book = AlertBook()
        self._ids = alert_ids or AlertIds()
        self._ours = Stretches(most=_MOST_OURS)
        self._was_granted = False
        self._open: dict[int, _Open] = {}
        self._answered = Stretches()  # a gap is a frame that is open, and those are few
        self._least_lag_s = math.inf
        self.counts = Counts()

    @property
    def permit_state(self) -> str:
        """GRANTED or HELD, as last published."""
        return self._permit.state

    @property
    def is_idle(self) -> bool:
        """Whether every opened frame has its answer."""
        return not self._open

    @property
    def had_permit(self) -> bool:
        """Whether it ever was granted, or goes on with a treatment that was."""
        return self._was_granted

    @property
    def lost_permit(self) -> bool:
        """Whether a treatment that had been granted lost its stream, and nobody has seen it.

        Then the next treatment must not go on by itself.
        """
        return self._was_granted and bool(part(self._book, "stream-lost")[1])

    def hand_over(self) -> tuple[Entry, ...]:
        """Return the alert of the lost stream, which is from now on another treatment's."""
        self._book, lost = part(self._book, "stream-lost")
        return lost

    def take_over(self, lost: tuple[Entry, ...]) -> None:
        """Go on with the lost stream of another treatment: held until it is acknowledged here."""
        self._book = replace(self._book, entries=(*lost, *self._book.entries))
        self._was_granted = self._was_granted or bool(lost)

    def holds(self) -> str | None:
        """Return which alert holds the permit whatever the next verdict says, None where none."""
        return self._book.holds()

    def open(
        self,
        frame_id: int,
        key: FrameKey,
        *,
        received_ns: int,
        is_complete: bool,
    ) -> None:
        """Start the time of a frame whose last readout has arrived."""
        counts = self.counts
        self.counts = replace(
            counts,
            n_frames=counts.n_frames + 1,
            n_incomplete=counts.n_incomplete + (not is_complete),
        )
        if frame_id in self._answered:
            return
        self._deadlines.open(frame_id, received_ns)
        self._open[frame_id] = _Open(key, received_ns)

    def computed(self, text: bytes, *, now_ns: int) -> Verdict:
        """Publish the worker's verdict, unless its frame has been answered; return it as it stands.

        text: the verdict as JSON.
        """
        verdict = _verdicts.decode(text)
        # a verdict that waited for a gateway that was held up is late, whoever is looked at first
        self._expire(now_ns)
        opened = self._open.pop(verdict.frame_id, None)
        if not self._deadlines.answer(verdict.frame_id) or opened is None:
            self._heed_late(verdict)
            return verdict
        age_ms = (now_ns - opened.received_ns) / 1e6
        if self._protocol is not None and self._is_enforced:
            too_old = faults.too_old(self._protocol, age_ms=age_ms)
            skewed = faults.skewed(self._protocol, skew_s=self._skew_s(verdict, opened))
            stale = tuple(one for one in (too_old, skewed) if one is not None)
            if stale:
                findings = (*verdict.findings, *stale)
                verdict = replace(verdict, findings=findings, decision="HELD")
        stages = dict(verdict.stage_ms or {})
        stages["hand_back"] = max(age_ms - sum(stages.values()), 0.0)
        return self._settle(replace(verdict, stage_ms=stages), opened, now_ns)

    def _heed_late(self, verdict: Verdict) -> None:
        """Raise the alerts of a frame that was measured too late to be answered.

        The heat that it shows was there, and the next frame may not show it. It shows nothing gone.
        """
        key, grave = verdict.key, [one for one in verdict.findings if one.severity == "hold"]
        if not grave:
            return
        late = faults.late_result(verdict.frame_id)
        stream = (key.slice, key.contrast, key.phase, key.set)
        self._tell(self._step(verdict.frame_id, (late, *grave), stream))
        reason = self._book.holds()
        if reason is not None:
            self._lease, permit = self._lease.hold(reason, verdict.frame_id)
            self._announce(permit)

    def late(self, frame_id: int, why: str, *, now_ns: int) -> None:
        """Answer an opened frame with LATE."""
        if self._deadlines.answer(frame_id):
            self._answer_late(frame_id, why, now_ns)

    def fault(self, frame_id: int, text: str, *, now_ns: int, key: FrameKey | None = None) -> None:
        """Answer a frame with FAULT, even before its last readout has come; `key` is known then.

        Filed under another image stream it would hold the permit for good.
        """
        if frame_id in self._answered:
            return
        opened = self._open.pop(frame_id, None)
        if opened is None:
            opened = _Open(key or FrameKey(), now_ns)
        else:
            self._deadlines.answer(frame_id)
        self.counts = replace(self.counts, n_fault=self.counts.n_fault + 1)
        self._answer("FAULT", frame_id, opened, faults.fault(text), now_ns)

    def worker_lost(self, text: str) -> None:
        """Hold the permit and raise the alert, whatever was in hand."""
        self._hold(faults.fault(text))

    def worker_back(self) -> None:
        """Note that the next worker is ready: the loss is over once it is acknowledged."""
        self._resolve("fault")

    def stream_fault(self, text: str) -> None:
        """Hold the permit and raise the alert for a stream that broke or made no sense."""
        self._hold(faults.stream_lost(text))
        # the stream is gone for good: only the acknowledgement is open, and the next one is told
        self._resolve("stream-lost")

    def notice(self, finding: Finding) -> None:
        """Raise the alert for something that no frame shows, without touching the permit."""
        self._tell(self._step(-1, (finding,)))

    def remark(self, finding: Finding) -> None:
        """Raise the alert for something that is over as soon as it is told."""
        self.notice(finding)
        self._resolve(finding.rule)

    def awaits(self, alert_id: int) -> bool:
        """Whether an alert lives that nobody has acknowledged."""
        states = {one.alert_id: one.state for one in self._book.living}
        return states.get(alert_id, "acknowledged") != "acknowledged"

    def acknowledge(self, alert_id: int, who: str) -> bool:
        """Note that a person has seen an alert; False where there never was one of this id."""
        living = (one.alert_id for one in self._book.living)
        is_known = alert_id in self._ours or alert_id in living
        self._book, changes = acknowledge(self._book, alert_id, who)
        self._tell(changes)
        return is_known

    def tick(self, now_ns: int) -> None:
        """Answer what has run out of time, and let a lease lapse."""
        self._expire(now_ns)
        if self._is_enforced:
            self._lease, permit = self._lease.at(now_ns)
            if permit is not None:
                self._announce(permit)
                self.notice(faults.lapsed(permit.reason))

    def next_ns(self) -> int | None:
        """Return when `tick` must be called at the latest."""
        dues = [self._deadlines.next_ns()]
        if self._is_enforced:
            dues.append(self._lease.expires_ns)
        return min((due for due in dues if due is not None), default=None)

    def end(self, reason: str, *, now_ns: int) -> None:
        """Answer what is still open, then hold the permit for good."""
        for frame_id in list(self._open):
            self.late(frame_id, f"the run ended: {reason}", now_ns=now_ns)
        self._lease, permit = self._lease.hold(f"no treatment: {reason}", self._lease.frame_id)
        self._announce(permit)
        self._resolve("lease-lapsed")

    def _skew_s(self, verdict: Verdict, opened: _Open) -> float:
        """Return by how much later than the promptest frame this one came, by its own stamp."""
        if verdict.time_s is None:
            return 0.0
        lag_s = opened.received_ns / 1e9 - verdict.time_s
        self._least_lag_s = min(self._least_lag_s, lag_s)
        return lag_s - self._least_lag_s

    def _expire(self, now_ns: int) -> None:
        for frame_id in self._deadlines.expired(now_ns):
            self._answer_late(frame_id, "", now_ns)

    def _answer_late(self, frame_id: int, why: str, now_ns: int) -> None:
        opened = self._open.pop(frame_id)
        self.counts = replace(self.counts, n_late=self.counts.n_late + 1)
        age_ms = (now_ns - opened.received_ns) / 1e6
        finding = faults.late_frame(age_ms=age_ms, deadline_ms=self._deadline_ms)
        if why:
            finding = replace(finding, text=why)
        self._answer("LATE", frame_id, opened, finding, now_ns)

    def _answer(
        self, outcome: Outcome, frame_id: int, opened: _Open, finding: Finding, now_ns: int
    ) -> None:
        verdict = Verdict(frame_id, opened.key, outcome, "HELD", None, (finding,))
        self._settle(verdict, opened, now_ns)

    def _settle(self, verdict: Verdict, opened: _Open, now_ns: int) -> Verdict:
        self._answered.add(verdict.frame_id)
        key = verdict.key
        stream = (key.slice, key.contrast, key.phase, key.set)
        changes = self._step(verdict.frame_id, verdict.findings, stream)
        # a replay at full speed must not depend on how fast this machine is
        judged_ns = now_ns if self._is_enforced else opened.received_ns
        self._lease, permit = self._lease.renew(
            verdict,
            received_ns=opened.received_ns,
            now_ns=judged_ns,
            holds_reason=self.holds() or self.held_elsewhere(),
        )
        self._announce(permit)
        if permit.state == "GRANTED":
            self._resolve("lease-lapsed")
        age_ms = (now_ns - opened.received_ns) / 1e6
        published = replace(
            verdict,
            age_ms=age_ms,
            received_ns=opened.received_ns,
            permit=self._permit.state,
        )
        self._sink.publish(published)
        self._tell(changes)
        return published

    def _hold(self, finding: Finding) -> None:
        self._lease, permit = self._lease.hold(finding.text, self._lease.frame_id)
        self._announce(permit)
        self.notice(finding)

    def _resolve(self, rule: str) -> None:
        self._book, changes = resolve(self._book, rule)
        self._tell(changes)

    def _step(
        self, frame_id: int, findings: tuple[Finding, ...], stream: tuple[int, ...] = ()
    ) -> Changes:
        book = replace(self._book, n_raised=self._ids.n_raised)
        self._book, changes = step(
            book, frame_id, findings, protocol_hash=self._hash, stream=stream
        )
        self._ours |= set(range(self._ids.n_raised, self._book.n_raised))
        self._ids.n_raised = self._book.n_raised
        return changes

    def _announce(self, permit: Permit) -> None:
        if not self.may_treat:
            return
        self._permit = permit
        self._was_granted = self._was_granted or permit.state == "GRANTED"
        self._sink.publish(permit)

    def _tell(self, changes: Changes) -> None:
        for alert in changes:
            self._sink.publish(alert)
