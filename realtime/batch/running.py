"""The jobs of a batch, one after another on whatever computes them."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from realtime.batch.job import Job, Result, Told
from realtime.batch.table import JobTable

_LOOK_S = 0.2


class Computers(Protocol):
    """Whoever computes jobs: processes of this machine, or a cluster."""

    @property
    def has_room(self) -> bool:
        """Whether a job may be started."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being computed."""
        ...

    def start(self, job: Job) -> None:
        """Have a job computed; there must be room."""
        ...

    def wait(self, timeout_s: float) -> list[Told]:
        """Return what was said within a time."""
        ...


def run_jobs(
    jobs: Sequence[Job], table: JobTable, computers: Computers, heed: Callable[[Told], None]
) -> None:
    """Compute the jobs that wait; one that fails stops no other.

    heed: what to do with what is said.
    """
    by_name = {job.name: job for job in jobs}
    waiting = deque(table.waiting(jobs))
    while waiting or not computers.is_idle:
        while waiting and computers.has_room:
            table.start(waiting[0])
            computers.start(waiting.popleft())
        for told in computers.wait(_LOOK_S):
            if isinstance(told, Result):
                table.finish(by_name[told.name], told)
            heed(told)
