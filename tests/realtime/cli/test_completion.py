"""A shell completes commands and options, at once: no command is imported for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from realtime.cli import COMMANDS, main

NAMES = {"bash": "complete -o", "zsh": "#compdef mrmonitor", "fish": "complete --no-files"}


def script(shell):
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("shell", NAMES)
def test_each_shell_gets_its_script_and_reads_it(shell):
    told = script(shell)
    assert NAMES[shell] in told
    assert "_MRMONITOR_COMPLETE" in told
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=told, text=True, check=True, timeout=20)


def test_another_shell_is_a_usage_error_that_names_the_known():
    result = CliRunner().invoke(main, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "fish" in result.output


def asked(words, number, code="realtime.cli.main()"):
    """What the program answers a shell that completes its command line."""
    environment = os.environ | {
        "_MRMONITOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number),
    }  # fmt: skip
    program = f"import sys; sys.argv = ['mrmonitor']; import realtime.cli; {code}"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=50
    )
    return done.stdout.split()


def test_commands_are_completed_without_importing_any():
    code = (
        "exec('try: realtime.cli.main()\\nexcept SystemExit: pass'); "
        "print([m for m in ('numpy', 'zmq', 'rich') if m in sys.modules])"
    )
    found = asked("mrmonitor se", 1, code)
    assert found == [*(f"plain,{one}" for one in COMMANDS if one.startswith("se")), "[]"]


def test_options_of_a_command_are_completed():
    assert "plain,--speed" in asked("mrmonitor send --sp", 2)
    assert "plain,--version" in asked("mrmonitor --v", 1)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_with_the_script(tmp_path):
    (tmp_path / "mrmonitor").write_text(
        f"#!{sys.executable}\nimport sys; sys.argv[0] = 'mrmonitor'\n"
        "from realtime.cli import main\nmain()\n"
    )
    (tmp_path / "mrmonitor").chmod(0o755)
    typed = "COMP_WORDS=(mrmonitor ack); COMP_CWORD=1; _mrmonitor_completion mrmonitor"
    done = subprocess.run(
        ["bash", "-c", f"{script('bash')}\n{typed}; echo ${{COMPREPLY[@]}}"],
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout.split() == ["acknowledge"], done.stderr
