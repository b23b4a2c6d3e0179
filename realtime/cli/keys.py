"""`mrmonitor keys`: key pairs, and who may connect to a monitor that listens on a network."""

from pathlib import Path

import click

from messages import MonitorError
from realtime.security import keys as pairs

_FOLDER = click.Path(path_type=Path, file_okay=False)
_KEY_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def keys() -> None:
    """Make and show key pairs, and say who may connect to a monitor.

    Monitor and client each have a folder. `new` makes a pair in it and prints its public half; the
    monitor allows a client's, the client is told the monitor's.
    """


@keys.command()
@click.argument("folder", type=_FOLDER)
@click.option("--server", type=_KEY_FILE, help="A client's: file with the monitor's public key.")
def new(folder: Path, server: Path | None) -> None:
    """Make a pair in FOLDER: a monitor's, or with --server a client's."""
    trusted = None if server is None else pairs.read_public(server)
    pair = pairs.new_pair(folder)
    if trusted is not None:
        pairs.trust_server(folder, trusted)
    click.echo(f"{folder / 'own.key'}  fingerprint {pairs.fingerprint(pair.public)}")


@keys.command()
@click.argument("folder", type=_FOLDER)
def show(folder: Path) -> None:
    """Print the public key in FOLDER, as a file that the other side can be given."""
    pair = pairs.read_pair(folder)
    click.echo((folder / "own.key").read_text(encoding="ascii"), nl=False)
    click.echo(f"fingerprint {pairs.fingerprint(pair.public)}", err=True)


@keys.command()
@click.argument("folder", type=_FOLDER)
@click.argument("name")
@click.argument("key", type=_KEY_FILE)
def allow(folder: Path, name: str, key: Path) -> None:
    """Let the client whose public key lies in the file KEY in, under a NAME.

    A monitor that runs knows it at the next connection.
    """
    public = pairs.read_public(key)
    pairs.read_pair(folder)
    click.echo(f"{pairs.allow(folder, name, public)}  fingerprint {pairs.fingerprint(public)}")


@keys.command("list")
@click.argument("folder", type=_FOLDER)
def list_(folder: Path) -> None:
    """Print who may connect to the monitor whose keys lie in FOLDER."""
    pairs.read_pair(folder)
    for file in sorted((folder / pairs.ALLOWED).glob("*.key")):
        try:
            told = f"fingerprint {pairs.fingerprint(pairs.read_public(file))}"
        except MonitorError:
            told = "is no public key and lets nobody in"
        click.echo(f"{file.stem}  {told}")


@keys.command()
@click.argument("folder", type=_FOLDER)
@click.argument("name")
def revoke(folder: Path, name: str) -> None:
    """Let NAME in no more: refused at its next connection; one that stands is not cut."""
    pairs.revoke(folder, name)
    click.echo(f"{name} is revoked; restart the monitor to cut a connection that stands")
