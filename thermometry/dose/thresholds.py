"""Doses that something is known of: name, CEM43, what happens there, and who says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Threshold:
    """A dose in equivalent minutes at 43 °C, what it does, and its source.

    is_checked: the figure was read at its source; else it is handed down and must be checked before
        a limit rests on it.
    """

    cem43_min: float
    effect: str
    source: str
    is_checked: bool


THRESHOLDS: Final[Mapping[str, Threshold]] = {
    "necrosis": Threshold(
        240.0, "coagulative necrosis, as consoles contour it", "ExAblate; k-Wave; Toupin 2017", True
    ),
    "thalamus-t1-lesion": Threshold(
        200.0, "best match with the lesion in T1 after thalamotomy", "PMC6181766", True
    ),
    "thalamus-t2-lesion": Threshold(
        100.0, "best match with the lesion in T2 after thalamotomy", "PMC6181766", True
    ),
    "muscle-secondary": Threshold(
        30.0, "secondary contour drawn around a uterine fibroid", "Sonalleve", False
    ),
    "brain-half-damaged": Threshold(
        17.5, "brain damaged in half of the cases", "McDannold 2004", False
    ),
    "laser-2": Threshold(2.0, "lowest damage line that a laser console draws", "NeuroBlate", False),
}
"""What lesion contours, reports and limits may be named by; Yarmolenko 2011,
doi:10.3109/02656736.2010.534527, lists more tissues and how little is known of each."""
