"""What goes wrong outside a session, and what is still open of those that have ended."""

from collections import deque

from messages import Finding
from realtime.answers import AlertIds, Answers, Sink

_MAX_ENDED = 16


class Desk:
    """The reception desk: alerts that belong to no run, and acknowledgements for all of them."""

    def __init__(self, sink: Sink) -> None:
        self.alert_ids = AlertIds()
        self._own = Answers(None, sink, alert_ids=self.alert_ids)
        self._restart = Answers(None, sink, alert_ids=self.alert_ids)
        self._ended: deque[Answers] = deque(maxlen=_MAX_ENDED)
        self._lost: Answers | None = None

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

    def keep(self, ended: Answers) -> None:
        """Keep what an ended session left open: it can be acknowledged after the run, too."""
        if ended.lost_permit:
            self._lost = ended
        else:
            self._ended.append(ended)

    def begin(self, treatment: Answers) -> None:
        """Let a treatment begin: held, where the one before was lost and nobody has seen it."""
        if self._lost is not None and treatment.may_treat:
            treatment.take_over(self._lost)
            self._ended.append(self._lost)
            self._lost = None

    def acknowledge(self, alert_id: int, who: str, running: list[Answers]) -> bool:
        """Note that a person has seen an alert; False where there never was one of this id."""
        lost = () if self._lost is None else (self._lost,)
        books = (*running, self._own, self._restart, *lost, *reversed(self._ended))
        return any(answers.acknowledge(alert_id, who) for answers in books)
