"""The shared memory of one session."""

import os

from realtime.mailbox import Layout, Mailbox, anonymous_memory


class SessionMemory:
    """The memory of one session: mailbox and checkpoint. It outlives a worker, not the gateway."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.mailbox_fd = anonymous_memory("mailbox", layout.total_bytes)
        self.mailbox = Mailbox(layout, self.mailbox_fd)
        self.mailbox.touch()
        self.checkpoint_fd = anonymous_memory("checkpoint", 0)  # the worker makes it larger

    def close(self) -> None:
        """Give the memory back once nobody maps it."""
        os.close(self.mailbox_fd)
        os.close(self.checkpoint_fd)
