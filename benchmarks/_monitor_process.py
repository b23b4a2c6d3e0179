"""A monitor in a process of its own, which a benchmark may freeze or kill.

`python benchmarks/_monitor_process.py FOLDER PROTOCOL live|lossless|many` prints its ports and the
worker's process id as one line of JSON, and serves until its standard input ends.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import _path  # noqa: F401 - first of all that is not Python's own
from _table import MeasurementError

from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.protocol import load_protocol
from realtime.settings import Settings
from realtime.tuning import Tuning
from simulators.device_line import Monitor

_FREE_PORT = "tcp://127.0.0.1:*"
_START_S = 30.0
_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What the process said of itself."""

    mrd: int
    events: int
    control: int
    worker_pid: int

    @property
    def monitor(self) -> Monitor:
        """The monitor as the simulator wants it."""
        return Monitor("127.0.0.1", self.mrd, self.events, self.control)


class MonitorProcess:
    """Serves one run in a temporary folder; stopped, whatever happens, on leaving.

    It starts while its maker goes on; whoever asks for its ports waits for them.
    """

    def __init__(
        self,
        protocol: str = "mrgfus-demo",
        *,
        is_lossless: bool = False,
        serves_many: bool = False,
        stderr: IO[bytes] | None = None,
    ) -> None:
        """serves_many: runs one after the other, as `mrmonitor serve` does. stderr: where to."""
        self._ports: Ports | None = None
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).resolve()),
                self._folder.name,
                protocol,
                "many" if serves_many else "lossless" if is_lossless else "live",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def __enter__(self) -> "MonitorProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ports is not None:
            self.resume_worker()
        self._stop()
        self._folder.cleanup()

    @property
    def ports(self) -> Ports:
        """Where it serves; waits until it does."""
        if self._ports is None:
            self._ports = self._read_ports()
        return self._ports

    def finish(self) -> Path:
        """Stop serving; return the run folder, which lasts until the monitor is left."""
        self._stop()
        return Path(self._folder.name) / "run"

    def _stop(self) -> None:
        """Let the process stop by itself, or kill it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def freeze_worker(self) -> None:
        """Stop the worker as a hung computation would."""
        os.kill(self.ports.worker_pid, signal.SIGSTOP)

    def resume_worker(self) -> None:
        """Let a frozen worker go on, where it still lives."""
        try:
            os.kill(self.ports.worker_pid, signal.SIGCONT)
        except ProcessLookupError:
            return

    def freeze(self) -> None:
        """Stop the gateway: its connections stay open and nothing more comes from it."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the gateway as a crash would."""
        self._process.kill()

    def _read_ports(self) -> Ports:
        out = self._process.stdout
        if out is None or not select.select([out], [], [], _START_S)[0]:
            raise MeasurementError(f"the monitor did not start within {_START_S:.0f} s")
        line = out.readline()
        if not line:
            raise MeasurementError("the monitor ended before it served")
        return Ports(**json.loads(line))


def serve(folder: Path, protocol: str, until: IO[bytes], *, kind: str) -> None:
    """Serve one run, or many, until `until` ends."""
    is_lossless = kind == "lossless"
    settings = Settings(
        folder / "run",
        load_protocol(protocol),
        tcp=("127.0.0.1", 0),
        zmq=None,
        addresses=Addresses(_FREE_PORT, _FREE_PORT),
        is_single_run=kind != "many",
        is_lossless=is_lossless,
        is_recording=not is_lossless,
        tuning=Tuning(),
    )
    gateway = Gateway(settings, MonotonicClock())
    try:
        endpoints = gateway.publisher.endpoints
        ports = {
            "mrd": gateway.tcp_port,
            "events": int(endpoints.events.rsplit(":", 1)[1]),
            "control": int(endpoints.control.rsplit(":", 1)[1]),
            "worker_pid": gateway.worker_pid,
        }
        print(json.dumps(ports), flush=True)
        gateway.run(lambda: bool(select.select([until], [], [], 0)[0]))
    finally:
        gateway.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], sys.stdin.buffer, kind=sys.argv[3])
