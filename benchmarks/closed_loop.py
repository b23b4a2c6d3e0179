"""How far the true focus overshoots a 60 °C limit, and how much each part of the loop lets pass."""

import argparse
import math
import statistics
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import _path  # noqa: F401 - first of all that is not Python's own
from _monitor_process import MonitorProcess
from _table import MeasurementError, Outcome, Table, Target, run

from simulators.closed_loop import ClosedLoop, ClosedLoopResult
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment, default_treatment

LIMIT_C = 60.0
FAULT_C = 59.9  # as late as possible before the limit, so that nothing else has acted
FAST = GradientEcho(repetition_time_s=0.0078, echo_time_s=0.0065)  # a frame in 1.0 s
_POLL_S = 0.002

Fault = Callable[[MonitorProcess], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One way to run the loop. speed: infinite for lock-step, 1 for real time."""

    name: str
    treatment: Treatment
    speed: float
    n_seeds: int
    fault: Fault | None = None


def cases(*, is_quick: bool) -> list[Case]:
    """Return the cases; heating begins after five frames and would pass the limit by itself."""
    slow = replace(default_treatment(), n_frames=16)
    fast = replace(default_treatment(), n_frames=26, sequence=FAST)
    steep = replace(fast, n_frames=19, planned_heating_s=10.0)  # keeps the real-time cases short
    if is_quick:
        return [Case("frames of 2.0 s", slow, math.inf, 1)]
    return [
        Case("frames of 2.0 s", slow, math.inf, 2),
        Case("frames of 1.0 s", fast, math.inf, 2),
        Case("frames of 1.0 s, heating twice as fast", steep, math.inf, 1),
        Case("… worker frozen (SIGSTOP)", steep, 1.0, 1, MonitorProcess.freeze_worker),
        Case("… gateway frozen (SIGSTOP)", steep, 1.0, 1, MonitorProcess.freeze),
        Case("… gateway killed (SIGKILL)", steep, 1.0, 1, MonitorProcess.kill),
    ]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run. struck_s: scanner time of the fault, NaN without one."""

    loop: ClosedLoopResult
    struck_s: float

    @property
    def blind_s(self) -> float:
        """From the fault to the end of power."""
        off = self.loop.overshoot.power_off
        return math.nan if off is None else off.t_s - self.struck_s


class Striker(threading.Thread):
    """Lets the fault happen once the true focus comes near the limit."""

    def __init__(self, case: Case, simulator: TreatmentSimulator, monitor: MonitorProcess) -> None:
        super().__init__(daemon=True)
        self._case, self._simulator, self._monitor = case, simulator, monitor
        self.ended = threading.Event()
        self.struck_s = math.nan

    def run(self) -> None:
        """Wait for the moment, strike, and clear up behind a frozen gateway."""
        fault, log = self._case.fault, self._simulator.truth
        if fault is None or not self._wait(lambda: bool(log.peak_c) and log.peak_c[-1] >= FAULT_C):
            return
        self.struck_s = self._simulator.time_s
        fault(self._monitor)
        # a frozen gateway takes no more data; once the power is off it has nothing left to show
        if fault is MonitorProcess.freeze and self._wait(lambda: log.watts_now == 0):
            self._monitor.kill()

    def _wait(self, is_true: Callable[[], bool]) -> bool:
        while not is_true():
            if self.ended.wait(_POLL_S):
                return False
        return True


def run_once(case: Case, seed: int) -> Result:
    """Run one treatment against a fresh monitor, the simulator in this process."""
    with MonitorProcess() as monitor:
        simulator = TreatmentSimulator(replace(case.treatment, seed=seed))
        loop = ClosedLoop(
            simulator,
            monitor.ports.monitor,
            speed=case.speed,
            limit_c=LIMIT_C,
            config="mrgfus-demo",
        )
        striker = Striker(case, simulator, monitor)
        striker.start()
        try:
            result = loop.run()
        finally:
            striker.ended.set()
            striker.join()
    if case.fault is None and result.status != "completed":
        raise MeasurementError(f"{case.name}: {result.status} {'; '.join(result.texts)}")
    if case.fault is not None and math.isnan(striker.struck_s):
        raise MeasurementError(f"{case.name}: the focus never came to {FAULT_C} °C")
    return Result(result, striker.struck_s)


def _row(case: Case, results: list[Result]) -> tuple[str, ...]:
    parts = [result.loop.overshoot for result in results]
    causes = sorted({_cause(result.loop) for result in results})
    blind = "" if case.fault is None else _span([result.blind_s for result in results])
    return (
        case.name,
        str(len(results)),
        _span([part.peak_c for part in parts]),
        _span([part.overshoot_c for part in parts]),
        _span([part.due_to_frame_time_c for part in parts]),
        _span([part.due_to_detection_c for part in parts]),
        _span([part.due_to_processing_c for part in parts], n_digits=3),
        _span([part.due_to_lease_c for part in parts]),
        _span([part.not_stopped_c for part in parts]),
        ", ".join(causes),
        blind,
    )


def _cause(result: ClosedLoopResult) -> str:
    off = result.overshoot.power_off
    if off is None:
        return "nobody"
    if off.cause == "end" and result.status != "completed":
        return "broken connection"
    return {"held": "HELD", "lapse": "lease lapsed", "silence": "missed heartbeats"}.get(
        off.cause, off.cause
    )


def _span(values: list[float], *, n_digits: int = 2) -> str:
    middle = f"{statistics.median(values):.{n_digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{n_digits}f} – {max(values):.{n_digits}f})"


def measure(arguments: argparse.Namespace) -> Outcome:
    rows, targets = [], []
    for case in cases(is_quick=arguments.quick):
        results = [run_once(case, seed) for seed in range(case.n_seeds)]
        rows.append(_row(case, results))
        worst = max((one.loop.overshoot for one in results), key=lambda part: part.overshoot_c)
        targets.append(
            Target(
                f"overshoot above {LIMIT_C:.0f} °C, {case.name}",
                f"at most {worst.overshoot_c:.2f} °C: frame time {worst.due_to_frame_time_c:.2f}, "
                f"detection {worst.due_to_detection_c:.2f}, processing "
                f"{worst.due_to_processing_c:.3f}, lease {worst.due_to_lease_c:.2f}, "
                f"other {worst.not_stopped_c:.2f}",
                None,
            )
        )
    table = Table(
        f"True peak and overshoot above {LIMIT_C:.0f} °C, in °C: median (least – greatest)",
        (
            "case", "seeds", "true peak", "overshoot", "frame time", "detection", "processing",
            "lease", "other", "power ended by", "fault to power off, s",
        ),
        tuple(rows),
        "Eight coils, 128 × 128, SNR 40, drift of order 0 and 1, heading for 64 °C in 20 s. Frame "
        "time: until the last readout of the first frame that could show it, or until the power's "
        "end where that came sooner. Detection: frames that noise, blur and partial volume kept "
        "below the limit. Processing: from that last readout to the power's end. Lease: where no "
        "HELD came, until the lease lapsed or the heartbeat was missed. Other: power that "
        f"something else ended. Faults strike at {FAULT_C} °C and run in real time; the rest runs "
        "in lock-step and counts processing as the wall time that it took. An injured monitor "
        "holds for its injury, mostly before a frame could show the crossing: what passes until "
        "then counts as frame time.",
    )  # fmt: skip
    return Outcome(tuple(targets), (table,))


if __name__ == "__main__":
    sys.exit(run("closed_loop", measure, about=__doc__))
