"""`mrmonitor batch`: an archive of recordings computed again, by other protocols or its own."""

import contextlib
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click

from messages import MonitorError
from realtime.batch.comparison import draw
from realtime.batch.lanes import Lanes
from realtime.batch.planning import Planned, chosen, jobs_of, plan
from realtime.batch.results import Line, write_table, write_which
from realtime.batch.running import Computers, run_jobs
from realtime.batch.table import TABLE, JobTable, Row
from realtime.cli.batch_progress import BatchProgress
from realtime.cli.console import console, counted
from realtime.survival.folder_lock import FolderLock

_FAILED_TOLD = 20


@click.command()
@click.argument("archive", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    help="A file, or a shipped name; again for another. Without, each run's own protocol.toml.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where results go.")
@click.option("--jobs", "n_jobs", type=click.IntRange(1, 256), help="Processes; one a core.")
@click.option("--resume", is_flag=True, help="Go on with the batch that --out holds.")
@click.option("--scheduler", metavar="ADDRESS", help="Compute on Dask: tcp://HOST:PORT or tls://…")
@click.option(
    "--i-know-this-is-unencrypted", "is_unencrypted", is_flag=True, help="With tcp:// elsewhere."
)
def batch(
    archive: Path,
    protocols: tuple[str, ...],
    out: Path,
    n_jobs: int | None,
    resume: bool,
    scheduler: str | None,
    is_unencrypted: bool,
) -> None:
    """Compute every recording beneath DIR again, into one table and one picture.

    Each becomes a run folder, bit for bit that of `replay` at full speed. A batch that was stopped
    or killed goes on with --resume. What fails stops no other; then the exit status is 1.
    """
    taken = chosen(protocols)
    with _folder(out, resume=resume) as table:
        with (
            BatchProgress() as progress,
            _computers(scheduler, n_jobs, is_unencrypted=is_unencrypted) as computers,
        ):
            planned = plan(archive, out, taken, table, progress.read)
            jobs = jobs_of(planned)
            table.plan(jobs)
            progress.expect(jobs, n_waiting=sum(1 for _ in table.waiting(jobs)))
            run_jobs(jobs, table, computers, progress.heed)
        lines = [_line(one, table) for one in planned]
        write_which(out, lines)
        click.echo(f"table: {write_table(out, lines)}")
        click.echo(f"picture: {draw(out, lines)}")
    _conclude(lines)


@contextlib.contextmanager
def _folder(out: Path, *, resume: bool) -> Iterator[JobTable]:
    """Have a folder for oneself, with its table of jobs."""
    if out.exists() and not out.is_dir():
        raise MonitorError(f"{out}: is a file, expected a folder")
    if (out / TABLE).exists() and not resume:
        raise MonitorError(f"{out}: holds a batch already; --resume goes on with it")
    if (out / "run.json").exists():
        raise MonitorError(f"{out}: holds a run, choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(FolderLock(out)):
        version = metadata.version("mr-therapy-monitor")
        with contextlib.closing(JobTable(out, version=version)) as table:
            yield table


@contextlib.contextmanager
def _computers(
    scheduler: str | None, n_jobs: int | None, *, is_unencrypted: bool
) -> Iterator[Computers]:
    if scheduler is None:
        with contextlib.closing(Lanes(n_jobs or len(os.sched_getaffinity(0)))) as lanes:
            yield lanes
        return
    if n_jobs is not None:
        raise MonitorError("--jobs is for this machine; with --scheduler its workers count")
    try:
        from realtime.batch.cluster import Cluster  # an extra, and half a second
    except ImportError as error:
        raise MonitorError(
            "--scheduler needs Dask: pip install 'mr-therapy-monitor[cluster]'"
        ) from error
    with contextlib.closing(Cluster(scheduler, is_unencrypted=is_unencrypted)) as cluster:
        yield cluster


def _line(planned: Planned, table: JobTable) -> Line:
    if planned.job is None:
        return Line(planned, Row("failed", planned.why, None, None))
    return Line(planned, table.row(planned.job))


def _conclude(lines: list[Line]) -> None:
    """Tell what failed. Raises MonitorError where anything did."""
    failed = [line for line in lines if not line.is_done]
    err = console(is_error=True)
    for line in failed[:_FAILED_TOLD]:
        err.print(
            f"{line.planned.recording} {line.planned.protocol_name}: {line.row.why}", soft_wrap=True
        )
    if len(failed) > _FAILED_TOLD:
        err.print(f"… and {len(failed) - _FAILED_TOLD} more")
    if failed:
        raise MonitorError(
            f"{len(failed)} of {counted(len(lines), 'job')} failed; batch.csv tells why, "
            "recordings.csv which file each is"
        )
