"""The public keys that may come in: a folder of files, read anew whenever it has changed."""

import os
from pathlib import Path

from zmq.utils import z85

from messages import MonitorError
from realtime.security.keys import read_public

MOST_KEYS = 256
_Seen = frozenset[tuple[str, int, int, int]]


class AllowList:
    """Which keys are allowed now. A file that is no key lets nobody in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: _Seen | None = None
        self._keys: frozenset[bytes] = frozenset()

    def permits(self, key: bytes) -> bool:
        """Return whether a public key (32 bytes) is allowed; one that was revoked is not."""
        seen = self._look()
        if seen != self._seen:
            self._keys = frozenset(self._read(sorted(name for name, *_ in seen)))
            self._seen = seen
        return key in self._keys

    def _look(self) -> _Seen:
        try:
            with os.scandir(self._folder) as entries:
                files = [one for one in entries if one.name.endswith(".key")][:MOST_KEYS]
                stats = [(one.name, one.stat(follow_symlinks=False)) for one in files]
        except OSError:
            return frozenset()  # no folder, nobody
        return frozenset((name, s.st_mtime_ns, s.st_ino, s.st_size) for name, s in stats)

    def _read(self, names: list[str]) -> list[bytes]:
        found = []
        for name in names:
            try:
                found.append(z85.decode(read_public(self._folder / name)))
            except MonitorError:
                continue
        return found
