"""A report as PDF on A4: its notice and run on each page, heads of tables repeated."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)

from realtime.outputs import report_pdf_style as style
from realtime.outputs.report_blocks import Block, Card, Cell, Note, Picture, Report, Section, Table

_MARGIN = 15 * mm
_HEAD = 22 * mm
_FOOT = 20 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_MOST_HIGH = 0.85 * (A4[1] - _HEAD - _FOOT)
_CARDS_A_ROW = 4
_LEAST_TABLE = 40 * mm
_SHORT = 15  # rows
_MOST_WORD = 64  # letters; a longer one is broken
_TOTAL = "total"  # form that is drawn on each page and known at the end


def write_pdf(report: Report, path: Path) -> None:
    """Write the report; the same report gives the same bytes."""
    style.load_fonts()
    document = _Document(report, path)
    story: list[Flowable] = [*_heading(report), _cards(report.cards)]
    for section in report.sections:
        story += _section(section)
    document.build([*story, _Total()])


class _Document(BaseDocTemplate):  # type: ignore[misc]  # reportlab has no types
    """Pages with a running head and foot."""

    def __init__(self, report: Report, path: Path) -> None:
        super().__init__(
            str(path), pagesize=A4, invariant=1, lang="en", initialFontName=style.FONT,
            title=f"mrmonitor report of run {report.run_id}", author="mrmonitor",
            subject=f"{report.protocol}; {_hash(report)}",
            creator="mrmonitor", keywords="MR-guided therapy, research use only",
        )  # fmt: skip
        self._report = report
        frame = Frame(_MARGIN, _FOOT, _WIDTH, A4[1] - _HEAD - _FOOT, 0, 0, 0, 0)
        self.addPageTemplates([PageTemplate("page", [frame], onPage=self._draw_page)])

    def _when(self, *now: int) -> str:
        """Return the run's own time as the document's: a report is made of nothing else."""
        digits = "".join(one for one in self._report.when if one.isdigit())[:14]
        return f"D:{digits}Z" if len(digits) == 14 else f"D:{now[0]}"

    def _draw_page(self, canvas: Any, _: Any) -> None:  # noqa: ANN401
        report = self._report
        canvas.saveState()
        canvas.setDateFormatter(self._when)
        canvas.setFont(style.FONT, 8)
        canvas.setFillColor(style.QUIET)
        canvas.setStrokeColor(style.LINE)
        top = A4[1] - _HEAD + 5 * mm
        canvas.drawString(_MARGIN, top, style.clipped(f"Run {report.run_id}", 0.6 * _WIDTH, 8))
        canvas.drawRightString(A4[0] - _MARGIN, top, _hash(report))
        canvas.line(_MARGIN, top - 2 * mm, A4[0] - _MARGIN, top - 2 * mm)
        canvas.line(_MARGIN, _FOOT - 4 * mm, A4[0] - _MARGIN, _FOOT - 4 * mm)
        canvas.setFillColor(style.WARNING)
        canvas.drawString(_MARGIN, _FOOT - 8 * mm, report.notice)
        canvas.setFillColor(style.QUIET)
        page = f"page {canvas.getPageNumber()} of"
        canvas.drawRightString(A4[0] - _MARGIN - 6 * mm, _FOOT - 12 * mm, page)
        canvas.translate(A4[0] - _MARGIN - 5 * mm, _FOOT - 12 * mm)
        canvas.doForm(_TOTAL)
        canvas.restoreState()


class _Total(Flowable):  # type: ignore[misc]
    """Draws nothing here; tells every page how many there are."""

    def wrap(self, *_: float) -> tuple[float, float]:
        return 0.0, 0.0

    def draw(self) -> None:
        number = self.canv.getPageNumber()
        self.canv.beginForm(_TOTAL)
        self.canv.setFont(style.FONT, 8)
        self.canv.setFillColor(style.QUIET)
        self.canv.drawString(0, 0, str(number))
        self.canv.endForm()


class _Heading(Paragraph):  # type: ignore[misc]
    """A section's heading, which is in the outline too."""

    def __init__(self, text: str) -> None:
        super().__init__(escape(text), style.HEADING)
        self._text = text

    def draw(self) -> None:
        self.canv.bookmarkHorizontal(self._text, 0, self.height)
        self.canv.addOutlineEntry(self._text, self._text, 0)
        super().draw()


class _Figure(Image):  # type: ignore[misc]
    """An image that says what it shows."""

    def __init__(self, picture: Picture, width: float) -> None:
        super().__init__(io.BytesIO(picture.png))
        share = min(width / self.imageWidth, _MOST_HIGH / self.imageHeight)
        self.drawWidth, self.drawHeight = share * self.imageWidth, share * self.imageHeight
        self._alt = picture.alt

    def draw(self) -> None:
        # an alternate description of a marked stretch of the page: PDF 1.7, 14.9.3
        alt = self._alt.encode("utf-16-be").hex()
        self.canv.addLiteral(f"/Span << /Alt <FEFF{alt}> >> BDC")
        super().draw()
        self.canv.addLiteral("EMC")


