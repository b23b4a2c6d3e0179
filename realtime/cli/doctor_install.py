"""What is installed, and what else is in the way: packages, ports, caches, the disk."""

import os
import platform
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np

from realtime.cli.doctor_finding import Finding, State
from realtime.cli.metrics_process import USUAL_PORT
from realtime.clock import MonotonicClock

_OURS = "mr-therapy-monitor"
_PORTS = {
    9002: "MRD over TCP",
    9003: "MRD over ZeroMQ",
    9004: "events",
    9005: "control",
    8090: "live page",
    USUAL_PORT: "metrics",
    18944: "OpenIGTLink",
}
_FOR_DEVELOPERS = ("dev", "fuzz")
_LEAST_DISK_GB = 5.0  # an hour of raw data at 1 MB/s and its maps
_LEAST_DISK_MB_S = 20.0
_JOURNAL_PATIENCE_MS = 100.0  # an alert is published then, on disk or not
_N_SYNCS = 100
_MOST_NS = 700_000_000
_BLOCK = bytes(4096)
_BULK_BYTES = 16 << 20


def installed(out: Path) -> list[Finding]:
    """Return all findings of this file. out: where run folders are to be."""
    return [_packages(), _extras(), _ports(), _fourier(), _numba_cache(), _folder(out), _disk(out)]


def _packages() -> Finding:
    found, absent = [f"python {platform.python_version()}"], []
    for name in (_OURS, *_required()):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        return Finding("packages", "fail", f"not installed: {', '.join(absent)}")
    return Finding("packages", "ok", ", ".join(found))


def _extras() -> Finding:
    have: list[str] = []
    lack: list[str] = []
    for extra in sorted(metadata.metadata(_OURS).get_all("Provides-Extra") or ()):
        if extra in _FOR_DEVELOPERS:
            continue
        (have if all(map(_is_installed, _required(extra))) else lack).append(extra)
    text = f"installed: {', '.join(have) or 'none'}; not: {', '.join(lack) or 'none'}"
    return Finding("extras", "ok", f"{text} (nothing needs them but what they are named after)")


def _required(extra: str = "") -> list[str]:
    """Return the names of what the package needs, or of what an extra of it adds."""
    wanted = f'extra == "{extra}"' if extra else ""
    lines = metadata.requires(_OURS) or []
    ours = [one for one in lines if (wanted in one if extra else "extra ==" not in one)]
    return [re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0] for one in ours]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _ports() -> Finding:
    taken = [f"{port} ({what})" for port, what in _PORTS.items() if not _is_free(port)]
    if taken:
        text = f"in use on 127.0.0.1: {', '.join(taken)}; another monitor, or choose others"
        return Finding("ports", "warn", text)
    return Finding("ports", "ok", f"free on 127.0.0.1: {', '.join(map(str, _PORTS))}")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _fourier() -> Finding:
    if _is_installed("pyfftw"):
        text = f"FFTW by pyfftw {metadata.version('pyfftw')}, where there is much to transform"
    else:
        text = "SciPy's; the extra `fftw` finishes radial and spiral frames sooner"
    return Finding("FFT", "ok", text)


def _numba_cache() -> Finding:
    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given) if given else Path(__file__).parent
    kernels = Path(given) if given else Path(__file__).resolve().parents[2] / "recon"
    is_warm = next(kernels.rglob("*.nbi"), None) is not None
    if is_warm:
        return Finding("numba cache", "ok", "warm: a session compiles nothing")
    if os.access(folder, os.W_OK):
        text = f"cold, {folder} can be written: the first start compiles for seconds"
        return Finding("numba cache", "ok", text)
    text = f"{folder} cannot be written: each start compiles anew; set NUMBA_CACHE_DIR"
    return Finding("numba cache", "warn", text, "each session opens seconds later")


def _folder(out: Path) -> Finding:
    folder = _existing(out)
    if not _is_writable(folder):
        return Finding("run folders", "fail", f"{folder} cannot be written; choose another --out")
    gigabytes = shutil.disk_usage(folder).free / 1e9
    state: State = "ok" if gigabytes >= _LEAST_DISK_GB else "warn"
    return Finding("run folders", state, f"{gigabytes:.1f} GB free, {_LEAST_DISK_GB:g} wanted")


def _disk(out: Path) -> Finding:
    folder = _existing(out)
    if not _is_writable(folder):
        return Finding("disk", "warn", "not tried: nothing can be written there")
    try:
        syncs_ms, megabytes_per_s = _timed_disk(folder)
    except OSError as error:
        return Finding("disk", "warn", f"{folder}: {error.strerror}")
    worst_ms = float(np.percentile(syncs_ms, 99))
    text = (
        f"fsync {np.median(syncs_ms):.1f} ms at the median, {worst_ms:.1f} ms at the 99th "
        f"percentile; {megabytes_per_s:.0f} MB/s written"
    )
    if worst_ms > _JOURNAL_PATIENCE_MS:
        text += f"; alerts go out after {_JOURNAL_PATIENCE_MS:g} ms, before they are on disk"
        return Finding("disk", "warn", text)
    if megabytes_per_s < _LEAST_DISK_MB_S:
        return Finding("disk", "warn", f"{text}; raw data may come faster")
    return Finding("disk", "ok", f"{text}; no verdict waits for it")


def _timed_disk(folder: Path) -> tuple[list[float], float]:
    """Return what each small fsync took, ms, and how fast much is written, MB/s."""
    clock = MonotonicClock()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        syncs_ms: list[float] = []
        end_ns = clock.now_ns() + _MOST_NS
        while len(syncs_ms) < _N_SYNCS and clock.now_ns() < end_ns:
            syncs_ms.append(_timed_write(file.fileno(), [_BLOCK], clock) * 1e3)
        took_s = _timed_write(file.fileno(), [_BLOCK] * (_BULK_BYTES // len(_BLOCK)), clock)
    return syncs_ms, _BULK_BYTES / 1e6 / took_s


def _timed_write(descriptor: int, blocks: Iterable[bytes], clock: MonotonicClock) -> float:
    begun_ns = clock.now_ns()
    for block in blocks:
        os.write(descriptor, block)
    os.fsync(descriptor)
    return (clock.now_ns() - begun_ns) / 1e9


def _existing(out: Path) -> Path:
    return next(path for path in (out.resolve(), *out.resolve().parents) if path.exists())


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)
