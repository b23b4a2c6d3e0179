"""The run folder, written by a process of its own that may be slow and may die.

`python -m realtime.outputs.run_folder ADDRESS` pulls events from the gateway, each with its run's
folder. Every row is flushed, so that whatever ends this process leaves readable files.
"""

import csv
import json
import os
import signal
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zmq

from messages import Alert, Maps, RunStart, RunStop, Verdict, Waveform
from messages.codec import Envelope, Noun, decode
from realtime.mailbox import MAP_NAMES, MASK_NAMES
from realtime.outputs.waveform_file import WaveformFile

_LOOK_MS = 1000
END = b"end"  # topic of the gateway's last message

STAGES = ("hand_over", "absorb", "reconstruct", "measure", "judge", "deliver", "hand_back")
_VERDICT_COLUMNS = (
    "frame", "repetition", "slice", "contrast", "scanner_time_s", "outcome", "decision",
    "permit", "findings", "age_ms", *(f"{stage}_ms" for stage in STAGES),
)  # fmt: skip
_READING_COLUMNS = (
    "frame", "scanner_time_s", "region", "role", "n_pixels", "n_valid", "temperature_max_c",
    "temperature_mean_c", "temperature_std_c", "dose_max_cem43_min", "dose_min_cem43_min",
    "peak_c", "final_cem43_min", "final_high_cem43_min",
)  # fmt: skip


class RunFolder:
    """The open files of one run."""

    def __init__(self, folder: Path, start: RunStart) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._start = start
        write_run(folder, start, None)
        self._verdict_file = (folder / "verdicts.csv").open("w", newline="")
        self._reading_file = (folder / "readings.csv").open("w", newline="")
        self._alert_file = (folder / "alerts.jsonl").open("w")
        self._verdicts = csv.writer(self._verdict_file)
        self._verdicts.writerow(_VERDICT_COLUMNS)
        self._readings = csv.writer(self._reading_file)
        self._readings.writerow(_READING_COLUMNS)
        self._maps = _MapFile(folder / "maps.h5", start)
        self._waveforms: WaveformFile | None = None

    def take(self, envelope: Envelope, noun: Noun) -> None:
        """Write one event where it belongs; events without a file are passed over."""
        if isinstance(noun, Maps):
            self._maps.append(noun)
        elif isinstance(noun, Verdict):
            self._write_verdict(noun)
        elif isinstance(noun, Alert):
            row = {"epoch": envelope.epoch, "sequence": envelope.sequence}
            row |= json.loads(bytes(envelope.body))
            self._alert_file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._alert_file.flush()
        elif isinstance(noun, RunStop):
            write_run(self.folder, self._start, noun)
        elif isinstance(noun, Waveform):
            self._waveforms = self._waveforms or WaveformFile(self.folder / "waveforms.h5")
            self._waveforms.append(noun)

    def close(self) -> None:
        """Close the files."""
        self._verdict_file.close()
        self._reading_file.close()
        self._alert_file.close()
        self._maps.close()
        if self._waveforms is not None:
            self._waveforms.close()

    def _write_verdict(self, verdict: Verdict) -> None:
        key, stage_ms = verdict.key, verdict.stage_ms or {}
        findings = "; ".join(f"{one.severity} {one.rule}: {one.text}" for one in verdict.findings)
        self._verdicts.writerow(
            [
                verdict.frame_id, key.repetition, key.slice, key.contrast,
                _cell(verdict.time_s, 6), verdict.outcome, verdict.decision, verdict.permit,
                findings, f"{verdict.age_ms:.3f}",
                *(_cell(stage_ms.get(stage), 3) for stage in STAGES),
            ]
        )  # fmt: skip
        self._verdict_file.flush()
        for one in verdict.regions:
            self._readings.writerow(
                [
                    verdict.frame_id, _cell(verdict.time_s, 6), one.name, one.role, one.n_pixels,
                    one.n_valid, _cell(one.temperature_max_c, 3), _cell(one.temperature_mean_c, 3),
                    _cell(one.temperature_std_c, 3), _cell(one.dose_max_cem43_min, 4),
                    _cell(one.dose_min_cem43_min, 4),
                    _cell(one.peak_c, 3), _cell(one.final_cem43_min, 4),
                    _cell(one.final_high_cem43_min, 4),
                ]
            )  # fmt: skip
        self._reading_file.flush()


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
        for name in (*MAP_NAMES[start.therapy], *MASK_NAMES[start.therapy]):
            dtype = np.bool_ if name in MASK_NAMES[start.therapy] else np.float32
            self._rows[name] = self._dataset(name, shape, dtype)
        self._file.swmr_mode = True

    def append(self, maps: Maps) -> None:
        scalars = {
            "time_s": np.nan if maps.time_s is None else maps.time_s,
            "frame": maps.frame_id,
            "slice": maps.key.slice,
            "contrast": maps.key.contrast,
            "pose": astuple(maps.pose),
        }
        for name, dataset in self._rows.items():
            n = dataset.shape[0]
            dataset.resize(n + 1, axis=0)
            dataset[n] = scalars[name] if name in scalars else getattr(maps, name)
            dataset.flush()

    def close(self) -> None:
        self._file.close()

    def _dataset(self, name: str, shape: tuple[int, ...], dtype: Any) -> h5py.Dataset:  # noqa: ANN401
        return self._file.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(1 if shape else 512, *shape)
        )


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _take(folders: dict[bytes, RunFolder], name: bytes, envelope: Envelope, noun: Noun) -> None:
    """Write an event into its run's folder, which is open from RunStart to RunStop."""
    if isinstance(noun, RunStart):
        folders[name] = RunFolder(Path(name.decode()), noun)
    elif name in folders:
        folders[name].take(envelope, noun)
        if isinstance(noun, RunStop):
            folders.pop(name).close()
    elif isinstance(noun, RunStop):
        write_run(Path(name.decode()), None, noun)


def write_run(folder: Path, start: RunStart | None, stop: RunStop | None) -> None:
    """Write run.json, replaced whole, so that nobody ever reads half a file.

    A session that was refused has no start; one that goes on has no stop.
    """
    content: dict[str, Any] = {}
    for name, noun in (("start", start), ("stop", stop)):
        if noun is not None:
            content[name] = {field: getattr(noun, field) for field in noun.__slots__}
    new = folder / "run.json.new"
    new.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    new.replace(folder / "run.json")


def main(address: str) -> None:
    """Write run folders until the gateway says that it is over."""
    # Ctrl-C reaches the whole group; the gateway says when we are done
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
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
        main(sys.argv[1])
    except (OSError, RuntimeError) as error:
        # a full disk: one line, and no last words from the files that HDF5 cannot close
        print(f"run folder: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(1)