def _heading(report: Report) -> list[Flowable]:
    colour = style.GOOD if report.is_complete else style.BAD
    title = (
        f'Run {escape(report.run_id)} <font size="10" color="{colour}">{escape(report.status)}'
        "</font>"
    )
    lines = [one for one in (report.when, report.protocol) if one]
    told = [Paragraph(escape(line), style.NOTE) for line in [*lines, _hash(report)]]
    return [Paragraph(title, style.TITLE), *told, Spacer(0, 4 * mm)]


def _hash(report: Report) -> str:
    return f"protocol hash {report.protocol_hash or 'not known'}"


def _cards(cards: Sequence[Card]) -> Flowable:
    cells: list[Any] = [
        [
            Paragraph(escape(card.label), style.NOTE),
            Paragraph(escape(card.value), style.FIGURE),
            Paragraph(escape(card.detail), style.NOTE),
        ]
        for card in cards
    ]
    cells += [Paragraph("", style.NOTE)] * (-len(cells) % _CARDS_A_ROW)
    rows = [cells[n : n + _CARDS_A_ROW] for n in range(0, len(cells), _CARDS_A_ROW)]
    boxes = [
        ("BOX", (n % _CARDS_A_ROW, n // _CARDS_A_ROW), (n % _CARDS_A_ROW, n // _CARDS_A_ROW), 0.5,
         style.LINE)
        for n in range(len(cards))
    ]  # fmt: skip
    return LongTable(
        rows, [_WIDTH / _CARDS_A_ROW] * _CARDS_A_ROW,
        style=TableStyle([*boxes, ("VALIGN", (0, 0), (-1, -1), "TOP")]), spaceAfter=4 * mm,
    )  # fmt: skip


def _section(section: Section) -> list[Flowable]:
    heading = _Heading(section.title)
    first, *rest = section.blocks
    if _may_break(first):
        # its heading does not stay behind
        story: list[Flowable] = [CondPageBreak(_LEAST_TABLE), heading, *_block(first)]
    else:
        story = [KeepTogether([heading, *_block(first)])]
    for block in rest:
        story += _block(block) if _may_break(block) else [KeepTogether(_block(block))]
    return story


def _may_break(block: Block) -> bool:
    return isinstance(block, Table) and len(block.rows) > _SHORT


def _block(block: Block) -> list[Flowable]:
    if isinstance(block, Note):
        return [Paragraph(escape(block.text), style.NOTE), Spacer(0, 2 * mm)]
    if isinstance(block, Picture):
        caption = [Paragraph(escape(block.caption), style.NOTE)] if block.caption else []
        return [_Figure(block, _WIDTH), *caption, Spacer(0, 3 * mm)]
    return [_table(block), Spacer(0, 3 * mm)] if block.rows else []


def _table(table: Table) -> Flowable:
    rows = [[_cell(cell, n >= table.numbers_from) for n, cell in enumerate(row)]
            for row in table.rows]  # fmt: skip
    if table.head:
        rows.insert(0, [Paragraph(escape(text), style.head(n >= table.numbers_from))
                        for n, text in enumerate(table.head)])  # fmt: skip
    return LongTable(
        rows, _widths(table), repeatRows=1 if table.head else 0, style=style.RULED,
        splitInRow=1,  # a text may be longer than a page
    )  # fmt: skip


def _widths(table: Table) -> list[float]:
    """Return the columns' widths: as told, else by their longest words and their most text."""
    n_columns = max(len(row) for row in table.rows)
    shares = list(table.widths) or [_need(table, n) for n in range(n_columns)]
    return [_WIDTH * share / sum(shares) for share in shares]


def _need(table: Table, column: int) -> float:
    texts = [_text(row[column]) for row in [table.head, *table.rows] if column < len(row)]
    longest_word = max((len(word) for text in texts for word in text.split()), default=1)
    most = max((len(text) for text in texts), default=1)
    return max(min(longest_word, _MOST_WORD), min(most, 48)) + 2.0


def _text(cell: object) -> str:
    return cell.text if isinstance(cell, Cell) else str(cell)


def _cell(cell: object, is_number: bool) -> Flowable:
    text = escape(_text(cell))
    if isinstance(cell, Cell):
        colour = style.PRIORITIES.get(cell.kind)
        text = f'<font color="{colour}">{text}</font>' if colour else text
        if cell.note:
            text += f'<br/><font color="{style.QUIET}" size="7.5">{escape(cell.note)}</font>'
    return Paragraph(text, style.cell(is_number))
