"""Frames through the whole monitor as fast as it takes them, and what each process holds."""

import contextlib
import math
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from _endless_scan import EndlessScan
from _endurance_memory import Sample, sample
from _monitor_process import MonitorProcess
from _table import MeasurementError

from simulators.mrd import close_message, header_message

N_SAMPLES = 150
END_S = 300.0
ROLES = ("gateway", "worker", "run folder")


def play(
    scan: EndlessScan,
    protocol_text: str,
    n_frames: int,
    tell: Callable[[int, Sample], None],
    *,
    is_lossless: bool,
) -> dict[str, list[Sample]]:
    """Return the samples of each process.

    is_lossless: the source waits, and every frame is computed and written; otherwise it is live:
    recorded, newest wins, what was overtaken is LATE.
    """
    with tempfile.TemporaryDirectory() as folder:
        protocol = Path(folder) / "endurance.toml"
        protocol.write_text(protocol_text, encoding="utf-8")
        with MonitorProcess(str(protocol), is_lossless=is_lossless) as monitor:
            pids = _processes(monitor.ports.worker_pid)
            with socket.create_connection(("127.0.0.1", monitor.ports.mrd), 10.0) as link:
                link.settimeout(END_S)
                return _sent(scan, n_frames, link, pids, tell)


def _sent(
    scan: EndlessScan,
    n_frames: int,
    link: socket.socket,
    pids: dict[str, int],
    tell: Callable[[int, Sample], None],
) -> dict[str, list[Sample]]:
    drain = threading.Thread(target=_drain, args=(link,), daemon=True)
    drain.start()
    samples: dict[str, list[Sample]] = {role: [] for role in pids}
    every = max(1, math.ceil(n_frames / N_SAMPLES))
    link.sendall(header_message(scan.header_xml))
    for number in range(n_frames):
        link.sendall(scan.messages(number))
        if (number + 1) % every == 0:
            for role, pid in pids.items():
                samples[role].append(sample(pid, number + 1))
            tell(n_frames, samples["gateway"][-1])
    link.sendall(close_message())
    drain.join(END_S)
    if drain.is_alive():
        raise MeasurementError(f"the last frame had no answer within {END_S:.0f} s")
    return samples


def _drain(link: socket.socket) -> None:
    with contextlib.suppress(OSError):  # whoever sends finds out first
        while link.recv(1 << 20):
            pass


def _processes(worker_pid: int) -> dict[str, int]:
    """Return the process ids by role; the gateway is the parent of the others."""
    gateway_pid = _parent(worker_pid)
    children = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    for pid in children:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            is_ours = b"realtime.outputs.run_folder" in command and _parent(pid) == gateway_pid
        except OSError:  # it has ended meanwhile
            continue
        if is_ours:
            return dict(zip(ROLES, (gateway_pid, worker_pid, pid), strict=True))
    raise MeasurementError("the monitor has no process for the run folder")


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(status.rpartition(")")[2].split()[1])
