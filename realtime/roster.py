"""The runs under way: who is served, and which of them has the permit."""

from collections.abc import Mapping

from messages import MonitorError
from realtime.alerts import faults
from realtime.permit_right import places, right_of
from realtime.protocol_sections import Therapy
from realtime.run import Run
from realtime.session import State

# What one turn takes of a client: of the one who treats, or is alone, and of each other.
_TURN_BYTES = 1 << 20
_TURN_BYTES_SHARED = 1 << 17
_PREPARING: Mapping[State, str] = {
    "admitting": "admission: a dry run on this scan's geometry is being timed",
    "recovering": "another worker takes the session over",
}


class Roster:
    """The runs in the order in which they began. It decides; who has to go is ended elsewhere.

    most: how many run at once.
    """

    def __init__(self, most: int) -> None:
        self.runs: list[Run] = []
        self.holder: Run | None = None
        self._most = most

    @property
    def preparing(self) -> str:
        """What is done before frames of a run can be computed, of the one that treats first."""
        runs = self.runs if self.holder is None else [self.holder, *self.runs]
        told = (_PREPARING.get(run.session.state, "") for run in runs)
        return next((text for text in told if text), "")

    def in_the_way(self, therapy: Therapy, now_ns: int) -> Run | None:
        """Return the frozen run whose place a new one takes, None where there is a free one.

        Raises MonitorError where there is neither.
        """
        n_places = places(therapy, self._most, is_held=self.holder is not None)
        if len(self.runs) < n_places:
            return None
        # a place that is kept for a treatment is not made free by ending an imaging session
        for run in self.runs if len(self.runs) <= n_places else ():
            right = right_of(therapy, run.holder(now_ns), now_ns=now_ns)
            if right == "taken-over" or (run is not self.holder and run.is_frozen(now_ns)):
                return run
        kept = " (one place is kept for a treatment)" if n_places < self._most else ""
        raise MonitorError(
            f"{len(self.runs)} sessions are running, at most {n_places} at once{kept}; "
            "connect again when one has ended"
        )

    def frozen_holder(self, therapy: Therapy, now_ns: int) -> Run | None:
        """Return the run that loses the permit to a new one, None where none does."""
        holder = self.holder
        right = right_of(therapy, None if holder is None else holder.holder(now_ns), now_ns=now_ns)
        return holder if right == "taken-over" else None

    def add(self, run: Run, now_ns: int) -> None:
        """Add a run that begins; let it treat, or tell everybody that it may not."""
        holder = self.holder
        given = None if holder is None else holder.holder(now_ns)
        right = right_of(run.session.protocol.protocol.therapy, given, now_ns=now_ns)
        run.session.answers.may_treat = right == "granted"
        if right == "granted":
            self.holder = run
        elif holder is not None and right == "refused":
            text = f"run {holder.run_id} has the permit; this one is served but may not treat"
            run.reception.say(f"WARNING  {text}")
            run.session.answers.remark(faults.permit_taken(text))
        self.runs.append(run)
        self._share_turns()

    def remove(self, run: Run) -> None:
        """Take out a run that has ended; the permit is free where it had it."""
        self.runs.remove(run)
        if self.holder is run:
            self.holder = None
        self._share_turns()

    def _share_turns(self) -> None:
        """Read less at once of those who could delay the one who treats."""
        for run in self.runs:
            is_first = run is self.holder or len(self.runs) == 1
            run.reception.turn_bytes = _TURN_BYTES if is_first else _TURN_BYTES_SHARED
