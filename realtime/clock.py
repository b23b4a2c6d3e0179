"""The only place that reads a clock; everything else is given the time."""

import time  # noqa: TID251 - here and nowhere else
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Monotonic time in nanoseconds, shared by the processes of one host."""

    def now_ns(self) -> int:
        """Return the time now."""
        ...

    def sleep_until_ns(self, then_ns: int) -> None:
        """Return at `then_ns`, at once where it has passed."""
        ...


class MonotonicClock:
    """CLOCK_MONOTONIC: steps of the wall clock do not move it."""

    def now_ns(self) -> int:
        """Return the time now."""
        return time.monotonic_ns()

    def sleep_until_ns(self, then_ns: int) -> None:
        """Return at `then_ns`, at once where it has passed."""
        remaining_s = (then_ns - time.monotonic_ns()) / 1e9
        if remaining_s > 0:
            time.sleep(remaining_s)


def utc_now() -> datetime:
    """Return the wall clock's time, for records that people read; nothing is decided on it."""
    return datetime.now(UTC)  # noqa: TID251 - here and nowhere else
