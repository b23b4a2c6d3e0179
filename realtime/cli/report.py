"""`mrmonitor report`: report.html and report.pdf of a run folder."""

import shutil
from pathlib import Path

import click

from messages import MonitorError
from realtime.outputs.report import main_figure, write_report


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--figure", type=click.Path(path_type=Path), help="Write the main figure as PNG too.")
@click.option("--truth", type=click.Path(path_type=Path), help="What `simulate --truth` wrote.")
@click.option("--no-pdf", is_flag=True, help="Write report.html alone.")
def report(run: Path, figure: Path | None, truth: Path | None, no_pdf: bool) -> None:
    """Write report.html and report.pdf from a run folder.

    The folder of a run that was cut off gives a report that says what is missing. --truth is
    copied into the folder, as truth.h5, and compared with what was measured.
    """
    if truth is not None:
        _keep_truth(truth, run)
    click.echo(f"report: {write_report(run, with_pdf=not no_pdf)}")
    if not no_pdf:
        click.echo(f"pdf: {run / 'report.pdf'}")
    if figure is not None:
        main_figure(run, figure)
        click.echo(f"figure: {figure}")


def _keep_truth(truth: Path, run: Path) -> None:
    try:
        shutil.copyfile(truth, run / "truth.h5")
    except shutil.SameFileError:
        return
    except OSError as error:
        raise MonitorError(f"{truth}: cannot be copied to {run}: {error.strerror}") from error
