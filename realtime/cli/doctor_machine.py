"""What the machine and its system permit: cores, memory, clock, priority, rations."""

import os
import platform
import resource
from collections.abc import Callable
from pathlib import Path

from realtime.cli.doctor_finding import Finding, State, told
from realtime.cli.machine import governor, processor
from realtime.clock import MonotonicClock
from realtime.mailbox import anonymous_memory
from realtime.tuning import may_go_first, may_lock_memory

_LEAST_CORES = 2  # gateway and worker, one each
_LEAST_MEMORY_GB = 2.0
_COARSE_CLOCK_NS = 1_000_000
_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_SWIFT_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "")
_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_GROUPS = Path("/sys/fs/cgroup")


def machine() -> list[Finding]:
    """Return all findings of this file."""
    looks: tuple[Callable[[], Finding], ...] = (
        _cores, _ration, _memory, _swap, _huge_pages, _clock, _shared_memory, _threads,
        _real_time_priority, _locked_memory, _frequency, _descriptors,
    )  # fmt: skip
    return [look() for look in looks]


def _cores() -> Finding:
    cores = sorted(os.sched_getaffinity(0))
    siblings = [told(Path(_SIBLINGS.format(core))) or str(core) for core in cores]
    n_whole = len(set(siblings))
    text = f"{len(cores)} for this process, {processor()}, {platform.release()}"
    if n_whole < len(cores):
        text += f"; two threads a core, {n_whole} whole ones"
    if len(cores) < _LEAST_CORES:
        costs = "gateway and worker take turns on one core: nothing goes first there"
        return Finding("cores", "warn", f"{text}; gateway and worker want one each", costs)
    if n_whole < _LEAST_CORES:
        costs = "gateway and worker share one core's arithmetic (SMT)"
        return Finding("cores", "warn", f"{text}; gateway and worker want one each", costs)
    return Finding("cores", "ok", text)


def _ration() -> Finding:
    n_cores = _rationed_cores()
    if n_cores is None:
        return Finding("container", "ok", "processor time is not rationed (cgroup)")
    text = f"processor time is rationed to {n_cores:.2g} cores (cgroup cpu.max)"
    costs = "once the ration of 0.1 s is used up, everything stands still for the rest of it"
    return Finding("container", "warn", f"{text}; lift it, or give whole cores", costs)


def _rationed_cores() -> float | None:
    """Return how many cores' time this process's control group may take; None: as many as are."""
    lines = told(Path("/proc/self/cgroup")).splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = _GROUPS / own.lstrip("/")
    for folder in (group, *group.parents):
        quota, _, period = told(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            return int(quota) / int(period)
        if folder == _GROUPS:
            break
    quota, period = (told(_GROUPS / "cpu" / f"cpu.cfs_{one}_us") for one in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _memory() -> Finding:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    state: State = "ok" if gigabytes >= _LEAST_MEMORY_GB else "warn"
    return Finding("memory", state, f"{gigabytes:.1f} GB, {_LEAST_MEMORY_GB:g} wanted")


def _swap() -> Finding:
    places = told(Path("/proc/swaps")).splitlines()[1:]
    if not places:
        return Finding("swap", "ok", "none: no page waits on a disk")
    used_mb = sum(int(line.split()[3]) for line in places) / 1024
    text = f"{len(places)} in use, {used_mb:.0f} MiB of it taken"
    if may_lock_memory():
        return Finding("swap", "ok", f"{text}; our pages are locked in memory")
    costs = "a page that was swapped out delays a frame by milliseconds"
    return Finding("swap", "warn", f"{text}; lock memory, or `swapoff -a`", costs)


def _huge_pages() -> Finding:
    chosen = told(_HUGE_PAGES).partition("[")[2].partition("]")[0]
    if chosen == "always":
        costs = "the first touch of memory may wait until the kernel has gathered a huge page"
        text = "always: the kernel gathers memory at first touch; `madvise` does not"
        return Finding("huge pages", "warn", text, costs)
    return Finding("huge pages", "ok", chosen or "cannot be read here")


def _clock() -> Finding:
    clock = MonotonicClock()
    steps: list[int] = []
    begun_ns = then_ns = clock.now_ns()
    n_readings = 0
    while len(steps) < 1000:
        now_ns = clock.now_ns()
        n_readings += 1
        if now_ns > then_ns:
            steps.append(now_ns - then_ns)
        then_ns = now_ns
    source = told(_CLOCK_SOURCE)
    text = (
        f"CLOCK_MONOTONIC ({source or 'unknown source'}) moves by {min(steps)} ns at least; "
        f"a reading takes {(then_ns - begun_ns) / n_readings:.0f} ns"
    )
    if min(steps) > _COARSE_CLOCK_NS:
        return Finding("clock", "warn", f"{text}; too coarse to time stages")
    if source not in _SWIFT_CLOCKS:
        costs = f"each reading of the clock ({source}) leaves the processor"
        return Finding("clock", "warn", f"{text}; the processor's own would be swifter", costs)
    return Finding("clock", "ok", text)


def _shared_memory() -> Finding:
    try:
        os.close(anonymous_memory("doctor", 1 << 16))
    except (OSError, AttributeError) as error:
        return Finding("shared memory", "fail", f"memfd_create: {error}; the mailbox needs it")
    return Finding("shared memory", "ok", "memfd works")


def _threads() -> Finding:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    given = {name: os.environ[name] for name in names if name in os.environ}
    said = ", ".join(f"{name}={value}" for name, value in given.items()) or "no variable set"
    return Finding("thread pools", "ok", f"{said}; the worker sets all of them to 1")


def _real_time_priority() -> Finding:
    if may_go_first():
        return Finding("SCHED_FIFO", "ok", "permitted: gateway and worker go before other programs")
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    text = f"refused (rtprio {soft}): rtprio in limits.conf, or CAP_SYS_NICE"
    return Finding("SCHED_FIFO", "warn", text, "other programs may delay a verdict")


def _locked_memory() -> Finding:
    if may_lock_memory():
        return Finding("locked memory", "ok", "permitted: pages that were touched stay")
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    text = f"refused ({soft >> 10} KiB): memlock in limits.conf, or CAP_IPC_LOCK"
    return Finding("locked memory", "warn", text, "a page that was taken away delays a frame")


def _frequency() -> Finding:
    found = governor()
    if not found:
        return Finding("frequency governor", "ok", "cannot be read here")
    if found == "performance":
        return Finding("frequency governor", "ok", found)
    costs = "a core that has idled between two frames is slow to begin"
    text = f"{found}; `performance` is swifter: cpupower frequency-set -g performance"
    return Finding("frequency governor", "warn", text, costs)


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding("open files", "ok" if soft >= 256 else "warn", f"{soft} allowed, 256 wanted")
