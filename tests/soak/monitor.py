"""`mrmonitor serve` as a process that may be struck, on ports that outlive a restart."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.harness import children, is_running

PROTOCOL = """
[protocol]
name = "struck"
therapy = "mrgfus"
frame_deadline_ms = {deadline_ms}
lease_ms = {lease_ms}

[stream]
time_stamp_unit = "auto"
stall_ms = 3000

[recon]
method = "fft"

[thermometry]
method = "single-baseline"
baseline_frames = 2
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 3.0

[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [2.0, 2.0]

[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""
_MAILBOX = "/memfd:mailbox"


class Monitor:
    """One monitor and its folder; `start` again after it was killed.

    python_path: where its Python looks first for modules.
    """

    def __init__(
        self,
        folder: Path,
        *,
        deadline_ms: float = 100.0,
        lease_ms: float = 4500.0,
        python_path: Path | None = None,
    ) -> None:
        self.folder = folder
        self.out = folder / "out"
        self._protocol = folder / "protocol.toml"
        self._protocol.write_text(PROTOCOL.format(deadline_ms=deadline_ms, lease_ms=lease_ms))
        self.mrd_port, events_port, control_port = _free_ports(3)
        self.events = f"tcp://127.0.0.1:{events_port}"
        self.control = f"tcp://127.0.0.1:{control_port}"
        self._ports = (events_port, control_port)
        self._environment = dict(os.environ)
        if python_path is not None:
            self._environment["PYTHONPATH"] = str(python_path)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its first heartbeat tells that it serves."""
        options = {"protocol": self._protocol, "out": self.out, "port": self.mrd_port}
        options |= {"zmq-port": 0, "events-port": self._ports[0], "control-port": self._ports[1]}
        command = [sys.executable, "-m", "realtime.cli", "serve", "--no-report", "--no-page"]
        command.append("--no-metrics")
        with (self.folder / "monitor.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in options.items())],
                cwd=Path(__file__).parents[2],
                env=self._environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """The gateway's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the gateway's process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has said to its terminal, all its lives together."""
        return (self.folder / "monitor.log").read_text(errors="replace")

    def worker(self) -> int | None:
        """The worker of the session under way: the one that maps the gateway's own mailbox."""
        with contextlib.suppress(OSError):
            mailboxes = _mailboxes(self.pid)
            for pid in self.workers():
                with contextlib.suppress(OSError):
                    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
                    if mailboxes & {one.split()[4] for one in maps if _MAILBOX in one}:
                        return pid
        return None

    def workers(self) -> list[int]:
        """All worker processes, the spare one too."""
        return self._offspring(b"realtime.worker")

    def run_folder(self) -> int | None:
        """The process that writes run folders."""
        return next(iter(self._offspring(b"realtime.outputs.run_folder")), None)

    def kill(self) -> None:
        """End the gateway as a crash would, and its children with it."""
        assert self._process is not None
        offspring = children(self.pid)
        self._process.kill()
        self._process.wait()
        for pid in offspring:  # one that stands still does not see its line close
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Tell it to end, as its user would."""
        if self._process is None:
            return
        for pid in (*self._offspring(b"realtime"), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _offspring(self, module: bytes) -> list[int]:
        found = []
        for pid in sorted(children(self.pid)):
            with contextlib.suppress(OSError):
                if module in Path(f"/proc/{pid}/cmdline").read_bytes() and is_running(pid):
                    found.append(pid)
        return found


def _mailboxes(pid: int) -> set[str]:
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith(_MAILBOX):
                inodes.add(str(link.stat().st_ino))
    return inodes


def _free_ports(n: int) -> list[int]:
    """Return ports that nobody has: they stay the same when the monitor is started again."""
    bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in bound]
    for one in bound:
        one.close()
    return ports
