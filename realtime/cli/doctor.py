"""`mrmonitor doctor`: what this machine is fit for, and what will limit latency on it."""

from dataclasses import asdict
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from messages import MonitorError
from realtime.cli.console import console
from realtime.cli.doctor_finding import Finding
from realtime.cli.doctor_install import installed
from realtime.cli.doctor_machine import machine
from realtime.cli.doctor_rehearsal import rehearsed

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_NOTHING = "nothing that was looked at: the computing itself; `mrmonitor latency` measures it"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--json", "is_json", is_flag=True, help="Print the findings as JSON.")
def doctor(out: Path, is_json: bool) -> None:
    """Look over this machine and say what it is fit for.

    Three seconds are spent measuring how late the machine wakes a program, how long an FFT takes
    and how fast --out is written. Exit status 1 if something that the monitor cannot do without is
    missing.
    """
    findings = [*installed(out), *machine(), *rehearsed()]
    limits = [one.costs for one in findings if one.costs and one.state != "ok"] or [_NOTHING]
    if is_json:
        report = {"findings": [asdict(one) for one in findings], "what_limits_latency": limits}
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(findings, limits, console())
    failed = [one.what for one in findings if one.state == "fail"]
    if failed:
        raise MonitorError(f"cannot do without: {', '.join(failed)}")


def _print(findings: list[Finding], limits: list[str], out: Console) -> None:
    table = Table("", "what", "found", title="This machine", title_justify="left")
    for one in findings:
        table.add_row(Text(one.state, style=_COLOURS[one.state]), one.what, one.text)
    out.print(table)
    out.print("What will limit latency here:", style="bold")
    for limit in limits:
        out.print(f"  - {limit}")
