"""What a run needs before its session: a protocol, a name, a folder."""

import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

from messages import MonitorError, SessionHeader
from realtime.clock import utc_now
from realtime.echo import echo_time_and_frequency
from realtime.protocol import Protocol, load_protocol, shipped_protocols
from realtime.reception import Reception
from realtime.session_setup import RunIdentity
from realtime.streams.deidentified_stream import DeidentifiedStream
from realtime.streams.recorder import Recorder

# A stranger's refused sessions are kept, but must not fill the disk.
MAX_REFUSED_KEPT = 50
_PACKAGES = ("mr-therapy-monitor", "numpy", "scipy", "sigpy", "ismrmrd", "pyzmq", "numba")


def choose_protocol(given: Protocol | None, name: str, *, is_chosen: bool) -> Protocol:
    """Return the protocol that a client's config name selects among the installed ones.

    given: the operator's. is_chosen: the gateway was started for one run with it: a recording
    brings the name that it was made with, and that must not win over `replay --protocol`.
    """
    if is_chosen and given is not None:
        return given
    bare = name.removesuffix(".xml").removesuffix(".toml")  # a name, never a path
    if bare in shipped_protocols():
        return load_protocol(bare)
    if given is not None:
        return given
    raise MonitorError(
        f"config {name!r} is none of the installed protocols "
        f"({', '.join(shipped_protocols())}); name one of them, "
        "or start the monitor with --protocol"
    )


def refuse_early(protocol: Protocol, header: SessionHeader) -> None:
    """Refuse at once, not at its first readout, a header without echo time or field."""
    if protocol.thermometry is not None:
        echo_time_and_frequency(protocol.thermometry, header)


def identity(run_id: str, source: str) -> RunIdentity:
    """Return what a run is called and where it runs."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return RunIdentity(
        run_id, source, utc_now().isoformat(timespec="milliseconds"), machine,
        {"python": platform.python_version(), **versions},
    )  # fmt: skip


def _copy_files(protocol: Protocol, folder: Path) -> None:
    """Put what a protocol names beside its copy, so that the run folder tells all by itself."""
    if protocol.folder is None:
        return
    for name in protocol.files:
        source, target = protocol.folder / name, folder / name
        if source.resolve() != target.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


class RunFolders:
    """The folders of an epoch's runs: one each, or the one that a command was given."""

    def __init__(
        self, out: Path, epoch: str, *, is_single_run: bool, keeps_identity: bool = False
    ) -> None:
        self._out = out
        self._keeps_identity = keeps_identity
        self._epoch = epoch
        self._is_single_run = is_single_run
        self._n_runs = 0
        self._n_refused = 0
        self.made: list[Path] = []

    def next_run_id(self) -> str:
        """Return a name that no run has had."""
        self._n_runs += 1
        return f"{self._epoch}-{self._n_runs:03d}"

    def make(self, run_id: str, protocol: Protocol) -> Path:
        """Return the run's folder with its protocol in it. Raises MonitorError: it cannot be."""
        folder = self._out if self._is_single_run else self._out / run_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "protocol.toml").write_text(protocol.text, encoding="utf-8")
            _copy_files(protocol, folder)
        except OSError as error:
            raise MonitorError(f"run folder {folder}: {error.strerror}") from error
        self.made.append(folder)
        return folder

    def recorder(self, folder: Path) -> Recorder:
        """Return what keeps a run's raw data. Raises MonitorError where it cannot be made."""
        stream = None if self._keeps_identity else DeidentifiedStream(shipped_protocols())
        return Recorder(folder / "raw.mrd", stream=stream)

    def keep_refused(self, reception: Reception, run_id: str) -> Path | None:
        """Record what a refused client has sent; None where it is not kept.

        A command for one run keeps none: its folder is for the run that it was asked for.
        """
        if not self.keeps_refused():
            return None
        folder = self._out / run_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
            reception.record(self.recorder(folder))
        except (OSError, MonitorError):
            return None
        return folder

    def keeps_refused(self, folder: Path | None = None) -> bool:
        """Count a refused session; return whether it is kept. If not, its folder goes.

        folder: where it has been recorded already, if it has.
        """
        self._n_refused += 1
        is_kept = not self._is_single_run and self._n_refused <= MAX_REFUSED_KEPT
        if folder is not None and not (is_kept or self._is_single_run):
            self.made.remove(folder)
            shutil.rmtree(folder, ignore_errors=True)
        return is_kept
