"""What a run folder holds, read back; a folder that a killed run left is read as far as it goes."""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from messages import Alert, BeamLog, MonitorError, Pose, RunStart, RunStop
from realtime.outputs.report_beams import read_beams
from realtime.outputs.report_maps import MapFile
from realtime.outputs.report_motion_record import DoseRow, MotionRow, dose_row, motion_row
from realtime.outputs.report_motion_truth import MotionTruth, read_motion_truth
from realtime.outputs.report_truth import Truth, read_truth
from realtime.outputs.run_tables import STAGES
from realtime.protocol import Protocol, parse_protocol
from realtime.regions import heated_mask, region_masks

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One row of verdicts.csv."""

    frame_id: int
    time_s: float | None
    outcome: str
    decision: str
    permit: str
    findings: str
    age_ms: float
    stage_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One row of readings.csv; NaN where the region showed nothing that may be believed."""

    frame_id: int
    time_s: float | None
    region: str
    role: str
    n_pixels: int
    n_valid: int
    temperature_max_c: float
    temperature_mean_c: float
    temperature_std_c: float
    dose_max_cem43_min: float


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """A run as its folder tells it. missing: what is not there, in words for the reader.

    alert_utc: when each of the alerts was said, empty where nothing tells.
    readings: empty for the linac; motion, dose, beams: of the linac alone.
    masks: bool (z, y, x) by region name, of the first slice; slice_masks: of each, by its number.
    heated: bool (z, y, x), targets with their margin, of the first slice.
    """

    folder: Path
    start: RunStart | None
    stop: RunStop | None
    protocol: Protocol | None
    verdicts: Sequence[VerdictRow]
    readings: Sequence[ReadingRow]
    alerts: Sequence[Alert]
    maps: MapFile | None
    truth: Truth | None
    closed_loop: Mapping[str, Any]
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    heated: NDArray[np.bool_] | None = None
    missing: Sequence[str] = ()
    motion: Sequence[MotionRow] = ()
    dose: Sequence[DoseRow] = ()
    beams: BeamLog | None = None
    motion_truth: MotionTruth | None = None
    alert_utc: Sequence[str] = ()
    slice_masks: Mapping[int, Mapping[str, NDArray[np.bool_]]] = field(default_factory=dict)

    def close(self) -> None:
        """Close the maps."""
        if self.maps is not None:
            self.maps.close()

    def masks_at(self, row: int) -> Mapping[str, NDArray[np.bool_]]:
        """Return the regions as they lie in the slice of a row of the maps."""
        number = 0 if self.maps is None else int(self.maps.slice[row])
        return self.slice_masks.get(number, self.masks)

    @property
    def therapy(self) -> str:
        """Which therapy it was, empty where nothing tells."""
        if self.start is not None:
            return self.start.therapy
        return "" if self.protocol is None else self.protocol.protocol.therapy

    @property
    def status(self) -> str:
        """How the run ended."""
        if self.stop is not None:
            return self.stop.status
        return "cut off" if self.start is not None else "no run"


def read_run(folder: Path) -> RunRecord:
    """Return what a run folder holds. Raises MonitorError where there is no folder at all."""
    if not folder.is_dir():
        raise MonitorError(f"{folder}: is no folder, expected a run folder")
    missing: list[str] = []
    start, stop = _read_run_json(folder / "run.json", missing)
    verdicts = _read_rows(folder / "verdicts.csv", _verdict, missing)
    protocol = _tried(lambda: _read_protocol(folder / "protocol.toml"), missing)
    alerts, alert_utc = _read_alerts(folder / "alerts.jsonl", missing)
    maps = _tried(lambda: MapFile(folder / "maps.h5"), missing)
    slice_masks, masks, heated = {}, {}, None
    if maps is not None and protocol is not None:
        slice_masks = _tried(lambda: _slice_masks(protocol, maps), missing) or {}
        if slice_masks:
            masks = slice_masks[int(maps.slice[0])]
            heated = heated_mask(masks, protocol, shape=maps.shape)
    if start is None and not verdicts and maps is None:
        raise MonitorError(f"{folder}: holds no run (no run.json, verdicts.csv or maps.h5)")
    if start is not None and stop is None:
        missing.append("run.json has no stop: the monitor ended before the run did")
    closed_loop = _read_closed_loop(folder / "closed_loop.json", missing)
    run = RunRecord(
        folder, start, stop, protocol, verdicts, (), alerts, maps, None, closed_loop,
        masks, heated, missing, alert_utc=alert_utc, slice_masks=slice_masks,
    )  # fmt: skip
    return _with_motion(run, missing) if run.therapy == "mrlinac" else _with_heat(run, missing)


