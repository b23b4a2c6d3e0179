"""One monitor for a folder of runs: two would number their events apart in one journal."""

import fcntl
import os
from pathlib import Path

from messages import MonitorError

_NAME = "monitor.lock"


class FolderLock:
    """Held as long as the process lives, however it ends. Raises MonitorError: another has it."""

    def __init__(self, out: Path) -> None:
        try:
            # 0600: whoever may open it may lock it
            self._fd = os.open(out / _NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise MonitorError(f"folder {out}: {_NAME}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise MonitorError(
                f"folder {out}: another monitor (process {holder}) writes there; "
                "stop it, or choose another --out"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let another monitor have the folder."""
        os.close(self._fd)
