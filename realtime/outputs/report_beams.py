"""beams.csv of a run folder: what the accelerator said of its beams."""

import csv
from pathlib import Path

import numpy as np

from messages import BeamLog, MonitorError
from realtime.device_beam import BEAM_FILE


def read_beams(folder: Path) -> BeamLog:
    """Return the reports of all beams, an empty log where there is no file.

    Raises MonitorError where the file cannot be read.
    """
    path = folder / BEAM_FILE
    if not path.exists():
        return BeamLog()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                (float(row["time_s"]), int(row["number"]), row["is_on"] == "1", float(row["mu"]))
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise MonitorError(
            f"{BEAM_FILE} cannot be read, expected columns time_s, number, is_on, mu: {error}"
        ) from error
    if not rows:
        return BeamLog()
    time_s, number, is_on, mu = zip(*sorted(rows), strict=True)
    return BeamLog(
        np.array(time_s), np.array(number, np.int64), np.array(is_on, np.bool_), np.array(mu)
    )


def beam_spans_s(beams: BeamLog) -> list[tuple[float, float]]:
    """Return when any beam was on, (start, stop) in scanner time.

    One that was never reported off stops with the last report.
    """
    ended, starts = ended_and_open_s(beams)
    last_s = float(beams.time_s[-1]) if beams.is_known else 0.0
    return sorted([*ended, *((start, last_s) for start in starts)])


def ended_and_open_s(beams: BeamLog) -> tuple[list[tuple[float, float]], list[float]]:
    """Return the spans of beams that were reported off, and since when others have been on."""
    spans: list[tuple[float, float]] = []
    on: dict[int, float] = {}
    for time_s, number, is_on in zip(beams.time_s, beams.number, beams.is_on, strict=True):
        if is_on:
            on.setdefault(int(number), float(time_s))
        elif int(number) in on:
            spans.append((on.pop(int(number)), float(time_s)))
    return spans, list(on.values())
