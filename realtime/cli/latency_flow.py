"""The course of each frame, as Holoscan's data flow tracking logs that of a message."""

import csv
from collections.abc import Sequence
from pathlib import Path

from realtime.cli.latency_figures import Timing
from realtime.outputs.run_tables import STAGES

Step = tuple[str, int, int]
"""An operator's name, and in µs when the frame came to it and when it left."""


def course_of(timing: Timing) -> list[Step]:
    """Return a frame's way from the scanner to a subscriber; empty where it was not seen there.

    Timestamps are of CLOCK_MONOTONIC and never run back; a frame leaves the scanner as it comes.
    """
    if not (timing.sent_ns and timing.received_ns and timing.heard_ns):
        return []
    sent_us, heard_us = timing.sent_ns // 1000, timing.heard_ns // 1000
    course: list[Step] = [("scanner", sent_us, sent_us)]
    at_ms = timing.received_ns / 1e6
    for stage in STAGES:
        begin_us = round(at_ms * 1e3)
        at_ms += timing.stage_ms.get(stage, 0.0)
        course.append((stage, begin_us, round(at_ms * 1e3)))
    return [*course, ("subscriber", heard_us, heard_us)]


def write_flow(folder: Path, timings: Sequence[Timing]) -> None:
    """Write latency_flow.log, in Holoscan's own form, and the same as latency_flow.csv."""
    courses = [(one.frame_id, course) for one in timings if (course := course_of(one))]
    lines = [
        " -> ".join(f"({name},{begin_us},{end_us})" for name, begin_us, end_us in course)
        for _, course in courses
    ]
    (folder / "latency_flow.log").write_text("".join(f"{line}\n" for line in lines))
    with (folder / "latency_flow.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("scanner", *STAGES, "subscriber")
        ends = (f"{name}_{end}_us" for name in names for end in ("in", "out"))
        writer.writerow(["frame", *ends])
        for frame_id, course in courses:
            writer.writerow([frame_id, *(time_us for step in course for time_us in step[1:])])
