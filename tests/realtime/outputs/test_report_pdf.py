"""report.pdf: what a reader finds in it, page by page, and that it is the same content."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from messages import Alert, RunStart, RunStop
from messages.codec import decode, encode
from realtime.cli.report import report as command
from realtime.outputs import report_figures, report_pdf, report_style
from realtime.outputs.report import report_of
from realtime.outputs.report_blocks import Card, Cell, Note, Picture, Report, Section, Table
from realtime.outputs.report_html import html
from realtime.outputs.report_record import read_run
from realtime.outputs.run_folder import RunFolder
from tests.realtime.outputs.linac_run import linac_run

START = RunStart(
    "r", "p", "h", "mrgfus", "d", "s", "2026-01-01T10:00:00.000+00:00", "m", {}, (1, 8, 8),
    (1, 1, 1), 1, 2, {},
)  # fmt: skip
PERSON = ("patient name", "birth", "patient id")
needs_poppler = pytest.mark.skipif(
    not shutil.which("pdftotext"), reason="Debian's poppler-utils are not installed"
)


def pixel():
    return report_figures.as_png(lambda _: report_figures.style.new_figure(1.0, 0.5), None)


def content(*, n_rows=120):
    evil = "<b>not bold</b> & σ ≤ 5 °C, 12 mm²"
    long = Table([(n, f"row {n}", evil) for n in range(n_rows)], ("number", "name", "what"))
    return Report(
        run_id="run-7", protocol="protocol p (mrgfus)", protocol_hash="abc123", status="completed",
        when="2026-01-02 03:04:05 UTC", notice="Research use only. No interlock.",
        cards=[Card("61.2 °C", "Hottest", "± 0.4 °C (2σ)")] * 5,
        sections=[
            Section("First", [Picture(pixel(), "a white page", "Caption."), Note(evil)]),
            Section("Long", [long]),
            Section("Alerts", [Table([(Cell("text", "advice", "high"), Cell("h", kind="code"))])]),
        ],
    )  # fmt: skip


def pages(path):
    text = subprocess.run(
        ["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    return text.split("\f")[:-1]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "report.pdf"
    report_pdf.write_pdf(content(), path)
    return path


@needs_poppler
def test_every_page_tells_run_protocol_notice_and_its_number(written):
    found = pages(written)
    assert len(found) > 2
    for number, page in enumerate(found, 1):
        assert "Run run-7" in page
        assert "protocol hash abc123" in page
        assert "Research use only. No interlock." in page
        assert re.search(rf"page {number} of\s+{len(found)}\b", page)


@needs_poppler
def test_a_text_that_is_longer_than_a_page_or_has_no_end_is_broken_not_refused(tmp_path):
    many = " ".join(f"w{n}" for n in range(4000))
    blocks = [
        Table([("a", many, "b")], ("x", "y", "z"), widths=(0.1, 0.8, 0.1)),
        Table([("a", Cell("t", many, "high"))]),
        Table([("a", "W" * 5000)]),
    ]
    report = replace(content(n_rows=1), sections=[Section("All", [one]) for one in blocks])
    report_pdf.write_pdf(report, tmp_path / "long.pdf")
    text = "".join(pages(tmp_path / "long.pdf"))
    assert len(re.findall(r"\bw3999\b", text)) == 2
    assert text.count("W") >= 5000


@needs_poppler
def test_a_long_table_repeats_its_head_and_loses_no_row(written):
    found = pages(written)
    of_table = [page for page in found if re.search(r"row \d+", page)]
    assert len(of_table) > 1
    assert all(re.search(r"number\s+name\s+what", page) for page in of_table)
    assert re.findall(r"row (\d+)", "".join(found)) == [str(n) for n in range(120)]


@needs_poppler
def test_letters_of_this_field_can_be_selected_and_fonts_are_in_the_file(written):
    assert "<b>not bold</b> & σ ≤ 5 °C, 12 mm²" in "".join(pages(written))
    told = subprocess.run(
        ["pdffonts", written], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    used = [line for line in told.splitlines()[2:] if "DejaVu" in line]
    assert len(used) == 2
    assert all("yes yes yes" in line for line in used)


@needs_poppler
def test_the_document_tells_what_it_is_on_a4(written):
    told = subprocess.run(
        ["pdfinfo", "-isodates", written], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    for said in (
        "mrmonitor report of run run-7", "protocol hash abc123", "2026-01-02T03:04:05", "(A4)",
        "JavaScript:      no",
    ):  # fmt: skip
        assert said in told


def test_the_same_report_gives_the_same_bytes(written, tmp_path):
    report_pdf.write_pdf(content(), tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == written.read_bytes()


def test_html_has_the_same_headings_tables_and_notes(written):
    text = html(content())
    for said in ("First", "Long", "row 119", "&lt;b&gt;not bold&lt;/b&gt;", "Caption.", "advice"):
        assert said in text


def texts(report):
    """Return every text that a report holds."""
    for card in report.cards:
        yield from (card.value, card.label, card.detail)
    for section in report.sections:
        yield section.title
        for block in section.blocks:
            if isinstance(block, Note):
                yield block.text
            elif isinstance(block, Picture):
                yield block.caption
            else:
                cells = [cell for row in [block.head, *block.rows] for cell in row]
                for cell in cells:
                    yield cell.text if isinstance(cell, Cell) else str(cell)


@needs_poppler
def test_the_pdf_of_a_run_says_what_its_html_says(tmp_path, monkeypatch):
    # few pixels and no layout, for time
    monkeypatch.setattr(report_figures, "_DPI", 36)
    monkeypatch.setattr(report_style, "new_figure", lambda w, h: Figure(figsize=(w, h)))
    run = read_run(linac_run(tmp_path / "run", n_frames=20))
    report = report_of(run)
    run.close()
    report_pdf.write_pdf(report, tmp_path / "report.pdf")
    told = "".join("".join(pages(tmp_path / "report.pdf")).split())
    # a long word may be set in two lines, and then nothing of it is lost
    unsaid = [one for one in texts(report) if "".join(one.split()[:1]) not in told]
    assert unsaid == []
    assert not any(word in told.lower() for word in PERSON)


def test_the_command_writes_both_and_says_so_and_html_alone_where_it_is_told_to(tmp_path):
    folder = RunFolder(tmp_path, START)
    folder.take(*decode(encode(RunStop("r", "cut", "gone", "2026", 0, 0, 0, 0, 0, 0))))
    folder.close()
    alone = CliRunner().invoke(command, [str(tmp_path), "--no-pdf"])
    assert alone.exit_code == 0, alone.output
    assert (tmp_path / "report.html").exists()
    assert "pdf" not in alone.output
    assert not (tmp_path / "report.pdf").exists()
    both = CliRunner().invoke(command, [str(tmp_path)])
    assert f"pdf: {tmp_path / 'report.pdf'}" in both.output
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert not list(tmp_path.glob("*.new"))


def alert(state, *, priority="medium", by="", frame=3, value=61.25):
    return Alert(
        4, "temperature-max.hold", priority, True, state, "too hot", "focus", frame, value, 60.0,
        "°C", acknowledged_by=by,
    )  # fmt: skip


def test_an_alert_is_told_with_its_evidence_and_who_acknowledged_it_when(tmp_path):
    folder = RunFolder(tmp_path / "run", START, at_ms=5000.0)
    changes = [
        alert("raised"), alert("raised", priority="high", frame=5, value=63.0), alert("cleared"),
        alert("acknowledged", by="Ann"),
    ]  # fmt: skip
    for number, one in enumerate(changes, 1):
        folder.take(*decode(encode(one, epoch="e", sequence=number, at_ms=5000.0 + 1e3 * number)))
    folder.take(*decode(encode(RunStop("r", "completed", "end", "2026", 0, 0, 0, 0, 0, 0))))
    folder.close()
    run = read_run(tmp_path / "run")
    (section,) = [one for one in report_of(run).sections if one.title == "Alerts"]
    run.close()
    table, note = section.blocks
    first, second = table.rows
    assert (first[0].text, first[0].note) == ("frame 3", "10:00:01")
    assert first[1].text == "medium"
    assert first[3:] == ["61.25 °C", "60 °C", "raised again as high at 10:00:02"]
    assert (second[0].text, second[1].text, second[3]) == ("frame 5", "high", "63 °C")
    assert second[5] == "cleared at 10:00:03; acknowledged by Ann at 10:00:04"
    assert note.text.startswith("Still open at the end: 0 of 1")
