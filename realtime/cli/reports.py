"""Reports of finished runs, each written by a process of its own while no client is served."""

import subprocess
import sys
from pathlib import Path


class Reports:
    """Starts one report at a time, at low priority; never waits for it."""

    def __init__(self) -> None:
        self._expected: list[Path] = []
        self._current: subprocess.Popen[bytes] | None = None

    def expect(self, folder: Path) -> None:
        """Take note of a run that has begun in this folder."""
        self._expected.append(folder)

    def turn(self) -> None:
        """Start the next report whose run has ended and is on disk."""
        if self._current is not None and self._current.poll() is None:
            return
        self._current = None
        # a run that never ends keeps no other's report
        folder = next((one for one in self._expected if _has_ended(one)), None)
        if folder is not None:
            self._expected.remove(folder)
            self._current = subprocess.Popen(
                ["nice", "-n", "15", sys.executable, "-m", "realtime.cli", "report", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )


def _has_ended(folder: Path) -> bool:
    try:
        return '"stop"' in (folder / "run.json").read_text(encoding="utf-8")
    except OSError:
        return False
