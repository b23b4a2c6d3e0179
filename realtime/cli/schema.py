"""`mrmonitor schema`: what a protocol file may say, for editors."""

from pathlib import Path

import click
import msgspec

from realtime.protocol_schema import protocol_schema


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def schema(file: Path | None) -> None:
    """Write the JSON schema of the protocol file, for editors.

    To FILE, or to standard output. Name it in a protocol's first line, `#:schema FILE`, and an
    editor with taplo completes its keys and marks what is wrong.
    """
    text = msgspec.json.format(msgspec.json.encode(protocol_schema()), indent=2).decode()
    if file is None:
        click.echo(text)
    else:
        file.write_text(text + "\n", encoding="utf-8")
