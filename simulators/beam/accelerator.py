"""An accelerator: delivers the plan's beams while it is permitted, with latencies of its own."""

import math
from dataclasses import dataclass

from simulators.beam.plan import Beam, Plan
from simulators.device_line import DeviceLine
from simulators.lease import Lease, PowerOff

_REPORTS_S = {True: 0.25, False: 1.0}  # between two reports, by whether the beam is on


@dataclass(frozen=True, slots=True)
class Stretch:
    """A beam that is on without a break, and its monitor units at either end."""

    number: int
    start_s: float
    end_s: float
    start_mu: float
    end_mu: float


@dataclass(frozen=True, slots=True)
class BeamHold:
    """Why a beam that was on had to go off: when it was asked for, and when it was off."""

    asked: PowerOff
    off_s: float


class Accelerator:
    """Beams one after the other, in scanner time.

    on_latency_s: from the permission to the beam; a start that is withdrawn meanwhile never comes.
    off_latency_s: from its end to the beam's; a stop that is under way is not called back.
    between_s: from the end of a beam until the gantry stands for the next.
    """

    def __init__(
        self,
        plan: Plan,
        line: DeviceLine,
        *,
        on_latency_s: float = 0.3,
        off_latency_s: float = 0.2,
        between_s: float = 1.0,
    ) -> None:
        self.time_s = 0.0
        self.is_on = False
        self.stretches: list[Stretch] = []
        self.holds: list[BeamHold] = []
        self.first_permitted_s = math.nan
        self._plan, self._line = plan, line
        self._on_latency_s, self._off_latency_s = on_latency_s, off_latency_s
        self._between_s = between_s
        self._index, self._mu = 0, 0.0
        self._is_permitted = False
        self._on_due_s = self._off_due_s = math.inf
        self._ready_s = self._report_due_s = -math.inf
        self._since = (0.0, 0.0)  # time and units at the beginning of the stretch
        self._asked = PowerOff(0.0, "plan")

    @property
    def is_finished(self) -> bool:
        """Whether every beam was delivered."""
        return self._index == len(self._plan.beams)

    @property
    def delivered_mu(self) -> float:
        """Monitor units of all beams so far."""
        return sum(beam.mu for beam in self._plan.beams[: self._index]) + self._mu

    def advance(self, end_s: float, lease: Lease) -> None:
        """Go on until end_s with what the lease permits."""
        permitted = lease.granted_until(self.time_s, end_s)
        if permitted is None:
            self._withdraw(lease.why_held(self.time_s))
        else:
            self._permit(self.time_s)
            if permitted.cause != "plan":
                self._run_to(permitted.t_s)
                self._withdraw(permitted)
        self._run_to(end_s)

    def stop(self) -> None:
        """End the beam now, and say so."""
        if self.is_on:
            self.holds.append(BeamHold(PowerOff(self.time_s, "end"), self.time_s))
            self._switch_off()
            self._report()
        self._is_permitted = False
        self._on_due_s = self._off_due_s = math.inf

    def _permit(self, t_s: float) -> None:
        if self._is_permitted:
            return
        self._is_permitted = True
        if math.isnan(self.first_permitted_s):
            self.first_permitted_s = t_s
        self._on_due_s = t_s + self._on_latency_s
        if self._off_due_s < math.inf:
            self._on_due_s = max(self._on_due_s, self._off_due_s)

    def _withdraw(self, asked: PowerOff) -> None:
        if not self._is_permitted:
            return
        self._is_permitted, self._on_due_s = False, math.inf
        if self.is_on and self._off_due_s == math.inf:
            self._asked, self._off_due_s = asked, asked.t_s + self._off_latency_s

    def _run_to(self, end_s: float) -> None:
        while self.time_s < end_s:
            due_s = min(end_s, self._next_change_s(), self._report_due_s)
            self.time_s = max(due_s, self.time_s)
            if self.is_on:
                self._deliver()
            elif not self.is_finished and self.time_s >= max(self._on_due_s, self._ready_s):
                self.is_on, self._since = True, (self.time_s, self._mu)
                self._report()
            if self.time_s >= self._report_due_s:
                self._report()

    def _next_change_s(self) -> float:
        if self.is_finished:
            return math.inf
        if not self.is_on:
            return max(self._on_due_s, self._ready_s)
        return min(self._off_due_s, self._done_s)

    def _deliver(self) -> None:
        """Count the units until now; end the stretch where it is over."""
        start_s, start_mu = self._since
        is_done = self.time_s >= self._done_s
        due_mu = start_mu + (self.time_s - start_s) * self._beam.rate_mu_per_s
        self._mu = self._beam.mu if is_done else due_mu
        if self.time_s >= self._off_due_s:
            self.holds.append(BeamHold(self._asked, self.time_s))
        if is_done or self.time_s >= self._off_due_s:
            self._switch_off()
            self._off_due_s = math.inf
            self._report()
        if is_done:
            self._index, self._mu = self._index + 1, 0.0
            self._ready_s = self.time_s + self._between_s

    def _switch_off(self) -> None:
        start_s, start_mu = self._since
        self.is_on = False
        self.stretches.append(Stretch(self._beam.number, start_s, self.time_s, start_mu, self._mu))

    def _report(self) -> None:
        self._report_due_s = self.time_s + _REPORTS_S[self.is_on]
        number, mu = self._beam.number, self._mu
        if self.is_finished:
            mu = self._beam.mu
        self._line.report("beam", self.time_s, number=number, is_on=self.is_on, mu=mu)

    @property
    def _beam(self) -> Beam:
        return self._plan.beams[min(self._index, len(self._plan.beams) - 1)]

    @property
    def _done_s(self) -> float:
        start_s, start_mu = self._since
        return start_s + (self._beam.mu - start_mu) / self._beam.rate_mu_per_s
