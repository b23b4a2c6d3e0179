"""What a process may take while one session lasts: memory by the kernel's count, and time."""

import resource
import signal
from pathlib import Path
from types import FrameType

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # Linux, proc(5): the peak resident memory becomes the present one
MIB = 1 << 20


class TooLongError(BaseException):
    """The time of a session is over; no `except Exception` of the product may swallow it."""


class PeakMemory:
    """How much more resident memory there was at a session's peak than at its start."""

    def __init__(self) -> None:
        self._before_kib = 0

    def begin(self) -> None:
        """Forget the peak so far."""
        _CLEAR.write_text(_RESET_PEAK)
        self._before_kib = _kib("VmRSS")

    def growth_bytes(self) -> int:
        """Return the growth since `begin`."""
        return max(_kib("VmHWM") - self._before_kib, 0) << 10


def cap_address_space(more_bytes: int) -> None:
    """Let every allocation fail that would make this process so much larger than it is."""
    most = (_kib("VmSize") << 10) + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def alarm_after(seconds: float) -> None:
    """Raise TooLongError in so many seconds; 0 takes the alarm back."""
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _ring(_: int, frame: FrameType | None) -> None:
    where = "" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    raise TooLongError(f"still busy in {where}")


def _kib(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise OSError(f"{_STATUS} has no {name}")
