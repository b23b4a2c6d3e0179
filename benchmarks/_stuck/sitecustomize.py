"""Python reads this first in a monitor under test: SIGUSR2 makes its workers hold the interpreter.

One call into C, as of a kernel that never gives the interpreter lock back for half a second.
"""

import signal
import sys
from itertools import repeat
from types import FrameType

_N_STEPS = 200_000_000


def _hold(number: int, frame: FrameType | None) -> None:
    del number, frame
    sum(repeat(0, _N_STEPS))


if "realtime.worker" in sys.orig_argv:
    signal.signal(signal.SIGUSR2, _hold)
