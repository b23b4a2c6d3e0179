"""What a command says of a recording that it has played to a server."""

import click

from messages import MonitorError
from realtime.streams.player import PlayerSummary


def tell_played(played: PlayerSummary) -> None:
    """Print what came back. Raises MonitorError where the server refused, or anything went wrong.

    The server's ERROR is the command's own error, and so is told once.
    """
    refused = next((text for text in played.texts if text.startswith("ERROR")), "")
    for text in played.texts:
        if text != refused:
            click.echo(text)
    click.echo(
        f"{played.n_readouts} readouts sent ({played.pacing}), {played.n_images} images back"
    )
    if refused:
        raise MonitorError(f"the server refused: {refused.removeprefix('ERROR').strip()}")
    if played.problem:
        raise MonitorError(played.problem)
