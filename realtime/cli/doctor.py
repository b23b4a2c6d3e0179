"""`mrmonitor doctor`: what this machine is fit for."""

import os
import platform
import resource
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import click
from rich.table import Table
from rich.text import Text

from messages import MonitorError
from realtime.cli.console import console
from realtime.cli.machine import governor
from realtime.clock import MonotonicClock
from realtime.mailbox import anonymous_memory
from realtime.tuning import may_go_first, may_lock_memory

_PACKAGES = (
    "mr-therapy-monitor", "numpy", "scipy", "sigpy", "numba", "h5py", "pyzmq", "msgspec",
    "matplotlib",
)  # fmt: skip
_PORTS = (9002, 9003, 9004, 9005)
_LEAST_CORES = 2  # gateway and worker, one each
_LEAST_MEMORY_GB = 2.0
_LEAST_DISK_GB = 5.0  # an hour of raw data at 1 MB/s and its maps
_COARSE_CLOCK_NS = 1_000_000
_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at the machine."""

    what: str
    state: Literal["ok", "warn", "fail"]
    text: str


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def doctor(out: Path) -> None:
    """Look over this machine and say what it is fit for.

    Exit status 1 if something that the monitor cannot do without is missing.
    """
    looks: list[Callable[[], Finding]] = [
        _versions, _cores, _memory, _clock, _shared_memory, _threads, _real_time_priority,
        _locked_memory, _frequency, _descriptors, _ports, _fourier, _numba_cache,
        lambda: _disk(out),
    ]  # fmt: skip
    findings = [look() for look in looks]
    table = Table("", "what", "found", title="This machine", title_justify="left")
    for one in findings:
        colour = {"ok": "green", "warn": "yellow", "fail": "red"}[one.state]
        table.add_row(Text(one.state, style=colour), one.what, one.text)
    console().print(table)
    failed = [one.what for one in findings if one.state == "fail"]
    if failed:
        raise MonitorError(f"cannot do without: {', '.join(failed)}")


def _versions() -> Finding:
    found, absent = [f"python {platform.python_version()}"], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        return Finding("packages", "fail", f"not installed: {', '.join(absent)}")
    return Finding("packages", "ok", ", ".join(found))


def _cores() -> Finding:
    n_cores = len(os.sched_getaffinity(0))
    text = f"{n_cores} for this process, {platform.processor() or platform.machine()}"
    if n_cores < _LEAST_CORES:
        return Finding("cores", "warn", f"{text}; gateway and worker want one each")
    return Finding("cores", "ok", text)


def _memory() -> Finding:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    state: Literal["ok", "warn"] = "ok" if gigabytes >= _LEAST_MEMORY_GB else "warn"
    return Finding("memory", state, f"{gigabytes:.1f} GB, {_LEAST_MEMORY_GB:g} wanted")


def _clock() -> Finding:
    clock = MonotonicClock()
    steps: list[int] = []
    then_ns = clock.now_ns()
    while len(steps) < 1000:
        now_ns = clock.now_ns()
        if now_ns > then_ns:
            steps.append(now_ns - then_ns)
        then_ns = now_ns
    source = _read(_CLOCK_SOURCE) or "unknown source"
    text = (
        f"CLOCK_MONOTONIC ({source}) moves by {min(steps)} ns at least, "
        f"{max(steps) / 1e3:.0f} µs at most"
    )
    if min(steps) > _COARSE_CLOCK_NS:
        return Finding("clock", "warn", f"{text}; too coarse to time stages")
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
    text = "refused; other programs may delay a verdict: rtprio in limits.conf, or CAP_SYS_NICE"
    return Finding("SCHED_FIFO", "warn", text)


def _locked_memory() -> Finding:
    if may_lock_memory():
        return Finding("locked memory", "ok", "permitted: pages that were touched stay")
    text = "refused; a page that was taken away delays a frame: memlock in limits.conf"
    return Finding("locked memory", "warn", text)


def _frequency() -> Finding:
    found = governor()
    if not found:
        return Finding("frequency governor", "ok", "cannot be read here")
    if found == "performance":
        return Finding("frequency governor", "ok", found)
    text = f"{found}: a core that has idled is slow to begin; `performance` is not"
    return Finding("frequency governor", "warn", text)


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding("open files", "ok" if soft >= 256 else "warn", f"{soft} allowed, 256 wanted")


def _ports() -> Finding:
    taken = [port for port in _PORTS if not _is_free(port)]
    if taken:
        text = (
            f"in use on 127.0.0.1: {', '.join(map(str, taken))}; another monitor, or choose others"
        )
        return Finding("ports", "warn", text)
    return Finding("ports", "ok", f"free on 127.0.0.1: {', '.join(map(str, _PORTS))}")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _fourier() -> Finding:
    try:
        text = f"FFTW by pyfftw {metadata.version('pyfftw')}, where there is much to transform"
    except metadata.PackageNotFoundError:
        text = "SciPy's; the extra `fftw` finishes radial and spiral frames sooner"
    return Finding("FFT", "ok", text)


def _numba_cache() -> Finding:
    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given) if given else Path(__file__).parent
    kernels = Path(given) if given else Path(__file__).resolve().parents[2] / "recon"
    is_warm = next(kernels.rglob("*.nbi"), None) is not None
    if is_warm:
        return Finding("numba cache", "ok", "warm: a session compiles nothing")
    if _is_writable(folder):
        text = f"cold, {folder} can be written: the first start compiles for seconds"
        return Finding("numba cache", "ok", text)
    text = f"{folder} cannot be written: each start compiles anew; set NUMBA_CACHE_DIR"
    return Finding("numba cache", "warn", text)


def _disk(out: Path) -> Finding:
    folder = next(path for path in (out.resolve(), *out.resolve().parents) if path.exists())
    if not folder.is_dir() or not _is_writable(folder):
        return Finding("run folders", "fail", f"{folder} cannot be written; choose another --out")
    gigabytes = shutil.disk_usage(folder).free / 1e9
    state: Literal["ok", "warn"] = "ok" if gigabytes >= _LEAST_DISK_GB else "warn"
    return Finding("run folders", state, f"{gigabytes:.1f} GB free, {_LEAST_DISK_GB:g} wanted")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)
