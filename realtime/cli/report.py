"""`mrmonitor report`: report.html of a run folder."""

from pathlib import Path

import click

from realtime.outputs.report import main_figure, write_report


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--figure", type=click.Path(path_type=Path), help="Write the main figure as PNG too.")
def report(run: Path, figure: Path | None) -> None:
    """Write report.html from a run folder.

    The folder of a run that was cut off gives a report that says what is missing.
    """
    click.echo(f"report: {write_report(run)}")
    if figure is not None:
        main_figure(run, figure)
        click.echo(f"figure: {figure}")
