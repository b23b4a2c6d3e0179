"""Takes memory away, as a machine does that runs short of it: `python _pressure.py PID`.

Twice a second all that the process and its children hold for themselves goes to the swap, from
where it comes back when it is touched. What is locked stays.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_PROCESS_MADVISE, _PAGE_OUT = 440, 21  # of every architecture; linux/mman.h
_EVERY_S = 0.5


class _Part(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))


def is_possible() -> bool:
    """Return whether this machine has a swap to send pages to."""
    return len(Path("/proc/swaps").read_text().splitlines()) > 1


@contextlib.contextmanager
def pressed() -> Iterator[None]:
    """Press this process and its children for the length of a `with`."""
    command = [sys.executable, __file__, str(os.getpid())]
    presser = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        presser.kill()
        presser.wait()


def _page_out(pid: int) -> None:
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None)
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, modes, *_ = line.split()
            if modes.startswith("rw"):
                start, end = (int(one, 16) for one in span.split("-"))
                part = ctypes.byref(_Part(start, end - start))
                libc.syscall(_PROCESS_MADVISE, process, part, 1, _PAGE_OUT, 0)
    finally:
        os.close(process)


def _children_of(pid: int) -> set[int]:
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return {int(one) for words in lists for one in words.split()} - {os.getpid()}


def _press(pid: int) -> None:
    """Press until whoever started this is gone."""
    wait = threading.Event().wait
    while os.getppid() == pid:
        for one in (pid, *_children_of(pid)):
            with contextlib.suppress(OSError):  # it has just ended
                _page_out(one)
        wait(_EVERY_S)


if __name__ == "__main__":
    _press(int(sys.argv[1]))
