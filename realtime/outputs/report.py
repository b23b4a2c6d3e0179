"""report.html of a run folder: one file, no request to anywhere.

Research use only: it documents a run for those who develop and study the monitor.
"""

from pathlib import Path

from realtime.outputs import report_figures as figures
from realtime.outputs import report_html as html
from realtime.outputs import report_lesion, report_linac
from realtime.outputs import report_tables as tables
from realtime.outputs.report_figures import main_figure
from realtime.outputs.report_montage import caption as montage_caption
from realtime.outputs.report_pictures import regions_of
from realtime.outputs.report_record import RunRecord, read_run

__all__ = ["main_figure", "write_report"]

_NOTICE = (
    "Research use only. This is not a medical device and not a safety interlock: "
    "the therapy device's own interlock stays."
)

_NO_TEMPERATURE = (
    "No temperature was measured: no region had a pixel that could be believed in any frame."
)


def write_report(folder: Path) -> Path:
    """Write report.html into a run folder and return its path.

    A folder that a killed run left gives a report that says what is missing. Raises MonitorError
    where the folder holds no run at all.
    """
    run = read_run(folder)
    try:
        text = _text(run)
    finally:
        run.close()
    path = folder / "report.html"
    # replaced whole, so that nobody ever reads half a report
    new = folder / "report.html.new"
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    return path


def _text(run: RunRecord) -> str:
    name = run.folder.resolve().name if run.start is None else run.start.run_id
    body = [f'<div class="notice">{html.safe(_NOTICE)}</div><main>', tables.heading(run, name)]
    body.append(tables.cards(run))
    if run.missing:
        rows = [[text] for text in run.missing]
        body.append(html.section("What is missing", html.table((), rows), kind="missing"))
    body += report_linac.sections(run) if run.therapy == "mrlinac" else _of_heat(run)
    body += [tables.alerts(run), *_against_truth(run), *_latency(run), *_validity(run)]
    body += [tables.facts(run), "</main>"]
    return html.page(f"{name} · mrmonitor report", body)


def _of_heat(run: RunRecord) -> list[str]:
    return [*_pictures(run), *report_lesion.section(run)]


def _against_truth(run: RunRecord) -> list[str]:
    found = [] if run.truth is None else [tables.truth(run)]
    if run.closed_loop and run.therapy != "mrlinac":
        found.append(tables.overshoot(run))
    return found


def _pictures(run: RunRecord) -> list[str]:
    has_images = run.maps is not None and run.maps.n_rows > 0
    is_measured = figures.has_temperature(run)
    sections = []
    if has_images or is_measured:
        caption, alt = _overview_words(run, has_images=has_images, is_measured=is_measured)
        png = figures.as_png(figures.overview, run)
        said = "" if is_measured or _is_imaging(run) else html.note(_NO_TEMPERATURE)
        picture = html.picture(png, alt=alt, caption=caption)
        sections.append(html.section("Overview", said, picture))
    elif run.readings:
        sections.append(html.section("Overview", html.note(_NO_TEMPERATURE)))
    if is_measured and run.readings and regions_of(run):
        caption = (
            "Solid: hottest valid pixel, with two of its standard deviations either side. Dashed: "
            "mean of the valid pixels. Horizontal: stop (dashed) and warning (dotted) limits."
        )
        png = figures.as_png(figures.region_panels, run)
        picture = html.picture(png, alt="temperature of each region", caption=caption)
        sections.append(html.section("Temperature of each region", picture))
    return sections


def _overview_words(run: RunRecord, *, has_images: bool, is_measured: bool) -> tuple[str, str]:
    """Return caption and alternative text of the overview."""
    curves = "each region's hottest pixel with two standard deviations either side."
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


def _latency(run: RunRecord) -> list[str]:
    if not run.verdicts:
        return []
    png = figures.as_png(figures.latency, run)
    caption = "Absorption and reconstruction run while readouts arrive; age counts from the last."
    picture = html.picture(png, alt="latency of each frame and stage", caption=caption)
    return [html.section("Latency", picture, tables.latency(run))]


def _validity(run: RunRecord) -> list[str]:
    parts = []
    if run.readings and run.maps is not None and figures.has_temperature(run):
        png = figures.as_png(figures.validity, run)
        caption = "Frames that went into the reference have no temperature and count as not valid."
        parts.append(html.picture(png, alt="valid pixels", caption=caption))
    return [html.section("What was not believed", *parts, tables.invalid(run))]
