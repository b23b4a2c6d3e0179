"""The jobs of a batch on Dask, of one machine or of several that see the same files.

Dask carries code as pickles: whoever reaches its scheduler may run anything as its user. So it is
only ever spoken to where somebody has named it, and unencrypted beyond this machine only where
somebody has written that this is known.
"""

import ipaddress
import queue
import re

from distributed import Client, Future, Security

from messages import MonitorError
from realtime.batch.job import Job, Progress, Result, Told, pack, unpack_job, unpack_told
from realtime.batch.task import run_job, sentence

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[^:/\[\]]+):([0-9]{1,5})")
_CONNECT_S = 10
_AHEAD = 2  # jobs at each worker: one that it computes and the next


def computed(packet: bytes) -> bytes:
    """Return the packed result of a packed job: what Dask's workers are asked for."""

    def tell(progress: Progress) -> None:
        del progress

    return pack(run_job(unpack_job(packet), tell))


def check_address(address: str, *, is_unencrypted: bool) -> None:
    """Raise MonitorError for what is no address, or would go unencrypted over a network unasked."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise MonitorError(f"--scheduler {address}: expected tcp://HOST:PORT or tls://HOST:PORT")
    kind, host, _ = found.groups()
    if kind == "tls" or is_unencrypted or _is_here(host.strip("[]")):
        return
    raise MonitorError(
        f"--scheduler {address}: paths and figures would go there unencrypted; use tls:// (with "
        "Dask's own configuration of certificates), or add --i-know-this-is-unencrypted"
    )


class Cluster:
    """A Dask cluster; each of its workers must have one thread."""

    def __init__(self, address: str, *, is_unencrypted: bool) -> None:
        check_address(address, is_unencrypted=is_unencrypted)
        try:
            self._client = Client(address, timeout=_CONNECT_S, security=Security())
        except (OSError, TimeoutError, ValueError) as error:
            raise MonitorError(f"--scheduler {address}: no Dask scheduler answers there") from error
        self._pending: dict[str, tuple[Job, Future]] = {}
        self._over: queue.SimpleQueue[str] = queue.SimpleQueue()
        try:
            self._refuse_threads()
        except MonitorError:
            self._client.close()
            raise

    @property
    def has_room(self) -> bool:
        """Whether a job may be started; where no worker is there, some wait for one."""
        return len(self._pending) < _AHEAD * max(len(self._client.nthreads()), 1)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being computed."""
        return not self._pending

    def start(self, job: Job) -> None:
        """Have a job computed."""
        future = self._client.submit(computed, pack(job), key=job.name, pure=False)
        self._pending[job.name] = job, future
        future.add_done_callback(lambda _: self._over.put(job.name))

    def wait(self, timeout_s: float) -> list[Told]:
        """Return the results that have come within a time."""
        try:
            name = self._over.get(timeout=timeout_s)
        except queue.Empty:
            return []
        job, future = self._pending.pop(name)
        if future.status == "finished":
            return [unpack_told(future.result())]
        why = future.exception() if future.status == "error" else "the cluster has given it up"
        return [Result(name, "failed", sentence(f"Dask: {why}", job))]

    def close(self) -> None:
        """Take back what is under way, and leave."""
        self._client.cancel([future for _, future in self._pending.values()])
        self._client.close()

    def _refuse_threads(self) -> None:
        """Raise MonitorError where a worker would compute several jobs in one process."""
        most = max(self._client.nthreads().values(), default=1)
        if most > 1:
            raise MonitorError(
                f"a Dask worker there has {most} threads; start it with --nthreads 1, and as many "
                "workers as cores"
            )


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
