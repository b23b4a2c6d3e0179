"""How much memory each of our processes takes: told near the cap; beyond it a worker is replaced.

Shared memory does not count: the size of the frames' slots was checked before they were made.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_LOOK_NS = 1_000_000_000
_NEAR = 0.75  # of the cap: there is still time to end a treatment in order
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Growth:
    """A process near its cap, or beyond it."""

    pid: int
    is_beyond: bool
    text: str


class MemoryWatch:
    """Looks at processes once a second; of each it tells once that it is near, and once beyond.

    most_mib: what one process may take.
    """

    def __init__(self, most_mib: int, *, taken: Callable[[int], int] | None = None) -> None:
        self._most_bytes = most_mib << 20
        self._taken = taken or private_bytes
        self._due_ns = 0
        self._told: set[tuple[int, bool]] = set()

    def look(self, pids: Iterable[int], *, now_ns: int) -> list[Growth]:
        """Return what is to be told of these processes now; mostly nothing."""
        if now_ns < self._due_ns:
            return []
        self._due_ns = now_ns + _LOOK_NS
        found = [one for one in map(self._growth, pids) if one is not None]
        new = [one for one in found if (one.pid, one.is_beyond) not in self._told]
        self._told = {(one.pid, one.is_beyond) for one in found}
        return new

    def _growth(self, pid: int) -> Growth | None:
        n_bytes = self._taken(pid)
        if n_bytes < _NEAR * self._most_bytes:
            return None
        text = f"process {pid} takes {n_bytes >> 20} MiB, at most {self._most_bytes >> 20}"
        return Growth(pid, n_bytes > self._most_bytes, text)


def private_bytes(pid: int) -> int:
    """Return the resident memory of a process that it shares with nobody, 0 where it is gone."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES
