"""Competing load: `python -m realtime.cli.latency_load` does nothing but want a core."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STEPS = 100_000  # some milliseconds of work between two looks at the parent


@contextmanager
def competing(n_processes: int) -> Iterator[None]:
    """Burn so many cores, at this process's own priority, for as long as the context lasts."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "realtime.cli.latency_load"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the command, which ends them
        )
        for _ in range(n_processes)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def burn() -> None:
    """Count until whoever started this is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(_STEPS))


if __name__ == "__main__":
    burn()
