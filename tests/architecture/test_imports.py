"""Who may import whom, and who may read a clock."""

import ast
import subprocess
import sys

# each has a clock of its own: the simulator shares nothing with what it checks
CLOCKS = {"realtime/clock.py", "simulators/clock.py"}
CLOCK_CALLS = {"now", "utcnow", "today"}


def test_the_import_contracts_hold(root):
    # pyproject.toml holds them; the cache would be written by two test processes at once
    command = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kept, 0 broken" in done.stdout


def test_only_the_clock_modules_read_a_clock(product):
    readers = {path for path, tree in product.items() if _reads_a_clock(tree)}
    assert readers <= CLOCKS, readers - CLOCKS
    assert "realtime/clock.py" in readers, "the test no longer sees a clock where there is one"


def test_nothing_imports_itself_in_a_circle_of_packages(product):
    # siblings never meet; the contracts say so too, this one needs no import-linter
    for package in ("recon", "thermometry", "motion"):
        others = {"recon", "thermometry", "motion", "realtime", "simulators"} - {package}
        for path, tree in product.items():
            if path.startswith(f"{package}/"):
                assert not _imported(tree) & others, path


def _imported(tree):
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def _reads_a_clock(tree):
    return "time" in _imported(tree) or any(
        isinstance(node, ast.Attribute)
        and node.attr in CLOCK_CALLS
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
        for node in ast.walk(tree)
    )
