"""`mrmonitor acknowledge`: a person has seen an alert."""

from pathlib import Path

import click

from realtime.cli.open_host import keys_option
from realtime.control_line import ask


@click.command()
@click.argument("alert_id", type=click.IntRange(min=0))
@click.option("--who", required=True, help="Who has seen it; goes into the journal.")
@click.option("--control", default="tcp://127.0.0.1:9005", show_default=True)
@keys_option
def acknowledge(alert_id: int, who: str, control: str, keys: Path | None) -> None:
    """Tell a running monitor that a person has seen an alert.

    A latched alert holds the permit until it is acknowledged and its condition is gone.
    """
    ask(control, {"type": "acknowledge", "alert_id": alert_id, "who": who}, keys=keys)
    click.echo(f"alert {alert_id} acknowledged by {who}")
