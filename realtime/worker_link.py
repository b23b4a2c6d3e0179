"""The gateway's end of the line to its worker process."""

import os
import socket
import subprocess
import sys

from messages import MonitorError
from realtime import control
from realtime.mailbox import anonymous_memory
from realtime.tuning import UNTUNED, Tuning, pack_tuning

# One thread per frame: pools of two cost 3-10 times and ruin the tail. Set before numpy loads.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


class WorkerLine:
    """What gateway and worker say to each other, at the gateway's end. Never blocks."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._n_sessions = 0
        self._unsent = b""

    def fileno(self) -> int:
        """Return the descriptor to poll for answers."""
        return self._line.fileno()

    def configure(
        self,
        configuration: control.Configuration,
        *,
        mailbox_fd: int,
        checkpoint_fd: int,
        left_fd: int | None = None,
    ) -> None:
        """Begin a session; the answer is Ready or Refused."""
        content = control.pack_configuration(configuration)
        fd = anonymous_memory("configuration", len(content))
        try:
            os.pwrite(fd, content, 0)
            self._n_sessions += 1
            self._unsent = b""  # of an earlier session
            order = control.pack(control.Configure(len(content), self._n_sessions))
            left = [] if left_fd is None else [left_fd]
            socket.send_fds(self._line, [order], [mailbox_fd, fd, checkpoint_fd, *left])
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            # dead, or deaf with a full line: `receive` will find it gone and another takes over
            self.give_up()
        finally:
            os.close(fd)

    def send(self, order: control.ToWorker) -> None:
        """Send an order; a worker that is gone is noticed by `receive`.

        One that finds the line full of rings goes with the next ring, or the next `receive`.
        """
        self._unsent = control.pack(order)
        self._send_unsent()

    def ring(self) -> None:
        """Say that more has landed; a ring that finds the line full is not needed."""
        if self._unsent:
            self._send_unsent()
            return
        try:
            self._line.send(control.RING)
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            return

    def _send_unsent(self) -> None:
        try:
            self._line.send(self._unsent)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            pass  # `receive` will tell
        self._unsent = b""

    def receive(self) -> control.ToGateway | None:
        """Return the next answer, None where there is none yet; those of earlier sessions are lost.

        Raises WorkerLostError once the process is gone.
        """
        if self._unsent:
            self._send_unsent()
        try:
            packet = self._line.recv(1 << 16)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            packet = b""
        if not packet:
            raise WorkerLostError(self.last_words())
        message = control.unpack_for_gateway(packet)
        return message if message.session == self._n_sessions else self.receive()

    def give_up(self) -> None:
        """Be rid of a worker that is dead, or deaf with a full line."""
        self._line.close()

    def last_words(self) -> str:
        """Say how it came that the line has ended."""
        return "the worker is gone"


class WorkerLink(WorkerLine):
    """Starts a worker's process, and notices when it is gone."""

    def __init__(self, tuning: Tuning = UNTUNED, *, number: int = 0) -> None:
        """Start one. number: how many were started before it; they share the cores in turn."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(ours)
        told = pack_tuning(tuning, core=tuning.core_of_worker(number))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.worker", str(theirs.fileno()), told],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **ONE_THREAD},
            process_group=0,  # Ctrl-C is for the gateway, which ends us in order
        )
        theirs.close()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def give_up(self) -> None:
        """End the process; `receive` will find it gone and another takes over."""
        self._process.kill()

    def last_words(self) -> str:
        """Say how the process ended."""
        return f"worker process {self.pid} is gone (exit status {self._process.poll()})"

    def kill(self) -> None:
        """End the process and close the line; `is_reaped` tells when it is gone."""
        self._process.kill()
        self._line.close()

    def is_reaped(self) -> bool:
        """Whether the process has ended; nobody waits for it."""
        return self._process.poll() is not None

    def hang_up(self) -> None:
        """Close the line, on which a healthy worker exits."""
        self._line.close()

    def stop(self, *, grace_s: float) -> bool:
        """Wait for the process to end, its line closed; False where it had to be killed."""
        self.hang_up()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True


class WorkerLostError(MonitorError):
    """The worker process is gone."""
