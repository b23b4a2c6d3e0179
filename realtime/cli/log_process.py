"""A structured log beside a gateway."""

import os
import sys
from pathlib import Path

import msgspec

from messages import MonitorError
from realtime.cli.companion import Companion, Place

STANDARD_OUTPUT = Path("-")


class LogProcess(Companion):
    """Opens the file, so that one that cannot be written is known at once, and hands it over."""

    def __init__(self, path: Path, place: Place) -> None:
        """Start it. Raises MonitorError where the file cannot be written."""
        descriptor = _opened(path)
        try:
            super().__init__(
                "log",
                "realtime.outputs.log",
                place,
                [str(descriptor), msgspec.json.encode(place.not_permitted).decode()],
                where="standard output" if path == STANDARD_OUTPUT else str(path),
                writing=descriptor,
            )
        finally:
            os.close(descriptor)


def _opened(path: Path) -> int:
    if path == STANDARD_OUTPUT:
        return os.dup(sys.stdout.fileno())
    try:
        # a pipe that nobody reads would keep the monitor from starting, without a word
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise MonitorError(f"--log {path}: {error.strerror}") from error
    os.set_blocking(descriptor, True)
    return descriptor
