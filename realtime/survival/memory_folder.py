"""Files in memory that outlive a process but no reboot: a folder of ours on a tmpfs.

Nothing here is for another user: the folder is ours alone, and each file is made new. A file is
locked by whoever may still write it, a worker that was left behind by its gateway among them.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from messages import MonitorError

SHARED_MEMORY = Path("/dev/shm")
# a state may grow while a treatment runs, and memory that ends in mid-treatment is a FAULT
LEAST_FREE_BYTES = 1 << 28
_PREFIX = "mrmonitor-"


class MemoryFolder:
    """The files in memory of the monitor of one folder of runs; another monitor has another.

    root: a tmpfs. Raises MonitorError where there is none, or somebody else made our folder.
    """

    def __init__(self, out: Path, *, root: Path = SHARED_MEMORY) -> None:
        name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
        self._root = root / f"{_PREFIX}{os.getuid()}"
        self.path = self._root / name
        try:
            _make_ours(self._root)
            _make_ours(self.path)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MonitorError(f"memory folder {self.path}: {error.strerror}") from error

    def create(self, *, room_bytes: int = 0) -> tuple[str, int]:
        """Return name and descriptor of a new, locked, empty file.

        Raises MonitorError where the memory has less than room_bytes free.
        """
        room_bytes = max(room_bytes, LEAST_FREE_BYTES)
        space = os.fstatvfs(self._fd)
        free_bytes = space.f_bavail * space.f_frsize
        if free_bytes < room_bytes:
            raise MonitorError(
                f"{self._root.parent} has {free_bytes >> 20} MiB free, "
                f"at least {room_bytes >> 20} MiB are wanted"
            )
        name = f"{secrets.token_hex(8)}.state"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, 0o600, dir_fd=self._fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MonitorError(f"memory folder {self.path}: {error.strerror}") from error
        return name, fd

    def open(self, name: str) -> int:
        """Return the descriptor of a file that was left, locked; it is not to be written.

        Raises FileNotFoundError where it is gone, as after a reboot; MonitorError where it is not
        ours, or a process that was left behind still writes it.
        """
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(Path(name).name, flags, dir_fd=self._fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise MonitorError(f"state {name}: {error.strerror}") from error
        try:
            _refuse_foreign(os.fstat(fd), stat.S_ISREG, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise MonitorError(f"state {name}: a worker of the killed monitor still runs") from None
        except OSError as error:
            os.close(fd)
            raise MonitorError(f"state {name}: {error.strerror}") from error
        return fd

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        with contextlib.suppress(OSError):
            os.unlink(Path(name).name, dir_fd=self._fd)

    def names(self) -> set[str]:
        """Return the names of all files."""
        return set(os.listdir(self._fd))  # noqa: PTH208 - the folder that is open, not its name

    def sweep(self, *, older_than_utc_s: float) -> None:
        """Remove what monitors of other folders left, where none runs and nothing is newer."""
        for other in self._root.iterdir():
            if other != self.path:
                _remove_stale(other, older_than_utc_s)

    def close(self) -> None:
        """Unlock the folder; with nothing in it, it goes."""
        with contextlib.suppress(OSError):
            self.path.rmdir()
        os.close(self._fd)


def _make_ours(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    _refuse_foreign(path.lstat(), stat.S_ISDIR, 0o700)


def _refuse_foreign(found: os.stat_result, is_kind: Callable[[int], bool], mode: int) -> None:
    is_ours = found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & ~mode
    if not (is_ours and is_kind(found.st_mode)):
        raise PermissionError(1, f"is not ours alone, expected mode {mode:o}")


def _remove_stale(folder: Path, older_than_utc_s: float) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files = list(folder.iterdir())
        if any(one.lstat().st_mtime >= older_than_utc_s for one in (folder, *files)):
            return
        for one in files:
            one.unlink()
        folder.rmdir()
    except OSError:
        return  # its monitor runs, or it goes at this moment
    finally:
        os.close(fd)
