"""`mrmonitor rtdose`: the delivered dose of a finished run as RTDOSE."""

from pathlib import Path

import click

from messages import StructureDose
from realtime.cli.console import console, facts_table
from realtime.outputs.delivered_dose import (
    FILE,
    delivered_grid,
    structure_doses,
    write_delivered,
)
from realtime.outputs.report_dose_curves import FIGURE_NAMES
from realtime.outputs.report_linac_tables import last_dose
from realtime.outputs.report_motion_record import DoseRow
from realtime.outputs.report_record import read_run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help=f"Default: {FILE} in the run folder.")
def rtdose(run: Path, out: Path | None) -> None:
    """Write the dose that an MR-linac's run delivered as DICOM RTDOSE.

    Computed from the run folder: motion.csv, beams.csv and the plan that protocol.toml names. The
    grid moves rigidly with the target: near the target it is the tissue's dose, elsewhere it is
    not. Research use only.
    """
    record = read_run(run)
    try:
        delivered = delivered_grid(record)
        path = out or run / FILE
        write_delivered(record, delivered, path)
        on_line = {row.structure: row for row in last_dose(record)}
    finally:
        record.close()
    found = structure_doses(delivered.gy, delivered.plan)
    rows = [(f"dose of {one.name}", _compared(one, on_line.get(one.name))) for one in found]
    units = f"{delivered.mu:.1f} of {delivered.plan.planned_mu:.1f}"
    console().print(facts_table("Delivered dose, research use only", [("units", units), *rows]))
    click.echo(f"delivered dose: {path}")


def _compared(dose: StructureDose, on_line: DoseRow | None) -> str:
    """Say a structure's first figure, and what was counted during the run."""
    figure = "d98_gy" if dose.role == "target" else "d2_gy"
    text = f"{FIGURE_NAMES[figure]} {getattr(dose, figure):.2f} Gy"
    return text if on_line is None else f"{text}, during the run {on_line.so_far[figure]:.2f} Gy"
