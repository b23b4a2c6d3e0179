"""What the commands print with: figures on stdout, all else on stderr."""

from rich.console import Console
from rich.table import Table


def console(*, is_error: bool = False) -> Console:
    """Return a console; colours only on a terminal, and no text from outside is read as markup."""
    return Console(stderr=is_error, highlight=False, markup=False)


def facts_table(title: str, rows: list[tuple[str, str]]) -> Table:
    """Return a table of two columns: what, and how much."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def number(value: float | None, unit: str, *, digits: int = 2) -> str:
    """Return a number with its unit, a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f} {unit}"


def counted(n: int, what: str) -> str:
    """Return a number of things: 1 frame, 2 frames."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
