"""What the operating system is asked for, so that the slowest frames are hardly slower.

Each step is asked for where it is permitted, and what was refused is told; nothing depends on it.
Which step gains what: `benchmarks/tails.py`.
"""

import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

# The gateway before all workers: it holds the permit where one of them never ends. A worker that
# rehearses, or whose session may not treat, waits for the one that treats: they share cores.
GATEWAY_LEVEL, SENDING_LEVEL, SERVING_LEVEL, REHEARSING_LEVEL = 30, 25, 20, 10
# a simulated scanner stands for another machine: it waits for no ordinary work of this one
SCANNER_LEVEL = 15
_PR_SET_PDEATHSIG = 1
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK = 14
_KEPT_BYTES = 1 << 25  # the most that glibc takes for its threshold


@dataclass(frozen=True, slots=True)
class Tuning:
    """Which steps are wanted; each is a part of what `benchmarks/tails.py` compares.

    is_first: frames are computed before all ordinary work (SCHED_FIFO).
    is_pinned: workers keep off the first core, each to one, so that caches stay warm.
    is_locked: pages that were touched stay in memory (mlockall).
    """

    is_first: bool = True
    is_pinned: bool = True
    is_locked: bool = True

    def core_of_worker(self, number: int) -> int | None:
        """Return where the n-th worker runs; None: anywhere."""
        others = sorted(os.sched_getaffinity(0))[1:]
        return others[number % len(others)] if self.is_pinned and others else None

    @property
    def workers_go_first(self) -> bool:
        """Whether workers may go first: on a single core nothing ordinary would run beside one."""
        return self.is_first and len(os.sched_getaffinity(0)) > 1


UNTUNED = Tuning(is_first=False, is_pinned=False, is_locked=False)


class WorkerTuning(msgspec.Struct, frozen=True):
    """What a worker does with itself. core: None where it may run anywhere."""

    is_first: bool = False
    is_locked: bool = False
    core: int | None = None

    def apply(self) -> None:
        """Take the core, and lock what the worker touches."""
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})
        if self.is_locked:
            lock_memory()

    def go(self, level: int) -> None:
        """Be as urgent as what is done now."""
        if self.is_first:
            go_first(level)


def keeping_memory() -> dict[str, str]:
    """Return what the allocator of a process that passes frames on must be told before it starts.

    Without it every array of a frame is mapped, filled with zeros by the kernel and unmapped. It
    halves what the page costs; where frames are computed, too, it gained nothing.
    """
    kept = str(_KEPT_BYTES)
    return {"MALLOC_MMAP_THRESHOLD_": kept, "MALLOC_TRIM_THRESHOLD_": str(8 * _KEPT_BYTES)}


def pack_tuning(tuning: Tuning, *, core: int | None) -> str:
    """Return what a worker is told of it when it is started."""
    told = WorkerTuning(tuning.workers_go_first, tuning.is_locked, core)
    return msgspec.json.encode(told).decode()


def unpack_tuning(told: str) -> WorkerTuning:
    """Return what `pack_tuning` wrote."""
    return msgspec.json.decode(told, type=WorkerTuning)


def tuned_context(tuning: Tuning) -> "zmq.Context[zmq.Socket[bytes]]":
    """Return a context whose own thread is nearly as urgent as the gateway, where permitted.

    Not quite: where descriptors run out, libzmq's thread spins.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    # libzmq aborts where it is refused
    if tuning.is_first and may_go_first():
        context.set(zmq.THREAD_SCHED_POLICY, os.SCHED_FIFO)
        context.set(zmq.THREAD_PRIORITY, SENDING_LEVEL)
    return context


def keep_pace() -> None:
    """Be as urgent as this process's main thread.

    For a thread that takes the interpreter lock in turns with it: one of ordinary urgency may be
    put off by other programs while it has the lock, and the main thread would wait for both.
    """
    main = os.getpid()
    if os.sched_getscheduler(main) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO:
        go_first(os.sched_getparam(main).sched_priority)


def tune_gateway(tuning: Tuning) -> list[str]:
    """Apply the steps to this thread, all others having been started; return what was refused."""
    refused = []
    if tuning.is_first and not go_first(GATEWAY_LEVEL):
        refused.append("real-time priority (SCHED_FIFO; rtprio in limits.conf, or CAP_SYS_NICE)")
    if tuning.is_locked and not lock_memory():
        refused.append("locked memory (mlockall; memlock in limits.conf, or CAP_IPC_LOCK)")
    return refused


def may_go_first() -> bool:
    """Return whether a thread of ours may run before all ordinary work."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    is_permitted = go_first(GATEWAY_LEVEL)
    if is_permitted:
        # who may go first by a limit only, not by right, may not take this flag back
        os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, parameter)
    return is_permitted


def go_first(level: int) -> bool:
    """Run this thread before all ordinary work; what it starts runs as ordinary work."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(level))
    except OSError:
        return False
    return True


def die_with_parent() -> None:
    """Be killed when whoever started this process ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def may_lock_memory() -> bool:
    """Return whether all our memory may be locked."""
    # below a limit it would succeed now, and later allocations would fail
    return _is_capable(_CAP_IPC_LOCK) or _is_unlimited(resource.RLIMIT_MEMLOCK)


def take_descriptors() -> None:
    """Take as many descriptors as are permitted: strangers' connections use them up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def lock_memory() -> bool:
    """Keep in memory what has been touched, and what will be; return whether it was permitted."""
    if not may_lock_memory():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def _is_unlimited(limit: int) -> bool:
    return resource.getrlimit(limit)[0] == resource.RLIM_INFINITY


def _is_capable(capability: int) -> bool:
    """Return whether this process has a capability of the kernel's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> capability & 1)
