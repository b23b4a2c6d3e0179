"""The report's sections about a linac's run: target, gate, tracking and radiation dose."""

from messages import MonitorError
from realtime.outputs import report_dvh, report_linac_truth
from realtime.outputs import report_linac_figures as figures
from realtime.outputs import report_linac_tables as tables
from realtime.outputs.delivered_dose import delivery_of
from realtime.outputs.report_blocks import Note, Picture, Section
from realtime.outputs.report_figures import as_png
from realtime.outputs.report_motion_series import MotionSeries, motion_series
from realtime.outputs.report_record import RunRecord

_OVERVIEW = (
    "Above: the target's contour and the gating boundary (dashed; green where the gate was open, "
    "red where it was closed), and the dose that its tissue has received, on the reference image. "
    "Below: where the target was tracked, where it was predicted to be when the beam would react, "
    "and the dose of the target."
)
_MOTION = (
    "Red: tracked. Blue: predicted, drawn at the moment that it was predicted for, with its "
    "interval. The green band is the margin around the gate's centre; the gate itself goes by the "
    "target's area."
)
_DVH = (
    "Solid: delivered. Dashed: the same monitor units had nothing moved. Dotted, of a fraction "
    "that was not over: its end, if the rest comes to the places so far. Counted again after the "
    "run, rigidly with the target; the table above is what was counted during it."
)
_DOSE = "Solid: delivered to moving tissue. Dashed: the same monitor units had nothing moved."


def sections(run: RunRecord) -> list[Section]:
    """Return the sections; only one line of text where no frame was answered."""
    series = motion_series(run)
    if series is None:
        return [Section("Overview", [Note("No frame was answered.")])]
    if not series.is_followed.any():
        return [Section("Overview", [Note("No target was followed in any frame.")])]
    return [
        Section("Overview", [_picture(run, "overview", "target, gate and dose", _OVERVIEW)]),
        _motion(run, series),
        _gate(run, series),
        _tracking(run, series),
        *_dose(run),
        *report_linac_truth.section(run, series),
    ]


def _motion(run: RunRecord, series: MotionSeries) -> Section:
    picture = _picture(run, "motion", "the target's motion against time", _MOTION)
    return Section("Motion and prediction", [picture, tables.prediction_table(series)])


def _gate(run: RunRecord, series: MotionSeries) -> Section:
    caption = "How much of the target's area lay outside the gating boundary."
    picture = _picture(run, "gate", "target outside the boundary", caption)
    return Section(
        "Gate", [picture, tables.gate_table(run, series), *tables.hold_table(run, series)]
    )


def _tracking(run: RunRecord, series: MotionSeries) -> Section:
    doubts: dict[str, int] = {}
    for row in run.motion:
        for one in row.doubts:
            doubts[one] = doubts.get(one, 0) + 1
    told = ", ".join(f"{name} in {n}" for name, n in sorted(doubts.items())) or "none"
    n_doubted = int((series.is_followed & ~series.is_tracked).sum())
    said = f"Frames that were not believed: {n_doubted} of {series.frame.size} ({told})."
    caption = "A frame below the running threshold is not believed and holds the beam."
    picture = _picture(run, "tracking", "similarity of each frame to the reference", caption)
    return Section("Tracking", [picture, Note(said)])


def _dose(run: RunRecord) -> list[Section]:
    if not run.dose:
        return []
    picture = _picture(run, "dose", "dose of each structure against time", _DOSE)
    return [Section("Radiation dose", [picture, *tables.dose_blocks(run)]), _histograms(run)]


def _histograms(run: RunRecord) -> Section:
    title = "Dose-volume histograms"
    try:
        delivery = delivery_of(run)
    except MonitorError as error:
        why = str(error).removeprefix(f"{run.folder}: ")
        return Section(title, [Note(f"They cannot be drawn: {why}.")])
    png = as_png(report_dvh.draw, delivery)
    return Section(title, [Picture(png, "volume of each structure against dose", _DVH)])


def _picture(run: RunRecord, name: str, alt: str, caption: str) -> Picture:
    return Picture(as_png(getattr(figures, name), run), alt, caption)
