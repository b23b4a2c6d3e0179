"""One treatment's checkpoint in memory that outlives the gateway, and whose dose it takes over."""

import os

from msgspec import structs

from messages import Acquisition, Finding, MonitorError, SessionHeader
from realtime.alerts import faults
from realtime.clock import utc_now
from realtime.mailbox import Layout, anonymous_memory
from realtime.protocol import Protocol
from realtime.session_memory import Keeper, NothingKept
from realtime.survival.identity import names_patient, treatment_digest
from realtime.survival.open_runs import OpenRun
from realtime.survival.survival import VERSION, Killed, Survival

_STATES_TO_FRAMES = 4  # a checkpoint with its library, beside the frames of a mailbox: an estimate


def keeper_for(survival: Survival | None, run_id: str, protocol: Protocol) -> Keeper:
    """Return what keeps a session's checkpoint: of a live treatment, so that it outlives us."""
    therapy = protocol.protocol.therapy
    if survival is None or therapy == "imaging":
        return NothingKept()
    return TreatmentKeeper(survival, run_id, therapy=therapy, protocol_hash=protocol.hash)


class TreatmentKeeper:
    """Keeps what a killed gateway must leave of one session; see `session_memory.Keeper`."""

    def __init__(
        self, survival: Survival, run_id: str, *, therapy: str, protocol_hash: str
    ) -> None:
        self.goes_on = False
        self.left_fd: int | None = None
        self._survival = survival
        self._run_id = run_id
        self._therapy = therapy
        self._protocol_hash = protocol_hash
        self._state = ""
        self._identity = ""
        self._left: Killed | None = None
        self._others: list[Killed] = []
        self._beside: list[Killed] = []
        self._is_anonymous = False
        self._run: OpenRun | None = None
        self._lost = ""
        self._problem = ""

    def checkpoint(self, header: SessionHeader, first: Acquisition, layout: Layout) -> int:
        """Return an empty checkpoint, and look for a killed run of the same treatment."""
        self._identity = self._digest(self._run_id, header, first)
        self._is_anonymous = not names_patient(header)
        for one in self._survival.offered():
            if one.run.identity != self._digest(one.run.run_id, header, first):
                self._others.append(one)
            elif self._left is None:  # the oldest: others ran beside it, and measured less of it
                self._left, self.goes_on = one, True
            else:
                self._beside.append(one)
        self._open_left()
        return self._open_new(layout)

    def begin(self, *, took_over: bool) -> tuple[Finding, ...]:
        """Write the marker; from now on a killed gateway leaves this session's dose."""
        self.goes_on = False
        self._close_left()
        told = [*self._of_left(took_over=took_over), *self._of_others()]
        self._run = run = OpenRun(
            self._run_id,
            self._identity,
            self._therapy,
            self._state,
            VERSION,
            utc_now().isoformat(timespec="milliseconds"),
        )
        try:
            self._survival.markers.write(run)
        except MonitorError as error:
            self._problem = self._problem or str(error)
        for one in (self._left, *self._beside):
            if one is not None:
                self._survival.taken(one.run.run_id)
        if self._problem:
            told.append(faults.dose_not_kept(self._problem))
        return tuple(told)

    def end(self, status: str, *, had_permit: bool) -> None:
        """Remove marker and state: the session has ended in order.

        If not: one that had been granted leaves its marker until a person has seen that, and where
        the monitor stops its state. Where one that went on with another's treatment was cut, the
        next one must not begin as if there had been no dose: the marker stays, and says so.
        """
        self._close_left()
        survival, run = self._survival, self._run
        is_cut = run is not None and status != "completed"
        is_left = is_cut and (had_permit or self._left is not None)
        is_kept = is_left and survival.is_stopping
        if survival.memory is not None and self._state and not is_kept:
            survival.memory.remove(self._state)
        if run is None or not is_left:
            survival.markers.remove(self._run_id)
            return
        if not is_kept:
            identity = self._identity if self._left else ""
            run = structs.replace(run, state="", identity=identity)
        survival.leave(run, is_seen=not had_permit)

    def _digest(self, run_id: str, header: SessionHeader, first: Acquisition) -> str:
        return treatment_digest(run_id, self._protocol_hash, header, first)

    def _open_new(self, layout: Layout) -> int:
        memory = self._survival.memory
        if memory is not None and self._survival.is_keeping:
            try:
                room_bytes = _STATES_TO_FRAMES * layout.total_bytes
                self._state, fd = memory.create(room_bytes=room_bytes)
            except MonitorError as error:
                self._problem = str(error)
            else:
                return fd
        self._problem = self._problem or self._survival.problem
        return anonymous_memory("checkpoint", 0)

    def _open_left(self) -> None:
        left, memory = self._left, self._survival.memory
        if left is None:
            return
        if memory is None or not left.run.state:
            self._lost = "it was not kept"
        elif left.run.version != VERSION:
            self._lost = f"it is of version {left.run.version}, this is {VERSION}"
        else:
            try:
                self.left_fd = memory.open(left.run.state)
            except FileNotFoundError:
                self._lost = "it is gone, as after a restart of the machine"
            except MonitorError as error:
                self._lost = str(error)

    def _close_left(self) -> None:
        if self.left_fd is not None:
            os.close(self.left_fd)
            self.left_fd = None

    def _of_left(self, *, took_over: bool) -> list[Finding]:
        if self._left is None:
            return []
        run_id = self._left.run.run_id
        if not took_over:
            why = self._lost or "it could not be read"
            return [faults.dose_not_taken_over(f"the dose of run {run_id} is lost: {why}")]
        text = (
            f"the dose of run {run_id}, which was killed, is taken over and marked interrupted; "
            "baseline, library and reference image are learned anew, and what is warm now reads "
            "as body temperature"
        )
        if self._is_anonymous:
            text += "; the header names no patient: make sure that it is the same"
        return [faults.dose_taken_over(text)]

    def _of_others(self) -> list[Finding]:
        told = []
        for runs, why in (
            (self._others, "patient, study, protocol, geometry or place is another"),
            (self._beside, "it ran beside another run of this treatment"),
        ):
            if runs:
                names = ", ".join(one.run.run_id for one in runs)
                text = f"nothing of the dose of run {names} is taken over: {why}"
                told.append(faults.dose_not_taken_over(text))
        return told
