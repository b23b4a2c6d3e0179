"""The report's section that judges a linac's run by what the simulator knows."""

from collections.abc import Mapping
from typing import Any

from realtime.outputs.report_blocks import Block, Note, Section, Table
from realtime.outputs.report_linac_tables import last_dose, signed
from realtime.outputs.report_motion_errors import tracking_error
from realtime.outputs.report_motion_series import MotionSeries
from realtime.outputs.report_record import RunRecord

_FIGURES = {"d98_gy": "D98", "d95_gy": "D95", "mean_gy": "mean"}
_ORGAN_FIGURES = {"d2_gy": "D2", "mean_gy": "mean"}


def section(run: RunRecord, series: MotionSeries) -> list[Section]:
    """Return the section, nothing where no simulator has left a truth."""
    beam = run.closed_loop.get("beam")
    delivery = beam if isinstance(beam, Mapping) else {}
    blocks = [*_tracking(run, series), *_delivery(delivery), *_dose(run, delivery)]
    return [Section("Against truth", blocks)] if blocks else []


def _tracking(run: RunRecord, series: MotionSeries) -> list[Block]:
    """Return how far tracking was from the simulator's truth."""
    error = None if run.motion_truth is None else tracking_error(run.motion_truth, series)
    if error is None:
        return []
    rows = [
        ("frames in which the target was believed", f"{error.n:,}"),
        ("distance of tracked from true place, mean", f"{error.mean_mm:.2f} mm"),
        ("95 % of frames below", f"{error.p95_mm:.2f} mm"),
        ("largest", f"{error.max_mm:.2f} mm"),
        ("lag of tracked behind true", f"{error.lag_ms:+.1f} ms"),
        ("frames that were not believed", f"{error.n_doubted:,}"),
    ]
    note = (
        "True is where the simulated target was at the k-space centre, in the plane; both count "
        "from the reference image, so that a constant error shows. The lag is the delay that "
        "explains most of the error."
    )
    return [Table(rows, numbers_from=1), Note(note)]


def _delivery(beam: Mapping[str, Any]) -> list[Block]:
    """Return what the beam really did to the target, beside a delivery that nobody held."""
    rows = [
        (text, *(_percent(beam.get(name)) for name in names))
        for text, names in (
            ("beam on, of the time since it was first permitted", ("duty_percent",)),
            ("beam-on time with too much outside",
             ("beam_on_outside_percent", "ungated_outside_percent")),
            ("beam-on time with its middle beyond the margin", ("center_outside_percent",)),
        )
        if _percent(beam.get(names[0])) != "–"
    ]  # fmt: skip
    if not rows:
        return []
    head = ("true delivery", "as it was", "had nobody held it")
    table = Table([(*row, "")[:3] for row in rows], head, numbers_from=1)
    return [table, *_latency(beam)]


def _latency(beam: Mapping[str, Any]) -> list[Block]:
    """Return how long the beam took to go off, once the accelerator had to."""
    moments = [
        (one["asked"].get("t_s"), one.get("off_s"))
        for one in _items(beam, "holds")
        if isinstance(one.get("asked"), Mapping)
    ]
    took = [
        1e3 * (off_s - asked_s)
        for asked_s, off_s in moments
        if isinstance(asked_s, float) and isinstance(off_s, float)
    ]
    if not took:
        return []
    text = f"The beam was stopped {len(took)} times, {sum(took) / len(took):.0f} ms after it had "
    return [Note(text + f"to be, {max(took):.0f} ms at most: the accelerator's own latency.")]


def _dose(run: RunRecord, beam: Mapping[str, Any]) -> list[Block]:
    """Return each structure's true dose beside the counted one."""
    counted = {row.structure: row.so_far for row in last_dose(run)}
    targets = {row.structure for row in last_dose(run) if row.role == "target"}
    rows: list[tuple[object, ...]] = []
    for one in _items(beam, "structures"):
        delivered, free = (
            part if isinstance(part, Mapping) else {}
            for part in (one.get("delivered"), one.get("ungated"))
        )
        is_target = str(one.get("name")) in targets
        for figure, name in _FIGURES.items() if is_target else _ORGAN_FIGURES.items():
            true, told = delivered.get(figure), counted.get(str(one.get("name")), {}).get(figure)
            if not isinstance(true, int | float) or told is None:
                continue
            first = "" if any(row[0] == one.get("name") for row in rows) else one.get("name")
            rows.append((first, name, f"{true:.3f}", f"{told:.3f}", signed(told - true, 3),
                         _gy(free.get(figure))))  # fmt: skip
    if not rows:
        return []
    head = (
        "structure",
        "figure",
        "true Gy",
        "counted Gy",
        "difference",
        "whole fraction, never held",
    )
    note = (
        "Organs are counted as if they moved with the target: what they truly do differs the more, "
        "the farther they are from it."
    )
    return [Table(rows, head, numbers_from=2), Note(note)]


def _items(beam: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list, nothing where it is none."""
    values = beam.get(name)
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []


def _percent(value: object) -> str:
    return f"{value:.1f} %" if isinstance(value, int | float) else "–"


def _gy(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "–"
