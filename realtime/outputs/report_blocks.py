"""What a report says, before it is written as HTML or as PDF: sections of a few kinds of block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["", "high", "medium", "low", "code"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table that is more than a text. note: a quiet line below; kind: how it is set."""

    text: str
    note: str = ""
    kind: Kind = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A quiet paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. head: empty where the first column names the rows.

    numbers_from: columns from this one on are set flush right. widths: shares of the whole, one
    for each column; empty where the cells tell.
    """

    rows: Sequence[Sequence[object]]
    head: Sequence[str] = ()
    numbers_from: int = 99
    widths: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as PNG. alt: what it shows, for whoever cannot see it."""

    png: bytes
    alt: str
    caption: str = ""


Block = Note | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it. is_warning: it stands out."""

    title: str
    blocks: Sequence[Block]
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One figure that a reader looks for first."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report. notice: stands on each page. status: how the run ended, in a word."""

    run_id: str
    protocol: str
    protocol_hash: str
    status: str
    when: str
    notice: str
    cards: Sequence[Card]
    sections: Sequence[Section]

    @property
    def is_complete(self) -> bool:
        """Whether the run ended as it should."""
        return self.status == "completed"
