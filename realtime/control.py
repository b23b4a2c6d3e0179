"""What gateway and worker say to each other: small messages; the pixels lie in shared memory.

They travel on a SOCK_SEQPACKET socket pair, one message a packet, with memory as descriptors. Each
answer carries the number of its session: a client that was cut off leaves answers under way.
"""

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from messages import MonitorError, Pose
from realtime.mailbox import Layout

RING = b"."  # more readouts have landed; lost rings do no harm, the count stands in shared memory


class Configuration(msgspec.Struct, frozen=True):
    """All that a worker needs for a session; it lies in memory, since headers can be large.

    awaits_refinement: the same bits at any speed, so frames wait for a better calibration.
    iterations: as they were chosen before, by a worker that was lost or for a recording.
    has_had_frames: another worker had frames of this session before. A dose that it did not leave
        in the checkpoint is lost, and must say so.
    goes_on: with the treatment of a session that a killed monitor left, its dose known or lost.
    may_treat: its frames are more urgent than those of a session that may not.
    """

    header_xml: bytes
    protocol_text: str
    protocol_folder: str | None
    layout: Layout
    pose: Pose
    is_deadline_enforced: bool
    imaging_sample_time_us: float
    noise: bytes = b""
    noise_shape: tuple[int, int] = (0, 0)
    noise_sample_time_us: float = 0.0
    has_had_frames: bool = False
    awaits_refinement: bool = False
    goes_on: bool = False
    iterations: int | None = None
    may_treat: bool = True


class Configure(msgspec.Struct, tag="configure", frozen=True):
    """Begin a session. Descriptors come along: mailbox, configuration, checkpoint, one left."""

    configuration_bytes: int
    session: int = 0


class Assign(msgspec.Struct, tag="assign", frozen=True):
    """Take this slot, answer into this result."""

    slot: int
    result: int


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """Admitted: what a dry run of this very geometry took.

    expected_late: which frames will be late once; mostly empty. took_over: the dose of the session
    that it goes on with. iterations: of the reconstruction, None where it does not iterate.
    """

    admission_ms: dict[str, float]
    image_shape: tuple[int, int, int]
    fov_mm: tuple[float, float, float]
    session: int = 0
    expected_late: str = ""
    took_over: bool = False
    iterations: int | None = None


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """Not admitted, and why."""

    text: str
    session: int = 0


class Pictured(msgspec.Struct, tag="pictured", frozen=True):
    """The frame's magnitude lies in this result; what is measured in it is under way."""

    slot: int
    result: int
    frame_id: int
    session: int = 0


class Done(msgspec.Struct, tag="done", frozen=True):
    """The frame's verdict and maps lie in this result."""

    slot: int
    result: int
    frame_id: int
    session: int = 0


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """The frame could not be computed."""

    slot: int
    frame_id: int
    text: str
    session: int = 0


class WorkerPort(Protocol):
    """What a session asks of its worker."""

    def configure(
        self,
        configuration: Configuration,
        *,
        mailbox_fd: int,
        checkpoint_fd: int,
        left_fd: int | None = None,
    ) -> None:
        """Begin a session; left_fd: the checkpoint of one whose treatment it goes on with."""
        ...

    def send(self, order: "ToWorker") -> None:
        """Send an order."""
        ...

    def ring(self) -> None:
        """Say that more has landed."""
        ...


ToWorker = Configure | Assign
ToGateway = Ready | Refused | Pictured | Done | Failed

_to_worker: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
_to_gateway: msgspec.json.Decoder[ToGateway] = msgspec.json.Decoder(ToGateway)
_configuration = msgspec.msgpack.Decoder(Configuration)


def pack(message: ToWorker | ToGateway) -> bytes:
    """Return a control message as bytes."""
    return msgspec.json.encode(message)


def unpack_for_worker(packet: bytes) -> ToWorker:
    """Return what the gateway said."""
    return _to_worker.decode(packet)


def unpack_for_gateway(packet: bytes) -> ToGateway:
    """Return what the worker said. Raises MonitorError where it is no message of ours."""
    try:
        return _to_gateway.decode(packet)
    except (ValueError, RecursionError) as error:  # text that is not UTF-8 is no error of msgspec's
        raise MonitorError(f"worker: not a control message: {error}") from error


def pack_configuration(configuration: Configuration) -> bytes:
    """Return a configuration as bytes."""
    return msgspec.msgpack.encode(configuration)


def unpack_configuration(content: bytes) -> Configuration:
    """Return a configuration."""
    return _configuration.decode(content)


def pinned(configuration: Configuration | None, ready: Ready) -> Configuration | None:
    """Return the configuration with what admission chose: a next worker must not choose anew."""
    if configuration is None:
        return None
    return msgspec.structs.replace(configuration, iterations=ready.iterations)


def noise_of(configuration: Configuration) -> NDArray[np.complex64] | None:
    """Return the noise samples (coil, sample), None where the session had no noise scan."""
    if not configuration.noise:
        return None
    return np.frombuffer(configuration.noise, np.complex64).reshape(configuration.noise_shape)
