"""The command line, one file a command; each is imported only when it is asked for."""

from importlib import import_module

import click
from click.shell_completion import CompletionItem

# name → one line of help; the file of a command has its name, and so has its function
COMMANDS = {
    "demo": "Run a simulated treatment through the whole system and report it.",
    "replay": "Play a recording of raw data through the monitor into a run folder.",
    "batch": "Compute an archive of recordings again, into one table and one picture.",
    "serve": "Serve scanners over MRD until stopped.",
    "simulate": "Play a simulated treatment to a file or a monitor.",
    "send": "Play a recording to any MRD server and tell what comes back.",
    "deidentify": "Write a copy of a recording that may be shared.",
    "latency": "Measure how long a verdict takes on this machine.",
    "check": "Read a treatment protocol strictly and say what it means.",
    "watch": "Show permit, verdicts and alerts of a running monitor.",
    "acknowledge": "Tell a running monitor that a person has seen an alert.",
    "report": "Write report.html and report.pdf from a run folder.",
    "review": "Show a finished run on the page, with a time line to scrub.",
    "dicom": "Write or send a finished run as DICOM.",
    "rtdose": "Write the dose that an MR-linac's run delivered as DICOM RTDOSE.",
    "keys": "Make key pairs and say who may connect over a network.",
    "doctor": "Look over this machine and say what it is fit for.",
    "schema": "Write the JSON schema of the protocol file, for editors.",
    "completion": "Print the script that makes a shell complete commands and options.",
}

NOTICE = "Research software, not a safety interlock: the therapy device's own interlock stays."
_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


class _LazyGroup(click.Group):
    """Imports a command when it is called; the list of commands costs no import at all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"realtime.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return commands and options that begin so; no command is imported for its help."""
        named = [
            CompletionItem(name, help=about)
            for name, about in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what goes wrong is told in one line."""
        from messages import MonitorError  # numpy comes with it, and --help must not wait for that

        try:
            return super().invoke(ctx)
        except MonitorError as error:
            raise click.ClickException(_one_line(str(error))) from error
        except (OSError, EOFError) as error:
            raise click.ClickException(_one_line(_about_file(error))) from error
        except KeyboardInterrupt:
            return ctx.exit(_INTERRUPTED)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mr-therapy-monitor", prog_name="mrmonitor")
def main() -> None:
    """Watch an MR-guided therapy in real time: raw data in, temperature and alerts out.

    Research software, not a safety interlock: the therapy device's own interlock stays.
    """


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _about_file(error: OSError | EOFError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
