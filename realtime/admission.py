"""Whether a session may begin: can this geometry hold its deadline here, and with how much work."""

from dataclasses import dataclass
from typing import Final

from messages import MonitorError
from realtime import pipeline
from realtime.candidate import Candidate
from realtime.clock import Clock
from realtime.dry_run import ENOUGH_MS, LEARN, MOSTLY, OPEN, STAGES, TOTAL, WORST, rehearse
from realtime.what_fits import SHARE, what_fits

ONCE: Final = {OPEN: "the first frame of a slice", LEARN: "the last frame of the baseline"}


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """A session that may begin.

    took_ms: what the dry run measured. iterations: of the reconstruction, None where it does not
    iterate. expected_late: which frames will be late, mostly empty.
    """

    built: pipeline.Pipeline
    took_ms: dict[str, float]
    iterations: int | None = None
    expected_late: str = ""


def admit(
    candidate: Candidate, clock: Clock, *, is_deadline_enforced: bool, iterations: int | None = None
) -> Admission:
    """Return what begins. Raises MonitorError, with the figures and what would fit, if it cannot.

    iterations: as chosen before; None where they are to be chosen, if the protocol leaves a choice.
    Where no deadline is enforced the most that it allows are taken, whatever this machine is.
    """
    began_ns = clock.now_ns()
    deadline_ms = candidate.protocol.protocol.frame_deadline_ms
    built = candidate.build()
    settled, took_ms = candidate, None
    if candidate.iterates(built):
        if iterations is None and is_deadline_enforced:
            iterations, took_ms = _fitting(candidate, clock, deadline_ms=deadline_ms)
        settled = candidate.with_recon(iterations=iterations or candidate.most_iterations)
        built, iterations = settled.build(), settled.most_iterations
    else:
        iterations = None
    if took_ms is None:
        enough_ms = ENOUGH_MS if is_deadline_enforced else 0.0
        took_ms = rehearse(built, candidate.pose, clock=clock, enough_ms=enough_ms)
    if not is_deadline_enforced:
        return Admission(built, took_ms, iterations)
    if took_ms[MOSTLY] > deadline_ms:
        spent_s = (clock.now_ns() - began_ns) / 1e9
        fits = what_fits(settled, built, took_ms, clock, spent_s=spent_s)
        raise MonitorError(_too_slow(took_ms, fits, deadline_ms=deadline_ms))
    return Admission(
        built, took_ms, iterations, expected_late(took_ms, frame_deadline_ms=deadline_ms)
    )


def expected_late(took_ms: dict[str, float], *, frame_deadline_ms: float) -> str:
    """Say which frames will be late, before anything is heated; nothing where none will."""
    slow = [
        f"{words} takes {took_ms[name]:.0f} ms here"
        for name, words in ONCE.items()
        if took_ms.get(name, 0.0) > frame_deadline_ms
    ]
    deadline = f"protocol.frame_deadline_ms is {frame_deadline_ms:g}"
    told = [f"{' and '.join(slow)}, {deadline}: LATE once"] if slow else []
    if took_ms.get(WORST, 0.0) > frame_deadline_ms:
        told.append(
            f"the slowest frame of the dry run took {took_ms[WORST]:.0f} ms, {deadline}: some "
            "frames will be LATE"
        )
    return "; ".join(told)


def _fitting(
    candidate: Candidate, clock: Clock, *, deadline_ms: float
) -> tuple[int, dict[str, float] | None]:
    """Return the most iterations that stay within their share of the deadline, at least the least.

    And what they take, where that was measured. One iteration costs what the next does: two dry
    runs, of the least and of the most, tell all.
    """
    chosen = candidate.protocol.recon.iterations
    if not isinstance(chosen, tuple):
        return chosen, None
    least, most = chosen
    runs = {n: _rehearsed(candidate.with_recon(iterations=n), clock) for n in {least, most}}
    few_ms, many_ms = runs[least][MOSTLY], runs[most][MOSTLY]
    goal_ms = SHARE * deadline_ms
    if many_ms <= goal_ms:
        return most, runs[most]
    each_ms = (many_ms - few_ms) / max(most - least, 1)
    n_more = int((goal_ms - few_ms) / each_ms) if each_ms > 0 else 0
    n = min(max(least + n_more, least), most)
    return n, runs.get(n)


def _rehearsed(candidate: Candidate, clock: Clock) -> dict[str, float]:
    return rehearse(candidate.build(), candidate.pose, clock=clock)


def _too_slow(took_ms: dict[str, float], fits: list[str], *, deadline_ms: float) -> str:
    stages = ", ".join(f"{stage} {took_ms[stage]:.1f} ms" for stage in STAGES)
    others = f" What would, by dry runs here: {'; '.join(fits)}." if fits else ""
    longest_ms = max(took_ms[WORST], took_ms[TOTAL] / SHARE)
    return (
        f"not admitted: a frame of this geometry takes {took_ms[TOTAL]:.1f} ms here, "
        f"{took_ms[WORST]:.1f} ms at worst ({stages}); protocol.frame_deadline_ms is "
        f"{deadline_ms:g} and would not hold.{others} Or raise it to at least {longest_ms:.0f}"
    )
