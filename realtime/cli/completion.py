"""`mrmonitor completion`: what makes a shell complete our commands and options."""

import click
from click.shell_completion import get_completion_class

_NAME = "mrmonitor"
_VARIABLE = "_MRMONITOR_COMPLETE"  # click looks for it: the program's name, in capitals


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands and options.

    Bash: `mrmonitor completion bash > ~/.local/share/bash-completion/completions/mrmonitor`. Zsh:
    into a file `_mrmonitor` in a folder of `fpath`. Fish: into
    `~/.config/fish/completions/mrmonitor.fish`.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"this release of click knows nothing of {shell}")
    click.echo(kind(context.find_root().command, {}, _NAME, _VARIABLE).source())
