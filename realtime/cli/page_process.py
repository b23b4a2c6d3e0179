"""The live page beside a gateway: started once, told of once when it dies, ended with it."""

import socket
import subprocess
import sys
from pathlib import Path

from messages import MonitorError
from realtime.cli.open_host import is_loopback
from realtime.outputs.publisher import Addresses, refused_address
from realtime.security import keys as pairs

_GRACE_S = 1.5
_NAME = "mrmonitor-page"  # among the allowed keys


class PageProcess:
    """Opens the page's port, so that a busy one is known at once, and hands it to the process."""

    def __init__(self, host: str, port: int, endpoints: Addresses, keys: Path | None) -> None:
        """Start it. Raises MonitorError where it cannot listen there."""
        own_keys = [] if keys is None else [str(_own_keys(keys))]
        listening = _listen(host, port)
        with listening:
            self.address = _address(listening)
            descriptor = listening.fileno()
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "realtime.outputs.page",
                    endpoints.events,
                    endpoints.control,
                    str(descriptor),
                    *own_keys,
                ],
                stdin=subprocess.PIPE,  # ends when we do, which ends the page
                stdout=subprocess.DEVNULL,
                pass_fds=[descriptor],
                process_group=0,  # Ctrl-C is for the gateway alone
            )
        self._is_told = False

    @property
    def pid(self) -> int:
        """The page's process id."""
        return self._process.pid

    def problem(self) -> str | None:
        """Return, once, that the page has died; it is not started again."""
        if self._is_told or self._process.poll() is None:
            return None
        self._is_told = True
        status = self._process.returncode
        return f"the live page's process has died (exit status {status}); its page shows NOT LIVE"

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


def refuse_open_page(host: str, *, is_unencrypted: bool) -> None:
    """Raise MonitorError for a page that other machines could open, unless that was written."""
    if not is_loopback(host) and not is_unencrypted:
        raise MonitorError(
            f"--page-host {host}: the page has no encryption and asks for no password: anybody "
            "there could look, and acknowledge alerts; an SSH tunnel on the same port number "
            "(ssh -L 8090:127.0.0.1:8090) is safe; --i-know-this-is-unencrypted allows it all the "
            "same"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise refused_address(f"page {host}:{port}", error) from error
    if listening.getsockname()[0] in ("0.0.0.0", "::"):
        listening.close()
        raise MonitorError(
            f"--page-host {host}: every address of this machine at once; name the one by which "
            "browsers come, so that the page can tell its own name from a foreign one"
        )
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _own_keys(keys: Path) -> Path:
    """Return the page's own folder of keys, made and allowed at the monitor's first start.

    So the process that browsers talk to never holds the monitor's secret.
    """
    folder = keys / "page"
    if not folder.exists():
        pair = pairs.new_pair(folder)
        pairs.trust_server(folder, pairs.read_pair(keys).public)
        pairs.allow(keys, _NAME, pair.public)
    return folder
