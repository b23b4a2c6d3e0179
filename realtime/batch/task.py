"""One job, from its recording to its figures: the same function wherever it is run."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import threadpoolctl

from messages import MonitorError, Verdict
from messages.codec import Noun
from realtime.batch.figures import Figures, figures_of
from realtime.batch.job import Job, Progress, Result
from realtime.one_process import Ended, replay_here
from realtime.outputs.report_record import read_run
from realtime.protocol import load_protocol
from realtime.recorded_run import as_recorded

Tell = Callable[[Progress], None]
_UNFINISHED = ".unfinished"


def run_job(job: Job, tell: Tell) -> Result:
    """Compute a job and return what came of it; what goes wrong is its sentence, not an exception.

    The run's folder is there when the job is over, whole, and not before.
    """
    file = Path(job.file)
    earlier = _earlier(file)
    try:
        # more threads than processes have cores make all of them slower, and other sums
        with threadpoolctl.threadpool_limits(limits=1):
            ended, figures = _computed(job, file, tell)
    except (MonitorError, OSError, ValueError, MemoryError) as error:
        _clear(job)
        return Result(job.name, "failed", sentence(str(error) or repr(error), job), None, earlier)
    why = _failure(ended, figures)
    return Result(job.name, "failed" if why else "done", sentence(why, job), figures, earlier)


def sentence(text: str, job: Job) -> str:
    """Return one line without the recording's name, folders and words: they may be a person's."""
    text = text.partition(": it begins with ")[0]
    folder = str(Path(job.file).parent)
    for name, instead in (
        (job.file, job.recording),
        (job.folder + _UNFINISHED, "the run folder"),
        (job.folder, "the run folder"),
        (folder, "its folder"),
        (Path(job.file).name, job.recording),
    ):
        text = text.replace(name, instead)
    return re.sub(r"\s+", " ", text).strip()[:500]


def _computed(job: Job, file: Path, tell: Tell) -> tuple[Ended, Figures]:
    protocol = load_protocol(job.protocol)
    if protocol.hash != job.protocol_hash:
        raise MonitorError(
            f"the protocol has changed since the batch began: its hash is {protocol.hash}, "
            f"expected {job.protocol_hash}; start the batch again with --resume"
        )
    _clear(job)
    folder, unfinished = Path(job.folder), Path(job.folder + _UNFINISHED)
    unfinished.mkdir(parents=True)
    n_frames = 0

    def heed(noun: Noun) -> None:
        nonlocal n_frames
        if isinstance(noun, Verdict):
            n_frames += 1
            tell(Progress(job.name, n_frames))

    ended = replay_here(file, as_recorded(protocol, file), unfinished, run_id=job.name, heed=heed)
    figures = _read(unfinished)
    unfinished.replace(folder)
    return ended, figures


def _clear(job: Job) -> None:
    """Take away what an earlier attempt has left."""
    for one in (Path(job.folder), Path(job.folder + _UNFINISHED)):
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)


def _failure(ended: Ended, figures: Figures) -> str:
    if ended.status != "completed":
        return f"run {ended.status}: {ended.reason}"
    if figures.late or figures.fault:
        n_bad = figures.late + figures.fault
        return f"{n_bad} of {figures.frames} frames without a result ({figures.fault} failed)"
    return ""


def _earlier(file: Path) -> Figures | None:
    """Return what the run came to in whose folder the recording lies, None where there is none."""
    if not (file.parent / "run.json").is_file():
        return None
    try:
        return _read(file.parent)
    except (MonitorError, OSError, ValueError, MemoryError):
        return None


def _read(folder: Path) -> Figures:
    run = read_run(folder)
    try:
        return figures_of(run)
    finally:
        run.close()
