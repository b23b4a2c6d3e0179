"""The run folder, written by a process of its own that may be slow and may die.

`python -m realtime.outputs.run_folder ADDRESS PARENT` pulls events from the gateway, each with its
run's folder. Every row is flushed, so that whatever ends this process leaves readable files.
"""

import contextlib
import csv
import json
import os
import signal
import sys
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import zmq

from messages import Alert, Maps, RunStart, RunStop, Verdict, Waveform
from messages.codec import Envelope, Noun, decode
from realtime.mailbox import BIT_NAMES, MAP_NAMES, MASK_NAMES
from realtime.outputs.run_tables import TABLES, TableFile
from realtime.outputs.waveform_file import WaveformFile

_LOOK_MS = 1000
END = b"end"  # topic of the gateway's last message


class RunFolder:
    """The open files of one run."""

    def __init__(self, folder: Path, start: RunStart, *, at_ms: float | None = None) -> None:
        """Open the files. at_ms: when the start was said, on the monitor's monotonic clock."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._start = start
        self._started_ms = at_ms
        write_run(folder, start, None)
        self._alert_file = (folder / "alerts.jsonl").open("w")
        self._tables = [TableFile(folder, table) for table in TABLES[start.therapy]]
        self._verdict: Verdict | None = None
        self._maps = _MapFile(folder / "maps.h5", start)
        self._waveforms: WaveformFile | None = None

    def take(self, envelope: Envelope, noun: Noun) -> None:
        """Write one event where it belongs; events without a file are passed over."""
        if isinstance(noun, Maps):
            self._maps.append(noun, self._verdict)
        elif isinstance(noun, Verdict):
            self._verdict = noun
            for table in self._tables:
                table.write(noun)
        elif isinstance(noun, Alert):
            row = {"epoch": envelope.epoch, "sequence": envelope.sequence}
            row |= {"utc": self._utc(envelope.at_ms)}
            row |= json.loads(bytes(envelope.body))
            self._alert_file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._alert_file.flush()
        elif isinstance(noun, RunStop):
            write_run(self.folder, self._start, noun)
        elif isinstance(noun, Waveform):
            self._waveforms = self._waveforms or WaveformFile(self.folder / "waveforms.h5")
            self._waveforms.append(noun)

    def _utc(self, at_ms: float | None) -> str:
        """Return the wall clock's time of an event, by the run's start; empty where not known.

        An alert may be older than the run that it concerns.
        """
        if at_ms is None or self._started_ms is None:
            return ""
        try:
            started = datetime.fromisoformat(self._start.started_utc)
        except ValueError:
            return ""
        passed = timedelta(milliseconds=at_ms - self._started_ms)
        return (started + passed).isoformat(timespec="milliseconds")

    def close(self) -> None:
        """Close the files."""
        for table in self._tables:
            table.close()
        self._alert_file.close()
        self._maps.close()
        if self._waveforms is not None:
            self._waveforms.close()


class _MapFile:
    """maps.h5: one row a frame, readable while it grows."""

    def __init__(self, path: Path, start: RunStart) -> None:
        self._file = h5py.File(path, "w", libver="latest")
        self._file.attrs["run_id"] = start.run_id
        self._file.attrs["fov_mm"] = start.fov_mm
        self._file.attrs["axes"] = "row, z, y, x"
        shape = start.image_shape
        self._rows: dict[str, h5py.Dataset] = {
            "time_s": self._dataset("time_s", (), np.float64),
            "frame": self._dataset("frame", (), np.int64),
            "slice": self._dataset("slice", (), np.int64),
            "contrast": self._dataset("contrast", (), np.int64),
            # rows: position_mm, read_dir, phase_dir, slice_dir, patient_table_position
            "pose": self._dataset("pose", (5, 3), np.float64),
        }
        kinds = ((MAP_NAMES, np.float32), (MASK_NAMES, np.bool_), (BIT_NAMES, np.uint16))
        for names, dtype in kinds:
            for name in names[start.therapy]:
                self._rows[name] = self._dataset(name, shape, dtype)
        if start.therapy == "mrlinac":
            self._rows["displacement_mm"] = self._dataset("displacement_mm", (2,), np.float32)
        self._file.swmr_mode = True

    def append(self, maps: Maps, verdict: Verdict | None) -> None:
        """Write a frame's maps; verdict: the last one, which is the frame's own or a later LATE."""
        scalars = {
            "time_s": np.nan if maps.time_s is None else maps.time_s,
            "frame": maps.frame_id,
            "slice": maps.key.slice,
            "contrast": maps.key.contrast,
            "pose": astuple(maps.pose),
            "displacement_mm": _displacement_mm(maps, verdict),
        }
        for name, dataset in self._rows.items():
            n = dataset.shape[0]
            dataset.resize(n + 1, axis=0)
            value = scalars[name] if name in scalars else getattr(maps, name)
            dataset[n] = 0 if value is None else value  # a frame of no regions has no bits
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _dataset(self, name: str, shape: tuple[int, ...], dtype: Any) -> h5py.Dataset:  # noqa: ANN401
        return self._file.create_dataset(
            name,
            (0, *shape),
            dtype,
            maxshape=(None, *shape),
            chunks=(1 if shape else 512, *shape),
            # a row that is written is not read again; each flush looks at all that are cached
            rdcc_nbytes=1 if shape else None,
        )


def _displacement_mm(maps: Maps, verdict: Verdict | None) -> tuple[float, float]:
    """Return the target's displacement (y, x) in a frame, NaN where it is not known."""
    is_same = verdict is not None and verdict.frame_id == maps.frame_id
    motion = verdict.motion if verdict is not None and is_same else None
    known = None if motion is None else motion.displacement_mm
    return (np.nan, np.nan) if known is None else known


