"""Pieces of HTML; every text that comes from outside is escaped here."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

CSS = """
:root { --ink:#1d2733; --quiet:#5b6b7b; --line:#e3e8ee; --paper:#fff; --back:#f4f6f9;
  --good:#0f766e; --bad:#b42318; --accent:#1d4ed8; }
* { box-sizing:border-box }
body { margin:0; background:var(--back); color:var(--ink);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif }
main { max-width:1180px; margin:0 auto; padding:0 20px 60px }
.notice { background:#fff4e5; border-bottom:1px solid #f5d9ad; color:#7a4a00; text-align:center;
  padding:8px 20px; font-size:14px }
header { padding:26px 0 10px }
h1 { font-size:27px; line-height:1.2; margin:0 0 4px; letter-spacing:-.01em }
h2 { font-size:18px; margin:0 0 12px }
.sub { color:var(--quiet); margin:0 }
.status { display:inline-block; border-radius:999px; padding:1px 11px; font-size:13px;
  font-weight:600; color:#fff; background:var(--bad); vertical-align:4px; margin-left:8px }
.status.completed { background:var(--good) }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(165px,1fr)); gap:12px;
  margin:18px 0 }
.card { background:var(--paper); border:1px solid var(--line); border-radius:10px;
  padding:12px 15px }
.card b { display:block; font-size:23px; line-height:1.25; font-variant-numeric:tabular-nums }
.card span { color:var(--quiet); font-size:13px }
.card small { color:var(--quiet); font-size:12.5px; display:block }
section { background:var(--paper); border:1px solid var(--line); border-radius:10px;
  padding:18px 20px; margin:0 0 16px }
figure { margin:0 }
figure img { width:100%; height:auto; display:block }
figcaption, .note { color:var(--quiet); font-size:13.5px; margin:8px 0 0 }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums }
th { text-align:left; color:var(--quiet); font-weight:600; font-size:13px }
th, td { padding:6px 12px 6px 0; border-bottom:1px solid var(--line); vertical-align:top }
tr:last-child td { border-bottom:0 }
td.n, th.n { text-align:right }
td .note { margin:2px 0 0 }
td code { font-size:13px; overflow-wrap:anywhere }
.high { color:var(--bad); font-weight:600 } .medium { color:#b45309; font-weight:600 }
.low { color:var(--accent); font-weight:600 }
.missing { border-color:#f5d9ad; background:#fffaf2 }
.split { display:grid; grid-template-columns:1fr 1fr; gap:0 34px }
@media (max-width:760px) { .split { grid-template-columns:1fr } }
@media print { body { background:#fff } section, .card { break-inside:avoid } }
"""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(text: object) -> str:
    """Return a text as HTML: escaped, unless it is markup of ours."""
    return text if isinstance(text, Markup) else escape(str(text))


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole page that asks nothing of anybody."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{safe(title)}</title><style>{CSS}</style></head>\n<body>"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def section(title: str, *parts: str, kind: str = "") -> str:
    """Return a section with a heading."""
    return f'<section class="{safe(kind)}"><h2>{safe(title)}</h2>{"".join(parts)}</section>'


def note(text: str) -> str:
    """Return a quiet line of text."""
    return f'<p class="note">{safe(text)}</p>'


def picture(png: bytes, *, alt: str, caption: str) -> str:
    """Return a figure with its pixels in the page."""
    pixels = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{safe(alt)}" src="data:image/png;base64,{pixels}">'
        f"<figcaption>{safe(caption)}</figcaption></figure>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers_from: int = 99) -> str:
    """Return a table; columns from `numbers_from` on are set flush right."""

    def cells(tag: str, row: Sequence[object]) -> str:
        return "".join(
            f"<{tag}{' class=n' if index >= numbers_from else ''}>{safe(cell)}</{tag}>"
            for index, cell in enumerate(row)
        )

    top = f"<thead><tr>{cells('th', head)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{top}<tbody>{body}</tbody></table>"


def card(value: str, label: str, detail: str = "") -> str:
    """Return one figure that a reader looks for first."""
    small = f"<small>{safe(detail)}</small>" if detail else ""
    return f'<div class="card"><span>{safe(label)}</span><b>{safe(value)}</b>{small}</div>'
