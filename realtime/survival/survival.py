"""What the gateway does so that a treatment outlives it: before, and after it was killed.

While a treatment runs its checkpoint lies in memory that outlives the process, and a marker beside
the run folders names it. A gateway that starts and finds markers knows which runs were killed. It
tells them, holds until a person has seen it, and offers their dose to the same treatment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path

import msgspec

from messages import Alert, Finding, MonitorError
from realtime.alerts import faults
from realtime.alerts.journal import Row
from realtime.alerts.spool import ENDING, read_spool
from realtime.clock import utc_now
from realtime.survival.memory_folder import SHARED_MEMORY, MemoryFolder
from realtime.survival.open_runs import OpenRun, OpenRuns
from realtime.survival.standing import standing

KEPT_FOR = timedelta(hours=6)  # a day later it is another fraction, and its dose another sum
SWEPT_AFTER = timedelta(hours=24)  # of other folders, by times that a mapped file hardly renews
_MOST_NAMED = 5
VERSION = metadata.version("mr-therapy-monitor")


@dataclass(frozen=True, slots=True)
class Killed:
    """A run that a killed monitor left. silent_s: since anything of it was written."""

    run: OpenRun
    silent_s: float


class Survival:
    """The treatments of one folder of runs that are under way, or were left by a killed monitor.

    is_recording: only then the state is kept. problem: why no state outlives this process, empty
    where it does.
    """

    def __init__(self, out: Path, *, is_recording: bool, root: Path = SHARED_MEMORY) -> None:
        self._out = out
        self.markers = OpenRuns(out)
        self.memory: MemoryFolder | None = None
        self.problem = "" if is_recording else "the session is not recorded"
        now = utc_now()
        try:
            self.memory = MemoryFolder(out, root=root)
            self.memory.sweep(older_than_utc_s=(now - SWEPT_AFTER).timestamp())
        except MonitorError as error:
            self.problem = str(error)
        self.is_keeping = not self.problem
        found, self._unreadable = self.markers.read()
        self.killed = [Killed(run, self._silent_s(run, now)) for run in found]
        self._forget_old()
        self._remove_orphans()
        self.is_stopping = False
        self.is_waiting = any(not one.run.is_acknowledged for one in self.killed)
        self.is_waiting |= bool(self._unreadable)

    @property
    def spool_folder(self) -> Path | None:
        """Where alerts lie that are on their way to the disk."""
        return None if self.memory is None else self.memory.path

    def take_spooled(self) -> list[Row]:
        """Return the alerts that had not reached the disk, oldest epoch first."""
        return [row for path in self._spools() for row in read_spool(path)]

    def forget_spooled(self) -> None:
        """Remove what `take_spooled` returns: it is on disk."""
        for path in self._spools():
            path.unlink(missing_ok=True)

    def offered(self) -> list[Killed]:
        """Return the runs whose dose may be taken over by now, oldest first."""
        now = utc_now()
        self.killed = [Killed(one.run, self._silent_s(one.run, now)) for one in self.killed]
        self._forget_old()
        return [one for one in self.killed if one.run.identity]

    def newly_killed(self) -> list[str]:
        """Return the runs whose end nobody has written yet, and note that somebody does now."""
        fresh = [one for one in self.killed if not one.run.killed_utc]
        now = utc_now()
        for one in fresh:
            when = now - timedelta(seconds=one.silent_s)
            self._replace(one, killed_utc=when.isoformat(timespec="milliseconds"))
        return [one.run.run_id for one in fresh]

    def told(self, rows: Sequence[Row], journal_warning: str | None) -> Finding | None:
        """Return what a person must acknowledge before anything is treated; None: nothing.

        rows: what the journal has of the epochs of these runs, in order.
        """
        waiting = [one for one in self.killed if not one.run.is_acknowledged]
        said = [self._one(one, rows) for one in waiting]
        if self._unreadable:
            said.append(f"{len(self._unreadable)} marker(s) of runs cannot be read")
        if said and journal_warning:
            said.append("the journal was corrupt: more alerts may have stood")
        return faults.restarted("; ".join(said)) if said else None

    def acknowledged(self) -> None:
        """Note that a person has seen what `told` says."""
        self.is_waiting = False
        for one in list(self.killed):
            self._replace(one, is_acknowledged=True)
        for name in self._unreadable:
            self.markers.set_aside(name)
        self._forget_old()

    def taken(self, run_id: str) -> None:
        """Forget a killed run: another session has its dose."""
        # by its name: it may have been acknowledged since it was offered
        one = next((one for one in self.killed if one.run.run_id == run_id), None)
        if one is None:
            return
        self.killed.remove(one)
        # the marker first: killed in between, the next start must not take this dose for lost
        if one.run.is_acknowledged:
            self.markers.remove(one.run.run_id)
        else:
            self._keep_unseen(one)
        if self.memory is not None and one.run.state:
            self.memory.remove(one.run.state)

    def leave(self, run: OpenRun, *, is_seen: bool) -> None:
        """Note that a session did not end in order; until `is_seen` the next start holds for it.

        run: with its state only where the next start may offer it.
        """
        one = Killed(run, 0.0)
        self.killed.append(one)
        self.is_waiting |= not is_seen
        when = utc_now().isoformat(timespec="milliseconds")
        ended = "was cut off by the monitor's stop" if self.is_stopping else "lost its stream"
        self._replace(one, killed_utc=when, is_acknowledged=is_seen, ended=ended)

    def close(self) -> None:
        """Let go of the memory; what was left and not taken stays for the next start."""
        if self.memory is not None:
            self.memory.close()

    def _keep_unseen(self, one: Killed) -> None:
        """Keep the marker of a run whose alerts nobody has acknowledged yet, without its state."""
        self.killed.append(one)
        self._replace(one, state="", identity="")

    def _one(self, one: Killed, rows: Sequence[Row]) -> str:
        run = one.run
        epoch = run.run_id.rpartition("-")[0]
        alerts = standing(row for row in rows if row.epoch == epoch)
        return (
            f"run {run.run_id} ({run.therapy}) {run.ended} {_ago(one.silent_s)} ago; "
            f"{_named(alerts)} stood latched; {self._of_state(one)}"
        )

    def _of_state(self, one: Killed) -> str:
        if not one.run.identity:
            return "its dose has been taken over, has ended with its stream, or is too old"
        if not one.run.state:
            return "its dose was not kept"
        if self.memory is None or one.run.state not in self.memory.names():
            return "its dose is lost, as after a restart of the machine"
        return "its dose is kept for the same treatment"

    def _silent_s(self, run: OpenRun, now: datetime) -> float:
        """Return for how long nothing of a run has been written; by the wall clock, for people."""
        if run.killed_utc:  # a report that was made since is no sign of life
            return (now - datetime.fromisoformat(run.killed_utc)).total_seconds()
        begun = datetime.fromisoformat(run.begun_utc).timestamp()
        folder = self._out / Path(run.run_id).name
        times = [begun]
        for path in folder.iterdir() if folder.is_dir() else ():
            times.append(path.lstat().st_mtime)
        return max(now.timestamp() - max(times), 0.0)

    def _forget_old(self) -> None:
        """Remove what is too old, what everybody has seen, and memory that no marker names."""
        for one in list(self.killed):
            is_old = one.silent_s > KEPT_FOR.total_seconds()
            if is_old and one.run.state and self.memory is not None:
                self.memory.remove(one.run.state)
            has_dose = bool(one.run.identity) and not is_old
            if one.run.is_acknowledged and not has_dose:
                self.markers.remove(one.run.run_id)
                self.killed.remove(one)
            elif is_old and one.run.identity:
                self._replace(one, state="", identity="")

    def _remove_orphans(self) -> None:
        """Remove states that no marker names: their sessions had not begun."""
        if self.memory is None:
            return
        named = {one.run.state for one in self.killed}
        for name in self.memory.names() - named:
            if not name.endswith(ENDING):
                self.memory.remove(name)

    def _replace(self, one: Killed, **changed: object) -> None:
        run = msgspec.structs.replace(one.run, **changed)
        self.killed[self.killed.index(one)] = Killed(run, one.silent_s)
        try:
            self.markers.write(run)
        except MonitorError:
            return  # then it is told again at the next start

    def _spools(self) -> list[Path]:
        folder = self.spool_folder
        return [] if folder is None else sorted(folder.glob(f"*{ENDING}"))


def _named(alerts: Sequence[Alert]) -> str:
    if not alerts:
        return "no alert"
    names = [f"{one.event} ({one.text})" for one in alerts[:_MOST_NAMED]]
    more = len(alerts) - _MOST_NAMED
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
