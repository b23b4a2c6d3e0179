"""Keep the bytes of a session, before anything is made of them.

They are kept as they came, or without what tells of the person, as the caller says. A thread of its
own writes, so a slow disk never holds up the one who receives. What does not fit its queue is lost
and counted; from the first lost byte on nothing more is written, because a stream with a hole
cannot be read beyond it, while one that is cut can be read up to the cut.
"""

import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from messages import MonitorError
from realtime.streams.deidentified_stream import DeidentifiedStream
from realtime.tuning import keep_pace

_CAPACITY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class RecorderReport:
    """How much of the session is on disk. problem: why some is not, or empty."""

    n_written_bytes: int
    n_lost_bytes: int
    problem: str


class Recorder:
    """Appends chunks to a new file; `record` never waits for the disk.

    stream: what takes the person out of the bytes, on the recorder's thread; None keeps all.
    """

    def __init__(
        self,
        path: Path,
        *,
        capacity_bytes: int = _CAPACITY_BYTES,
        stream: DeidentifiedStream | None = None,
    ) -> None:
        """Create the file. Raises MonitorError where it exists or cannot be made."""
        self._stream = stream
        self.path = path
        self._capacity_bytes = capacity_bytes
        self._pending: deque[bytes] = deque()
        self._n_pending_bytes = 0
        self._n_written_bytes = 0
        self._n_lost_bytes = 0
        self._problem = ""
        self._is_closing = False
        self._changed = threading.Condition()
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        except OSError as error:
            raise MonitorError(f"recording {path}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def record(self, data: bytes | bytearray | memoryview) -> None:
        """Take a copy of these bytes; they are lost, and counted, where the queue is full."""
        chunk = bytes(data)
        with self._changed:
            fits = self._n_pending_bytes + len(chunk) <= self._capacity_bytes
            if self._problem or self._is_closing or not fits:
                self._n_lost_bytes += len(chunk)
                self._problem = self._problem or "the disk is too slow, the queue is full"
                return
            self._pending.append(chunk)
            self._n_pending_bytes += len(chunk)
            self._changed.notify_all()

    @property
    def report(self) -> RecorderReport:
        """What is on disk and what is lost, so far."""
        with self._changed:
            return RecorderReport(self._n_written_bytes, self._n_lost_bytes, self._problem)

    def flush(self, *, timeout_s: float = 5.0) -> bool:
        """Wait until all that was taken has been written; return whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._n_pending_bytes == 0, timeout_s)

    def finish(self) -> None:
        """Take no more; what is left is written and synced while nobody waits."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()

    def close(self, *, timeout_s: float = 5.0) -> RecorderReport:
        """Write what is left, sync it to disk, close the file, and report."""
        self.finish()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            with self._changed:
                self._problem = self._problem or f"the disk did not answer within {timeout_s:g} s"
        return self.report

    def _write_all(self) -> None:
        keep_pace()
        while chunk := self._next():
            try:
                kept = chunk if self._stream is None else self._stream.take(chunk)
                _write(self._fd, kept)
            except (OSError, MonitorError) as error:
                self._fail(error)
                break
            with self._changed:
                self._n_written_bytes += len(kept)
                self._n_pending_bytes -= len(chunk)
                self._changed.notify_all()
        try:
            if self._stream is not None:
                _write(self._fd, self._stream.end())
            os.fsync(self._fd)
        except OSError as error:
            self._fail(error)
        os.close(self._fd)

    def _next(self) -> bytes:
        """Return all that is pending, joined; empty once closing and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._is_closing)
            chunk = b"".join(self._pending)
            self._pending.clear()
            return chunk

    def _fail(self, error: OSError | MonitorError) -> None:
        text = f"cannot write: {error.strerror}" if isinstance(error, OSError) else str(error)
        with self._changed:
            self._problem = self._problem or text
            self._n_lost_bytes += self._n_pending_bytes
            self._n_pending_bytes = 0
            self._pending.clear()
            self._changed.notify_all()


def _write(fd: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view) :]
