"""One look at the machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what was found.

    state: `fail` where the monitor cannot do without. costs: what it does to a verdict's time, in
    words; empty where nothing.
    """

    what: str
    state: State
    text: str
    costs: str = ""


def told(path: Path) -> str:
    """Return what a file of the kernel says, empty where it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
