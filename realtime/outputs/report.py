"""The report of a run folder, report.html and report.pdf: one content, two writers.

Research use only: it documents a run for those who develop and study the monitor.
"""

from pathlib import Path

from realtime.outputs import report_alerts, report_facts, report_lesion, report_linac
from realtime.outputs import report_figures as figures
from realtime.outputs import report_tables as tables
from realtime.outputs.report_blocks import Block, Note, Picture, Report, Section, Table
from realtime.outputs.report_figures import main_figure
from realtime.outputs.report_html import html
from realtime.outputs.report_montage import caption as montage_caption
from realtime.outputs.report_pictures import regions_of
from realtime.outputs.report_record import RunRecord, read_run
from realtime.outputs.report_regions import region_table

__all__ = ["main_figure", "report_of", "write_report"]

_NOTICE = (
    "Research use only. This is not a medical device and not a safety interlock: "
    "the therapy device's own interlock stays."
)

_NO_TEMPERATURE = (
    "No temperature was measured: no region had a pixel that could be believed in any frame."
)


def write_report(folder: Path, *, with_pdf: bool = True) -> Path:
    """Write report.html, and report.pdf, into a run folder; return the path of the HTML.

    A folder that a killed run left gives a report that says what is missing. Raises MonitorError
    where the folder holds no run at all.
    """
    run = read_run(folder)
    try:
        report = report_of(run)
    finally:
        run.close()
    path = folder / "report.html"
    # replaced whole, so that nobody ever reads half a report
    new = folder / "report.html.new"
    new.write_text(html(report), encoding="utf-8")
    new.replace(path)
    if with_pdf:
        # here: reportlab takes a tenth of a second that whoever wants no PDF need not wait
        from realtime.outputs.report_pdf import write_pdf

        new = folder / "report.pdf.new"
        write_pdf(report, new)
        new.replace(folder / "report.pdf")
    return path


def report_of(run: RunRecord) -> Report:
    """Return all that the report says."""
    start = run.start
    sections = []
    if run.missing:
        missing = Table([[text] for text in run.missing])
        sections.append(Section("What is missing", [missing], is_warning=True))
    sections += report_linac.sections(run) if run.therapy == "mrlinac" else _of_heat(run)
    sections += [report_alerts.section(run), *_against_truth(run), *_latency(run), _validity(run)]
    return Report(
        run_id=run.folder.resolve().name if start is None else start.run_id,
        protocol="" if start is None else report_facts.protocol_words(start),
        protocol_hash="" if start is None else start.protocol_hash,
        status=run.status,
        when="" if start is None else report_facts.when_words(start),
        notice=_NOTICE,
        cards=tables.cards(run),
        sections=[*sections, *report_facts.sections(run)],
    )


def _of_heat(run: RunRecord) -> list[Section]:
    return [*_pictures(run), *report_lesion.section(run)]


def _against_truth(run: RunRecord) -> list[Section]:
    found = [] if run.truth is None else [tables.truth(run)]
    if run.closed_loop and run.therapy != "mrlinac":
        found.append(tables.overshoot(run))
    return found


def _pictures(run: RunRecord) -> list[Section]:
    has_images = run.maps is not None and run.maps.n_rows > 0
    is_measured = figures.has_temperature(run)
    sections = []
    if has_images or is_measured:
        caption, alt = _overview_words(run, has_images=has_images, is_measured=is_measured)
        picture = Picture(figures.as_png(figures.overview, run), alt, caption)
        said = [] if is_measured or _is_imaging(run) else [Note(_NO_TEMPERATURE)]
        sections.append(Section("Overview", [*said, picture]))
    elif run.readings:
        sections.append(Section("Overview", [Note(_NO_TEMPERATURE)]))
    if is_measured and run.readings and regions_of(run):
        caption = (
            "Solid: hottest valid pixel, with two standard deviations of the region's median pixel "
            "either side. Dashed: mean of the valid pixels. Horizontal: stop (dashed) and warning "
            "(dotted) limits."
        )
        png = figures.as_png(figures.region_panels, run)
        picture = Picture(png, "temperature of each region", caption)
        sections.append(Section("Temperature of each region", [picture, *region_table(run)]))
    return sections


def _overview_words(run: RunRecord, *, has_images: bool, is_measured: bool) -> tuple[str, str]:
    """Return caption and alternative text of the overview."""
    curves = (
        "each region's hottest pixel with two standard deviations of its median pixel either side."
    )
    if run.maps is not None and has_images and not is_measured:
        return montage_caption(run.maps), "images of the run"
    if not has_images:
        return curves.capitalize(), "temperature against time"
    text = (
        "Above: the hottest frame; the overlay shows valid pixels more than 2 °C above body "
        "temperature within the white frame, and contours of the dose at the end of the run. "
    )
    return f"{text}Below: {curves}", "anatomy with temperature and dose, both against time"


def _is_imaging(run: RunRecord) -> bool:
    if run.start is not None:
        return run.start.therapy == "imaging"
    return run.protocol is not None and run.protocol.thermometry is None


def _latency(run: RunRecord) -> list[Section]:
    if not run.verdicts:
        return []
    caption = "Absorption and reconstruction run while readouts arrive; age counts from the last."
    png = figures.as_png(figures.latency, run)
    picture = Picture(png, "latency of each frame and stage", caption)
    return [Section("Latency", [picture, *tables.latency(run)])]


def _validity(run: RunRecord) -> Section:
    blocks: list[Block] = []
    if run.readings and run.maps is not None and figures.has_temperature(run):
        png = figures.as_png(figures.validity, run)
        caption = "Frames that went into the reference have no temperature and count as not valid."
        blocks.append(Picture(png, "valid pixels", caption))
    return Section("What was not believed", [*blocks, *tables.invalid(run)])
