"""The list of commands is light, and says what this software is not."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from realtime.cli import COMMANDS, main


def test_help_lists_every_command_and_says_that_it_is_no_interlock():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "not a safety interlock" in " ".join(result.output.split())
    assert all(f"  {name} " in result.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_that_begins_as_the_list_says(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert COMMANDS[name].split()[0] in result.output


def test_help_waits_for_no_heavy_import():
    code = (
        "import sys, realtime.cli\n"
        "try: realtime.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'sigpy', 'zmq', 'rich', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_unknown_command_is_a_usage_error():
    assert CliRunner().invoke(main, ["nosuch"]).exit_code == 2