def _take(folders: dict[bytes, RunFolder], name: bytes, envelope: Envelope, noun: Noun) -> None:
    """Write an event into its run's folder, which is open from RunStart to RunStop."""
    if isinstance(noun, RunStart):
        folders[name] = RunFolder(Path(name.decode()), noun, at_ms=envelope.at_ms)
    elif name in folders:
        folders[name].take(envelope, noun)
        if isinstance(noun, RunStop):
            folders.pop(name).close()
    elif isinstance(noun, RunStop):
        end_left_over(Path(name.decode()), noun)


def write_run(folder: Path, start: RunStart | None, stop: RunStop | None) -> None:
    """Write run.json, replaced whole, so that nobody ever reads half a file.

    A session that was refused has no start; one that goes on has no stop.
    """
    content: dict[str, Any] = {}
    for name, noun in (("start", start), ("stop", stop)):
        if noun is not None:
            content[name] = msgspec.to_builtins(noun)
    new = folder / "run.json.new"
    new.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    new.replace(folder / "run.json")


def end_left_over(folder: Path, stop: RunStop) -> None:
    """Write the end of a run that is not open: it was refused, or its monitor was killed.

    What was known of its start stays. Of a killed one the frames are those of its table.
    """
    start: RunStart | None = None
    with contextlib.suppress(OSError, msgspec.MsgspecError, KeyError):
        content = msgspec.json.decode((folder / "run.json").read_bytes())
        start = msgspec.convert(content["start"], RunStart)
    if stop.status == "killed":
        stop = _counted(folder / "verdicts.csv", stop)
    if folder.is_dir():
        write_run(folder, start, stop)


def _counted(table: Path, stop: RunStop) -> RunStop:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            outcomes = [row.get("outcome") for row in csv.DictReader(file)]
    except (OSError, csv.Error, UnicodeDecodeError):
        return stop
    late, fault = outcomes.count("LATE"), outcomes.count("FAULT")
    return replace(stop, n_frames=len(outcomes), n_late=late, n_fault=fault)


def main(address: str, parent: int) -> None:
    """Write run folders until the gateway says that it is over, or is gone.

    parent: its process id; it may be gone before this line is reached.
    """
    # Ctrl-C reaches the whole group; the gateway says when we are done
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context = zmq.Context()
    inbox = context.socket(zmq.PULL)
    inbox.connect(address)
    folders: dict[bytes, RunFolder] = {}
    try:
        while True:
            if not inbox.poll(_LOOK_MS):
                # a gateway that was killed has sent no end, and this process has a new parent
                if os.getppid() != parent:
                    return
                continue
            folder, *parts = inbox.recv_multipart()
            if folder == END:
                return
            _take(folders, folder, *decode(parts))
    finally:
        for one in folders.values():
            one.close()
        context.destroy(linger=0)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (OSError, RuntimeError) as error:
        # a full disk: one line, and no last words from the files that HDF5 cannot close
        print(f"run folder: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(1)
