"""The shared memory of one session."""

import os
from typing import Protocol

from msgspec.structs import replace

from messages import Acquisition, Finding, SessionHeader
from realtime import control
from realtime.mailbox import Layout, Mailbox, anonymous_memory


class Keeper(Protocol):
    """Where the checkpoint of a session lies, and what it takes over from a killed monitor.

    goes_on: it has still to take over another's treatment, whose dose is known or lost. left_fd: of
    the checkpoint to take over, None where that is lost, or nothing is.
    """

    @property
    def goes_on(self) -> bool: ...  # noqa: D102

    @property
    def left_fd(self) -> int | None: ...  # noqa: D102

    def checkpoint(self, header: SessionHeader, first: Acquisition, layout: Layout) -> int:
        """Return the descriptor of an empty checkpoint; first: the first imaging readout."""
        ...

    def begin(self, *, took_over: bool) -> tuple[Finding, ...]:
        """Note that the session has begun; return what people must know of it."""
        ...

    def end(self, status: str, *, had_permit: bool) -> None:
        """Note that the session has ended, with the status of its RunStop.

        had_permit: it ever was granted.
        """
        ...


class NothingKept:
    """A checkpoint that outlives a worker, not the gateway: of a replay, and of imaging."""

    goes_on = False
    left_fd = None

    def checkpoint(self, header: SessionHeader, first: Acquisition, layout: Layout) -> int:
        """Return memory without a name."""
        del header, first, layout
        return anonymous_memory("checkpoint", 0)

    def begin(self, *, took_over: bool) -> tuple[Finding, ...]:
        """Return nothing."""
        del took_over
        return ()

    def end(self, status: str, *, had_permit: bool) -> None:
        """Nothing is kept."""
        del status, had_permit


class SessionMemory:
    """The memory of one session: mailbox and checkpoint. It outlives a worker.

    checkpoint_fd: of an empty checkpoint; memory that goes with the gateway where there is none.
    """

    def __init__(self, layout: Layout, checkpoint_fd: int | None = None) -> None:
        self.layout = layout
        self.mailbox_fd = anonymous_memory("mailbox", layout.total_bytes)
        self.mailbox = Mailbox(layout, self.mailbox_fd)
        self.mailbox.touch()
        if checkpoint_fd is None:
            checkpoint_fd = anonymous_memory("checkpoint", 0)
        self.checkpoint_fd = checkpoint_fd  # the worker makes it larger

    def configure(
        self, worker: control.WorkerPort, configuration: control.Configuration, keeper: Keeper
    ) -> None:
        """Set a worker up with this memory."""
        worker.configure(
            replace(configuration, goes_on=keeper.goes_on),
            mailbox_fd=self.mailbox_fd,
            checkpoint_fd=self.checkpoint_fd,
            left_fd=keeper.left_fd,
        )

    def close(self) -> None:
        """Give the memory back once nobody maps it."""
        os.close(self.mailbox_fd)
        os.close(self.checkpoint_fd)
