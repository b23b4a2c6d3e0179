"""The only clock of the simulator; the patient's time is never taken from it."""

import time  # noqa: TID251 - the simulated scanner keeps pace with the wall


def now_s() -> float:
    """Monotonic wall time."""
    return time.monotonic()


def wait_until(moment_s: float) -> None:
    """Sleep until a moment of `now_s`; return at once where it has passed."""
    remaining_s = moment_s - now_s()
    if remaining_s > 0:
        time.sleep(remaining_s)
