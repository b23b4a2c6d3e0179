"""What a machine that is too slow for a session would be fast enough for, by further dry runs."""

from dataclasses import dataclass
from typing import Final

import recon
from messages import MonitorError
from realtime import pipeline
from realtime.candidate import Candidate
from realtime.clock import Clock
from realtime.dry_run import MOSTLY, rehearse

SHARE: Final = 0.7  # of the deadline, for what is chosen or proposed: the rest is for bad moments
_FEW_ITERATIONS: Final = 4  # a quarter of them, to learn what one costs
_BRIEFLY_MS: Final = 50.0  # of measured frames: enough to propose by
# Nobody is treated yet, but a worker that does not answer for a minute counts as hung.
_PATIENCE_S: Final = 20.0
_STEP_PX: Final = 8


@dataclass(slots=True, eq=False)
class _Bench:
    """Measures candidates as long as there is time. cost_s: of one dry run, at most."""

    clock: Clock
    end_ns: int
    cost_s: float

    def mostly_ms(self, candidate: Candidate) -> float | None:
        """Return what nine frames of ten stay within; None where it cannot be, or not in time."""
        if self.clock.now_ns() + self.cost_s * 1e9 > self.end_ns:
            return None
        try:
            built = candidate.build()
            took_ms = rehearse(built, candidate.pose, clock=self.clock, enough_ms=_BRIEFLY_MS)
        except (MonitorError, ValueError):
            return None
        return took_ms[MOSTLY]


def what_fits(
    candidate: Candidate,
    built: pipeline.Pipeline,
    took_ms: dict[str, float],
    clock: Clock,
    *,
    spent_s: float,
) -> list[str]:
    """Return changes, each by itself enough for this deadline here, with what they would take.

    took_ms: of the candidate as it is. spent_s: what that dry run cost.
    """
    goal_ms = SHARE * candidate.protocol.protocol.frame_deadline_ms
    bench = _Bench(clock, clock.now_ns() + round(_PATIENCE_S * 1e9), spent_s)
    known_ms = took_ms[MOSTLY]
    found = [
        *_other_methods(bench, candidate, built, goal_ms),
        _fewer_iterations(bench, candidate, built, known_ms, goal_ms),
        _smaller_matrix(bench, candidate, built, known_ms, goal_ms),
        _fewer_coils(bench, candidate, known_ms, goal_ms),
    ]
    return [one for one in found if one]


def _other_methods(
    bench: _Bench, candidate: Candidate, built: pipeline.Pipeline, goal_ms: float
) -> list[str]:
    present, found = candidate.method(built), []
    for name in recon.methods_for(built.reconstructor.plan.encoding):
        if name == present:
            continue
        mostly_ms = bench.mostly_ms(candidate.with_recon(method=name))
        if mostly_ms is not None and mostly_ms <= goal_ms:
            found.append(f'recon.method = "{name}" ({mostly_ms:.1f} ms)')
    return found


def _fewer_iterations(
    bench: _Bench,
    candidate: Candidate,
    built: pipeline.Pipeline,
    known_ms: float,
    goal_ms: float,
) -> str:
    n_now = candidate.most_iterations
    if n_now < 2 or not candidate.iterates(built):
        return ""
    n_few = max(n_now // _FEW_ITERATIONS, 1)
    few_ms = bench.mostly_ms(candidate.with_recon(iterations=n_few))
    n = _interpolated((n_few, few_ms), (n_now, known_ms), goal_ms)
    if n is None or n < 1:
        return ""
    n_fit = min(int(n), n_now - 1)
    measured_ms = bench.mostly_ms(candidate.with_recon(iterations=n_fit))
    if measured_ms is None or measured_ms > candidate.protocol.protocol.frame_deadline_ms:
        return ""
    return f"recon.iterations = {n_fit} ({measured_ms:.1f} ms)"


def _smaller_matrix(
    bench: _Bench,
    candidate: Candidate,
    built: pipeline.Pipeline,
    known_ms: float,
    goal_ms: float,
) -> str:
    n_x, n_y, _ = built.reconstructor.plan.recon_matrix
    half_ms = bench.mostly_ms(candidate.with_half_the_matrix())
    n = _interpolated((n_x // 2, half_ms), (n_x, known_ms), goal_ms, power=2)
    # what half of it takes is known, what less takes is not
    if half_ms is None or n is None or n < n_x // 2:
        return ""
    to_x = max(int(n) // _STEP_PX * _STEP_PX, n_x // 2)
    to_y = round(to_x * n_y / n_x)
    return f"a matrix of {to_x} × {to_y} ({n_x // 2} × {n_y // 2} takes {half_ms:.1f} ms)"


def _fewer_coils(bench: _Bench, candidate: Candidate, known_ms: float, goal_ms: float) -> str:
    n_half = candidate.n_coils // 2
    if n_half < 1:
        return ""
    half_ms = bench.mostly_ms(candidate.with_half_the_coils())
    n = _interpolated((n_half, half_ms), (candidate.n_coils, known_ms), goal_ms)
    if half_ms is None or n is None or n < n_half:
        return ""
    n_fit = min(int(n), candidate.n_coils - 1)
    return f"{n_fit} of {candidate.n_coils} coils ({n_half} take {half_ms:.1f} ms)"


def _interpolated(
    few: tuple[int, float | None], many: tuple[int, float], goal_ms: float, *, power: int = 1
) -> float | None:
    """Return how many take the goal, None where that cannot be told.

    few, many: two numbers and what they take, which is linear in the number to a power.
    """
    (n_few, few_ms), (n_many, many_ms) = few, many
    if few_ms is None or not few_ms < many_ms:
        return None
    share = (goal_ms - few_ms) / (many_ms - few_ms)
    work = n_few**power + share * (n_many**power - n_few**power)
    return None if work <= 0 else float(work ** (1 / power))
