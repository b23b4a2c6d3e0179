"""Memory and processor time of a gateway and of what it started, as the kernel tells them."""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ROLES = ("gateway", "worker", "output")


class Processes(Collector):
    """Looks at a gateway (by its process id) and its children each time that it is asked."""

    def __init__(self, gateway_pid: int) -> None:
        self._gateway_pid = gateway_pid
        self._roles: dict[int, str] = {}
        self._used_s: dict[int, float] = {}
        self._total_s = dict.fromkeys(_ROLES, 0.0)

    def collect(self) -> Iterable[Metric]:
        """Give the sums over the processes of each role; time goes on where one is replaced."""
        memory = GaugeMetricFamily(
            "mrmonitor_resident_memory_bytes", "Resident memory, by role.", labels=["process"]
        )
        used = CounterMetricFamily(
            "mrmonitor_cpu_seconds", "Processor time, by role.", labels=["process"]
        )
        resident = dict.fromkeys(_ROLES, 0)
        for pid in self._pids():
            role = self._role(pid)
            used_s, n_bytes = _usage(pid)
            self._total_s[role] += max(0.0, used_s - self._used_s.get(pid, 0.0))
            self._used_s[pid] = max(used_s, self._used_s.get(pid, 0.0))
            resident[role] += n_bytes
        for role in _ROLES:
            memory.add_metric([role], resident[role])
            used.add_metric([role], self._total_s[role])
        return memory, used

    def _pids(self) -> list[int]:
        children = []
        for tasks in Path(f"/proc/{self._gateway_pid}/task").glob("*/children"):
            children += _words(tasks)
        pids = [self._gateway_pid, *map(int, children)]
        # a number that the kernel gives to another process later must not count as this one
        self._roles = {pid: role for pid, role in self._roles.items() if pid in pids}
        self._used_s = {pid: used_s for pid, used_s in self._used_s.items() if pid in pids}
        return pids

    def _role(self, pid: int) -> str:
        if pid == self._gateway_pid:
            return "gateway"
        if pid not in self._roles:
            is_worker = "realtime.worker" in _words(Path(f"/proc/{pid}/cmdline"), "\0")
            self._roles[pid] = "worker" if is_worker else "output"
        return self._roles[pid]


def _usage(pid: int) -> tuple[float, int]:
    """Return processor time (s) and resident memory (bytes) of a process, 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0, 0
    # the name of the program, in parentheses, may hold anything; proc(5): fields 14, 15 and 24
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, int(fields[21]) * _PAGE_BYTES


def _words(path: Path, separator: str | None = None) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split(separator)
    except OSError:
        return []
