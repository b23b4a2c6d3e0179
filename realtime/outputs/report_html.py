"""A report as one page of HTML that asks nothing of anybody; every text is escaped here."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from realtime.outputs.report_blocks import Block, Card, Cell, Note, Picture, Report, Section, Table

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
.sub { color:var(--quiet); margin:0; overflow-wrap:anywhere }
.sub code { font-size:13px; color:var(--ink) }
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
section > * + figure, section > * + .scroll { margin-top:14px }
.scroll { overflow-x:auto }
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
@media print { body { background:#fff } figure, tr, .card { break-inside:avoid }
  h2 { break-after:avoid } thead { display:table-header-group } }
"""


def html(report: Report) -> str:
    """Return the whole page."""
    body = [
        f'<div class="notice">{escape(report.notice)}</div><main>',
        _heading(report),
        f'<div class="cards">{"".join(_card(one) for one in report.cards)}</div>',
        *(_section(one) for one in report.sections),
        "</main>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(report.run_id)} · mrmonitor report</title><style>{CSS}</style></head>\n"
        "<body>" + "\n".join(body) + "\n</body></html>\n"
    )


def _heading(report: Report) -> str:
    kind = "status completed" if report.is_complete else "status"
    lines = [escape(one) for one in (report.when, report.protocol) if one]
    if report.protocol_hash:
        lines[-1] += f" · protocol hash <code>{escape(report.protocol_hash)}</code>"
    return (
        f'<header><h1>Run {escape(report.run_id)}<span class="{kind}">{escape(report.status)}'
        f"</span></h1>{''.join(f'<p class=sub>{line}</p>' for line in lines)}</header>"
    )


def _card(card: Card) -> str:
    small = f"<small>{escape(card.detail)}</small>" if card.detail else ""
    return (
        f'<div class="card"><span>{escape(card.label)}</span><b>{escape(card.value)}</b>{small}'
        "</div>"
    )


def _section(section: Section) -> str:
    kind = ' class="missing"' if section.is_warning else ""
    blocks = "".join(_block(one) for one in section.blocks)
    return f"<section{kind}><h2>{escape(section.title)}</h2>{blocks}</section>"


def _block(block: Block) -> str:
    if isinstance(block, Note):
        return f'<p class="note">{escape(block.text)}</p>'
    return _table(block) if isinstance(block, Table) else _picture(block)


def _picture(picture: Picture) -> str:
    pixels = base64.b64encode(picture.png).decode()
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return (
        f'<figure><img alt="{escape(picture.alt)}" src="data:image/png;base64,{pixels}">'
        f"{caption}</figure>"
    )


def _table(table: Table) -> str:
    """Return a table; columns from `numbers_from` on are set flush right."""

    def cells(tag: str, row: Sequence[object]) -> str:
        return "".join(
            f"<{tag}{' class=n' if index >= table.numbers_from else ''}>{_cell(cell)}</{tag}>"
            for index, cell in enumerate(row)
        )

    top = f"<thead><tr>{cells('th', table.head)}</tr></thead>" if table.head else ""
    columns = _columns(table.widths)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in table.rows)
    return f'<div class="scroll"><table>{columns}{top}<tbody>{body}</tbody></table></div>'


def _columns(widths: Iterable[float]) -> str:
    found = "".join(f'<col style="width:{100 * width:.0f}%">' for width in widths)
    return f"<colgroup>{found}</colgroup>" if found else ""


def _cell(cell: object) -> str:
    if not isinstance(cell, Cell):
        return escape(str(cell))
    text = escape(cell.text)
    if cell.kind == "code":
        text = f"<code>{text}</code>"
    elif cell.kind:
        text = f'<span class="{cell.kind}">{text}</span>'
    return text + (f'<p class="note">{escape(cell.note)}</p>' if cell.note else "")
