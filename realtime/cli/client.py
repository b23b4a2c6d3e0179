"""A client of the gateway as a process of its own: it shares no interpreter lock with it."""

import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO

_GRACE_S = 10.0


class Client:
    """Runs `python -m MODULE ARGUMENTS…`; what it prints is kept in files, so it never blocks."""

    def __init__(self, module: str, arguments: list[str], *, fd: int | None = None) -> None:
        self._stdout: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        self._stderr: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
            pass_fds=() if fd is None else (fd,),
            start_new_session=True,  # Ctrl-C is for the command to handle
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._stdout.close()
        self._stderr.close()

    @property
    def status(self) -> int | None:
        """Exit status, None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """What it has printed."""
        self._stdout.seek(0)
        return self._stdout.read()

    @property
    def complaint(self) -> str:
        """The last line of what it has said on stderr."""
        self._stderr.seek(0)
        lines = self._stderr.read().strip().splitlines()
        return lines[-1].removeprefix("Error: ") if lines else ""
