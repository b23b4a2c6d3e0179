"""What this machine is, and how processes run on it."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_SCHEDULERS = {
    os.SCHED_OTHER: "SCHED_OTHER",
    os.SCHED_BATCH: "SCHED_BATCH",
    os.SCHED_IDLE: "SCHED_IDLE",
    os.SCHED_FIFO: "SCHED_FIFO",
    os.SCHED_RR: "SCHED_RR",
}
_GOVERNORS = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures hold for."""

    processor: str
    n_cores: int
    kernel: str
    governor: str
    gateway: str
    worker: str
    n_competing: int


def machine_of(*, worker_pid: int, n_competing: int) -> Machine:
    """Return what this machine is and how gateway (this process) and worker are scheduled."""
    return Machine(
        processor(),
        len(os.sched_getaffinity(0)),
        f"{platform.system()} {platform.release()}",
        governor(),
        scheduling(os.getpid()),
        scheduling(worker_pid),
        n_competing,
    )


def processor() -> str:
    """Return the processor's name, as far as it is told."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1].strip() if found else platform.processor() or platform.machine()


def governor() -> str:
    """Return how the cores' frequency is governed; empty where it cannot be read."""
    found = set()
    for core in sorted(os.sched_getaffinity(0)):
        try:
            found.add(Path(_GOVERNORS.format(core)).read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            continue
    return ", ".join(sorted(found))


def scheduling(pid: int) -> str:
    """Return a process's scheduler class, priority and cores; empty once it is gone."""
    try:
        policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
        priority = os.sched_getparam(pid).sched_priority
        cores = sorted(os.sched_getaffinity(pid))
        nice = os.getpriority(os.PRIO_PROCESS, pid)
    except OSError:
        return ""
    name = _SCHEDULERS.get(policy, str(policy))
    rank = f"{name} {priority}" if priority else f"{name}, nice {nice}" if nice else name
    return f"{rank}, cores {', '.join(map(str, cores))}"
