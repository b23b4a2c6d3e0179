"""A folder of runs as one gateway holds it: locked, its journal open, what was left there known."""

from pathlib import Path

from messages import MonitorError, RunStop
from realtime.alerts.journal import JournalWriter, Row, read_epochs
from realtime.clock import utc_now
from realtime.desk import Desk
from realtime.outputs.publisher import Publisher
from realtime.settings import Settings
from realtime.survival.folder_lock import FolderLock
from realtime.survival.survival import Survival

JOURNAL = "journal.sqlite"


class Premises:
    """Raises MonitorError where another monitor is there, or the folder cannot be written.

    survival: None where nothing outlives the gateway: of a replay, and of a command for one run.
    """

    def __init__(self, settings: Settings, *, epoch: str) -> None:
        self._out = out = settings.out
        out.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(out)
        self.survival: Survival | None = None
        try:
            if not (settings.is_single_run or settings.is_lossless):
                self.survival = Survival(
                    out, is_recording=settings.is_recording, root=settings.memory
                )
            self.journal = self._open_journal(out / JOURNAL, epoch)
        except MonitorError:
            self.close()
            raise

    @property
    def spool_folder(self) -> Path | None:
        """Where alerts lie that are on their way to the disk; None: nowhere."""
        return None if self.survival is None else self.survival.spool_folder

    @property
    def first_alert(self) -> int:
        """Number of this epoch's first alert: none of an earlier epoch can be mistaken for it."""
        return 0 if self.survival is None else self.journal.n_before

    def tell_killed(self, publisher: Publisher, desk: Desk) -> list[Path]:
        """Write the ends of runs whose monitor was killed, and hold until a person has seen it.

        Returns their folders.
        """
        survival = self.survival
        if survival is None:
            return []
        epochs = sorted({one.run.run_id.rpartition("-")[0] for one in survival.killed})
        rows = read_epochs(self._out / JOURNAL, epochs)
        folders = []
        for run_id in survival.newly_killed():
            folders.append(self._out / run_id)
            # nobody has connected yet: what is published now would be a gap in their sequence
            publisher.note_stop(_stop(run_id), folders[-1])
        finding = survival.told(rows, self.journal.warning)
        if finding is not None:
            desk.restarted(finding)
        return folders

    def tick(self, desk: Desk) -> None:
        """Note that a person has acknowledged what `tell_killed` said, and each lost stream."""
        survival = self.survival
        if survival is None or not survival.is_waiting:
            return
        if desk.holds() is None and not desk.awaits_lost:
            survival.acknowledged()

    def stop(self) -> None:
        """Note that the monitor ends: what it cuts off may go on with the next one."""
        if self.survival is not None:
            self.survival.is_stopping = True

    def close(self) -> None:
        """Let another monitor have the folder; the journal is closed by whoever writes it."""
        if self.survival is not None:
            self.survival.close()
        self._lock.close()

    def _open_journal(self, path: Path, epoch: str) -> JournalWriter:
        survival = self.survival
        rows: list[Row] = [] if survival is None else survival.take_spooled()
        journal = JournalWriter(path, epoch=epoch, recovered=rows)
        if survival is not None and journal.is_recovered:
            survival.forget_spooled()
        return journal


def _stop(run_id: str) -> RunStop:
    """Return the end of a killed run; its frames are counted by whoever reads its table."""
    reason = "the monitor was killed; a later one wrote this"
    ended_utc = utc_now().isoformat(timespec="milliseconds")
    return RunStop(run_id, "killed", reason, ended_utc, 0, 0, 0, 0, 0, 0)
