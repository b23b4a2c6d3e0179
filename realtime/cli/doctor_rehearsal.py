"""A short rehearsal: how late this machine wakes a program, and how long a frame's FFT takes."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from realtime.cli.doctor_finding import Finding
from realtime.clock import Clock, MonotonicClock
from realtime.tuning import GATEWAY_LEVEL, go_first, may_go_first

LASTS_NS = 1_000_000_000  # each way of waking; as cyclictest does it, a wish a millisecond
_STEP_NS = 1_000_000
_LATE_MS = 5.0  # a twentieth of the deadline of 100 ms that the shipped protocols have
_N_FRAMES = 50
_SHAPE = (8, 128, 128)
_SLOW_FFT_MS = 20.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Times, ms."""

    median_ms: float
    high_ms: float
    worst_ms: float

    @classmethod
    def of(cls, times_ms: NDArray[np.float64]) -> "Spread":
        """Return the spread of these."""
        high_ms = float(np.percentile(times_ms, 99))
        return cls(float(np.median(times_ms)), high_ms, float(times_ms.max()))

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.2f} ms at the median, {self.high_ms:.2f} ms at the 99th percentile, "
            f"{self.worst_ms:.1f} ms at worst"
        )


def rehearsed() -> list[Finding]:
    """Return what was measured; it takes two to three seconds."""
    clock = MonotonicClock()
    findings = [_woken("wakes as ordinary work", wake_lateness(clock), is_ours=not may_go_first())]
    if may_go_first():
        findings.append(_woken("wakes as `serve` does", _first(clock), is_ours=True))
    return [*findings, _transformed(clock)]


def wake_lateness(clock: Clock) -> Spread:
    """Return by how much later than wished this thread was woken, over and over."""
    late_ms: list[float] = []
    end_ns = clock.now_ns() + LASTS_NS
    wish_ns = clock.now_ns() + _STEP_NS
    while wish_ns < end_ns:
        clock.sleep_until_ns(wish_ns)
        now_ns = clock.now_ns()
        late_ms.append((now_ns - wish_ns) / 1e6)
        wish_ns = max(wish_ns, now_ns) + _STEP_NS
    return Spread.of(np.array(late_ms))


def _first(clock: Clock) -> Spread:
    """Measure with the gateway's priority, and give it back."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    go_first(GATEWAY_LEVEL)
    try:
        return wake_lateness(clock)
    finally:
        os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, parameter)


def _woken(what: str, spread: Spread, *, is_ours: bool) -> Finding:
    text = f"late by {spread}"
    if not is_ours or spread.worst_ms <= _LATE_MS:
        return Finding(what, "ok", text)
    costs = f"other work put a waking program off by up to {spread.worst_ms:.0f} ms in a second"
    return Finding(what, "warn", text, costs)


def _transformed(clock: Clock) -> Finding:
    rng = np.random.default_rng(7)
    kspace = rng.standard_normal((*_SHAPE, 2), np.float32).view(np.complex64)[..., 0]
    spread = _timed(lambda: scipy.fft.ifft2(kspace, axes=(1, 2), workers=1), clock)
    text = f"{spread.median_ms:.2f} ms at the median: 128 × 128 pixels, 8 coils, one core"
    if spread.median_ms > _SLOW_FFT_MS:
        costs = f"arithmetic is slow here: one frame's FFT alone takes {spread.median_ms:.0f} ms"
        return Finding("FFT of a frame", "warn", text, costs)
    return Finding("FFT of a frame", "ok", text)


def _timed(step: Callable[[], object], clock: Clock) -> Spread:
    step()  # plans are made
    took_ms = []
    for _ in range(_N_FRAMES):
        begun_ns = clock.now_ns()
        step()
        took_ms.append((clock.now_ns() - begun_ns) / 1e6)
    return Spread.of(np.array(took_ms))
