"""Fonts, colours and paragraphs of the PDF; matplotlib brings DejaVu Sans, which has σ, ° and ≤."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import TableStyle

FONT, BOLD = "DejaVuSans", "DejaVuSans-Bold"
INK, QUIET, LINE, WARNING = "#1d2733", "#5b6b7b", "#d5dce4", "#7a4a00"
GOOD, BAD = "#0f766e", "#b42318"
PRIORITIES = {"high": BAD, "medium": "#b45309", "low": "#1d4ed8"}
RULED = TableStyle([
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 6),
    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
])  # fmt: skip


def load_fonts() -> None:
    """Give the fonts to reportlab, which writes the letters that were used into the file."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (FONT, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:  # noqa: ANN401
    given = {"fontName": FONT, "textColor": INK, "leading": 1.3 * size, "splitLongWords": 1}
    return ParagraphStyle(name, fontSize=size, **(given | more))


TITLE = _style("title", 16, fontName=BOLD, spaceAfter=4)
HEADING = _style("heading", 12, fontName=BOLD, spaceBefore=10, spaceAfter=5)
NOTE = _style("note", 8, textColor=QUIET)
FIGURE = _style("figure", 13, fontName=BOLD)
_CELLS = {
    is_number: _style("cell", 8, alignment=TA_RIGHT if is_number else TA_LEFT)
    for is_number in (False, True)
}
_HEADS = {
    is_number: _style(
        "head", 7.5, fontName=BOLD, textColor=QUIET, alignment=TA_RIGHT if is_number else TA_LEFT
    )
    for is_number in (False, True)
}


def cell(is_number: bool) -> ParagraphStyle:
    """Return how a cell is set."""
    return _CELLS[is_number]


def head(is_number: bool) -> ParagraphStyle:
    """Return how a column's head is set."""
    return _HEADS[is_number]


def clipped(text: str, width: float, size: float) -> str:
    """Return a text cut to a width, in points."""
    if pdfmetrics.stringWidth(text, FONT, size) <= width:
        return text
    while text and pdfmetrics.stringWidth(f"{text}…", FONT, size) > width:
        text = text[:-1]
    return f"{text}…"
