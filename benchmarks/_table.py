"""What every benchmark does with its figures: print them, judge them, write them into the docs."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from realtime.cli.machine import processor

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
_PACKAGES = ("numpy", "scipy", "sigpy", "h5py", "pyzmq", "numba")


class MeasurementError(Exception):
    """Nothing could be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures as a person reads them. note: what must be said about them, below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """Return the table with its title."""
        lines = [f"**{self.title}**", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row(row) for row in self.rows]
        return "\n".join([*lines, "", self.note] if self.note else lines)

    def plain(self) -> str:
        """Return the table for a terminal."""
        cells = [self.columns, *self.rows]
        widths = [max(len(row[n]) for row in cells) for n in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        return "\n".join([self.title, *lines])


@dataclass(frozen=True, slots=True)
class Target:
    """One promise of the issue, and whether it was kept. is_met: None where it sets no number."""

    promise: str
    measured: str
    is_met: bool | None

    @property
    def word(self) -> str:
        """PASS, FAIL, or REPORTED where nothing was promised but the figure itself."""
        return "REPORTED" if self.is_met is None else "PASS" if self.is_met else "FAIL"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one benchmark found."""

    targets: tuple[Target, ...]
    tables: tuple[Table, ...]


def run(
    name: str,
    measure: Callable[[argparse.Namespace], Outcome],
    *,
    about: str,
    options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Measure, print, and with --write put the result into docs/benchmarks.md.

    Returns the exit status: 0 also where a target is missed, 1 where nothing could be measured.
    """
    parser = argparse.ArgumentParser(prog=f"benchmarks/{name}.py", description=about)
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="a tiny run, to see that it works")
    if options is not None:
        options(parser)
    arguments = parser.parse_args()
    if arguments.quick and arguments.write:
        parser.error("--quick measures too little to be written down")
    try:
        outcome = measure(arguments)
    except (MeasurementError, OSError) as error:
        print(f"{name}: could not measure: {error}", file=sys.stderr)
        return 1
    for table in outcome.tables:
        print(table.plain(), table.note, sep="\n", end="\n\n")
    for target in outcome.targets:
        print(f"{target.word}  {target.promise}: {target.measured}")
    if arguments.write:
        _write(name, outcome)
    return 0


def _write(name: str, outcome: Outcome) -> None:
    rows = tuple((one.promise, one.measured, one.word) for one in outcome.targets)
    summary = Table("Targets", ("what it must reach", "measured", "verdict"), rows)
    command = " ".join(
        [f".venv/bin/python benchmarks/{name}.py", *(a for a in sys.argv[1:] if a != "--write")]
    )
    blocks = [summary.markdown(), *(table.markdown() for table in outcome.tables)]
    blocks.append(f"Command: `{command}` · commit `{_commit()}`  \nMachine: {machine()}")
    text = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise MeasurementError(f"{PAGE.name} has no markers '{begin}' and '{end}'")
    body = "\n\n".join(blocks)
    PAGE.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}", encoding="utf-8")
    print(f"written to {PAGE.relative_to(ROOT)}")


def machine() -> str:
    """Return what the figures were measured on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores, {processor()}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; {versions}"
    )


def _commit() -> str:
    """Return the commit, marked where the code differs from it; the page itself does not count."""
    ask = ["git", "-C", str(ROOT)]
    done = subprocess.run(
        [*ask, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return "unknown"
    changed = subprocess.run(
        [*ask, "status", "--porcelain", "--", ".", f":!{PAGE.relative_to(ROOT)}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() + (" with local changes" if changed.stdout.strip() else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
