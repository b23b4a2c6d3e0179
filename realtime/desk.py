"""What goes wrong outside a session, and what is still open of those that have ended."""

from collections import deque

from messages import Finding
from realtime.alerts import faults
from realtime.answers import AlertIds, Answers, Sink

_MAX_ENDED = 16
_IDLE_NS = 1_000_000_000  # a storm of acknowledgements must not fill the journal


class Desk:
    """The reception desk: alerts that belong to no run, and acknowledgements for all of them."""

    def __init__(self, sink: Sink, *, first_alert: int = 0) -> None:
        self.alert_ids = AlertIds(first_alert)
        self._own = Answers(None, sink, alert_ids=self.alert_ids)
        self._restart = Answers(None, sink, alert_ids=self.alert_ids)
        self._ended: deque[Answers] = deque(maxlen=_MAX_ENDED)
        self._lost: Answers | None = None
        self._heir: Answers | None = None
        self._n_idle = self._idle_due_ns = 0

    def stream_fault(self, text: str) -> None:
        """Raise the alert for a client that never came to a session; nobody has the permit."""
        self._own.stream_fault(text)

    def remark(self, finding: Finding) -> None:
        """Raise the alert for something that is over as soon as it is told."""
        self._own.remark(finding)

    def notice(self, finding: Finding) -> None:
        """Raise the alert for something that no frame shows."""
        self._own.notice(finding)

    def restarted(self, finding: Finding) -> None:
        """Raise the alert for killed runs; until it is acknowledged it holds every treatment."""
        self._restart.remark(finding)

    def holds(self) -> str | None:
        """Return why no treatment may be permitted, None where any may."""
        return self._restart.holds()

    @property
    def awaits_lost(self) -> bool:
        """Whether nobody has acknowledged the lost stream of a treatment that had been granted."""
        return any(one is not None and one.lost_permit for one in (self._lost, self._heir))

    def keep(self, ended: Answers) -> None:
        """Keep what an ended session left open: it can be acknowledged after the run, too."""
        if ended.lost_permit:
            self._lost = ended
        else:
            self._ended.append(ended)

    def begin(self, treatment: Answers) -> None:
        """Let a treatment begin: held, where the one before was lost and nobody has seen it."""
        if self._lost is not None and treatment.may_treat:
            treatment.take_over(self._lost.hand_over())
            self._ended.append(self._lost)
            self._lost, self._heir = None, treatment

    def acknowledge(self, alert_id: int, who: str, running: list[Answers], *, now_ns: int) -> bool:
        """Note that a person has seen an alert; False where there never was one of this id.

        The second time, and of what is over, nothing changes but for a line in the journal.
        """
        lost = () if self._lost is None else (self._lost,)
        books = (*running, self._own, self._restart, *lost, *reversed(self._ended))
        is_idle = not any(answers.awaits(alert_id) for answers in books)
        is_known = any(answers.acknowledge(alert_id, who) for answers in books)
        if is_idle:
            self._tell_idle(f"alert {alert_id} by {who}", now_ns)
        return is_known

    def _tell_idle(self, text: str, now_ns: int) -> None:
        self._n_idle += 1
        if now_ns < self._idle_due_ns:
            return
        n_more, self._n_idle, self._idle_due_ns = self._n_idle - 1, 0, now_ns + _IDLE_NS
        more = f", and {n_more} more before it" if n_more else ""
        told = f"acknowledged, but not open or acknowledged before: {text}{more}"
        self._own.remark(faults.idle_acknowledgement(told))
