"""A process beside the gateway that subscribes as anybody may: the live page, and other outputs.

It is started once, told of once when it dies, and ended with the gateway; it may freeze or die
without touching a treatment.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.outputs.publisher import Addresses, refused_address
from realtime.security import keys as pairs
from realtime.tuning import keeping_memory

_GRACE_S = 1.5


@dataclass(frozen=True, slots=True)
class Place:
    """Which monitor a companion listens to, and with which folder of CURVE keys of its own.

    not_permitted: what the monitor asked of this machine in vain, in words.
    """

    endpoints: Addresses
    keys: Path | None
    not_permitted: tuple[str, ...] = ()


class Companion:
    """Runs `python -m MODULE EVENTS CONTROL KEYS ARGUMENTS…`; KEYS is `-` where there are none.

    The module must end when its standard input does: whoever started it is gone.
    where: address or folder by which people find it, as `serve` announces it.
    """

    def __init__(
        self,
        name: str,
        module: str,
        place: Place,
        arguments: Sequence[str] = (),
        *,
        where: str,
        listening: socket.socket | None = None,
        writing: int | None = None,
    ) -> None:
        """Start it.

        name: in words, as people are told of it; listening: its inherited socket; writing: its
        inherited descriptor of a file.
        """
        self.name, self.where = name, where
        keys = "-" if place.keys is None else str(own_keys(place.keys, module.rsplit(".", 1)[1]))
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                module,
                place.endpoints.events,
                place.endpoints.control,
                keys,
                *arguments,
            ],
            stdin=subprocess.PIPE,  # ends when we do, which ends the companion
            stdout=subprocess.DEVNULL,
            env={**os.environ, **keeping_memory()},
            pass_fds=_inherited(listening, writing),
            process_group=0,  # Ctrl-C is for the gateway alone
        )
        self._is_told = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def problem(self) -> str | None:
        """Return, once, that it has died; it is not started again."""
        if self._is_told or self._process.poll() is None:
            return None
        self._is_told = True
        return f"the process of the {self.name} has died (exit status {self._process.returncode})"

    def hang_up(self) -> None:
        """Let it end; this does not wait."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def close(self) -> None:
        """Wait for its end; one that is frozen is killed."""
        self.hang_up()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def listen(what: str, host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a busy port is known before anything is started.

    Raises MonitorError where it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise refused_address(f"{what} {host}:{port}", error) from error


def _inherited(listening: socket.socket | None, writing: int | None) -> list[int]:
    sockets = [] if listening is None else [listening.fileno()]
    return sockets if writing is None else [*sockets, writing]


def own_keys(keys: Path, name: str) -> Path:
    """Return a companion's own folder of keys, made and allowed at the monitor's first start.

    So a process that speaks to browsers or other machines never holds the monitor's secret. It is
    allowed first and trusts the monitor last: one that was cut off in between is made anew.
    """
    folder, client, monitor = keys / name, f"mrmonitor-{name}", pairs.read_pair(keys).public
    trusted = pairs.trusted_server(folder)
    if trusted is None:
        shutil.rmtree(folder, ignore_errors=True)
        if pairs.allowed_file(keys, client).exists():
            pairs.revoke(keys, client)
        pairs.allow(keys, client, pairs.new_pair(folder).public)
    if trusted != monitor:
        pairs.trust_server(folder, monitor)
    return folder
