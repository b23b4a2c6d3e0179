"""Where a gateway listens and what it does with its sessions."""

from dataclasses import dataclass, field
from pathlib import Path

from realtime.outputs.publisher import Addresses
from realtime.protocol import Protocol
from realtime.security.door import Network
from realtime.survival.memory_folder import SHARED_MEMORY
from realtime.tuning import UNTUNED, Tuning


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a gateway listens and what it does with a session.

    protocol: for clients that name none of the installed ones; None makes the name compulsory.
    out: parent of the run folders, or the one run folder itself with is_single_run.
    is_lossless: the source waits for the worker (replay at full speed), no deadline is enforced.
    max_sessions: how many are served at once; with is_single_run one at a time.
    most_mib: what one process of ours may take beside the frames; a worker beyond it is replaced.
    keeps_spare: have a worker process ready for the session after the next.
    memory: a tmpfs, in which the state of a live treatment outlives the gateway.
    replayed: the recording that is played; the device's power may lie beside it.
    keys: folder of the CURVE keys of all ZeroMQ sockets; None leaves them open.
    scanners: where MRD over TCP is taken from; None takes it from anywhere.
    tuning: what the system is asked for; nothing, where the gateway lives in another's process.
    keeps_identity: recordings keep what the scanner tells of the person.
    """

    out: Path
    protocol: Protocol | None = None
    tcp: tuple[str, int] | None = ("127.0.0.1", 9002)
    zmq: str | None = "tcp://127.0.0.1:9003"
    addresses: Addresses = field(default_factory=Addresses)
    is_single_run: bool = False
    is_lossless: bool = False
    is_recording: bool = True
    max_sessions: int = 4
    most_mib: int = 8192
    keeps_spare: bool = True
    memory: Path = SHARED_MEMORY
    replayed: Path | None = None
    keys: Path | None = None
    scanners: tuple[Network, ...] | None = None
    tuning: Tuning = UNTUNED
    keeps_identity: bool = False