def _with_heat(run: RunRecord, missing: list[str]) -> RunRecord:
    path = run.folder / "truth.h5"
    settings = None if run.protocol is None else run.protocol.thermometry
    body_c = math.nan if settings is None else settings.body_temperature_c
    truth = _tried(lambda: read_truth(path, body_c=body_c), missing) if path.exists() else None
    if run.protocol is not None and run.protocol.motion is not None:
        missing.append("maps were moved back with the tissue, to the place of the first image")
        if truth is not None:
            missing.append("truth.h5 tells temperature in space and is not compared with them")
            truth = None
    readings = _read_rows(run.folder / "readings.csv", _reading, missing)
    return replace(run, readings=readings, truth=truth)


def _with_motion(run: RunRecord, missing: list[str]) -> RunRecord:
    folder, path = run.folder, run.folder / "truth.h5"
    return replace(
        run,
        motion=_read_rows(folder / "motion.csv", motion_row, missing),
        dose=_read_rows(folder / "dose.csv", dose_row, missing),
        beams=_tried(lambda: read_beams(folder), missing),
        motion_truth=_tried(lambda: read_motion_truth(path), missing) if path.exists() else None,
    )


def _tried(read: Callable[[], _Row], missing: list[str]) -> _Row | None:
    try:
        return read()
    except MonitorError as error:
        missing.append(str(error))
        return None


def _read_run_json(path: Path, missing: list[str]) -> tuple[RunStart | None, RunStop | None]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        start = msgspec.convert(content["start"], RunStart)
        stop = msgspec.convert(content["stop"], RunStop) if "stop" in content else None
    except FileNotFoundError:
        missing.append("run.json is missing")
        return None, None
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        missing.append(f"run.json cannot be read: {error}")
        return None, None
    return start, stop


def _read_rows(
    path: Path, parse: Callable[[dict[str, str]], _Row], missing: list[str]
) -> list[_Row]:
    rows: list[_Row] = []
    n_broken = 0
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                try:
                    if None in row.values():
                        raise ValueError("cut short")
                    rows.append(parse(row))
                except (KeyError, TypeError, ValueError):
                    n_broken += 1
    except (OSError, csv.Error):
        missing.append(f"{path.name} is missing or cannot be read")
    if n_broken:
        missing.append(f"{path.name}: {n_broken} rows cannot be read")
    return rows


def _verdict(row: dict[str, str]) -> VerdictRow:
    stages = {name: float(row[f"{name}_ms"]) for name in STAGES if row.get(f"{name}_ms")}
    return VerdictRow(
        int(row["frame"]),
        float(row["scanner_time_s"]) if row["scanner_time_s"] else None,
        row["outcome"],
        row["decision"],
        row["permit"],
        row["findings"],
        float(row["age_ms"]),
        stages,
    )


def _reading(row: dict[str, str]) -> ReadingRow:
    numbers = (
        float(row[name]) if row[name] else np.nan
        for name in (
            "temperature_max_c", "temperature_mean_c", "temperature_std_c", "dose_max_cem43_min",
        )
    )  # fmt: skip
    return ReadingRow(
        int(row["frame"]),
        float(row["scanner_time_s"]) if row["scanner_time_s"] else None,
        row["region"],
        row["role"],
        int(row["n_pixels"]),
        int(row["n_valid"]),
        *numbers,
    )


def _read_alerts(path: Path, missing: list[str]) -> tuple[list[Alert], list[str]]:
    """Return the alerts, and when each was said."""
    alerts, times = list[Alert](), list[str]()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        missing.append("alerts.jsonl is missing")
        return alerts, times
    for number, line in enumerate(lines, 1):
        try:
            row = msgspec.json.decode(line, type=dict[str, Any])
            alerts.append(msgspec.convert(row, Alert))
            times.append(str(row.get("utc", "")))
        except msgspec.MsgspecError:
            missing.append(f"alerts.jsonl: line {number} cannot be read")
    return alerts, times


def _read_protocol(path: Path) -> Protocol:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MonitorError(
            "protocol.toml is missing: limits and regions cannot be drawn"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise MonitorError(f"protocol.toml cannot be read: {error}") from error
    return parse_protocol(text, folder=path.parent)


def _slice_masks(protocol: Protocol, maps: MapFile) -> dict[int, dict[str, NDArray[np.bool_]]]:
    numbers, rows = np.unique(maps.slice, return_index=True)
    return {
        int(number): region_masks(
            protocol, shape=maps.shape, fov_mm=maps.fov_mm, pose=maps.pose_of(int(row)) or Pose()
        )
        for number, row in zip(numbers, rows, strict=True)
    }


def _read_closed_loop(path: Path, missing: list[str]) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        missing.append(f"closed_loop.json cannot be read: {error}")
        return {}
    return content if isinstance(content, dict) else {}
