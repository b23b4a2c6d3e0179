import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path for path in (ROOT / "benchmarks").glob("*.py") if not path.name.startswith("_")
)
PAGE = ROOT / "docs" / "benchmarks.md"
# Whose --quick takes half a minute and more, and together more than CI has: these only show that
# they can be started; `make bench BENCH_OPTIONS=--quick` runs them.
LONG = {
    "batch", "closed_loop", "dose", "endurance", "motion", "mutation", "page", "peers",
    "reconstruction", "report", "soak", "start", "tails", "temperature", "thermometry",
    "watchdog",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "script", [one for one in SCRIPTS if one.stem not in LONG], ids=lambda path: path.stem
)
def test_a_benchmark_prints_its_table_and_a_verdict(script):
    before = PAGE.read_bytes()
    done = subprocess.run(
        [sys.executable, str(script), "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^(PASS|FAIL|REPORTED)  \S", done.stdout, re.MULTILINE)
    table = done.stdout.partition("\n\n")[0].splitlines()
    assert len(table) >= 3, "a title, columns and at least one row"
    assert PAGE.read_bytes() == before, "--quick measures too little to be written down"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LONG))
def test_a_long_benchmark_can_be_started(name):
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "--write" in done.stdout


def test_the_page_has_a_place_for_each_benchmark():
    text = PAGE.read_text(encoding="utf-8")
    places = re.findall(r"<!-- (\w+) begin -->.*?<!-- \1 end -->", text, re.DOTALL)
    assert sorted(places) == [script.stem for script in SCRIPTS]


def test_every_published_verdict_agrees_with_its_figure():
    # a table that was edited by hand, or a script that judged wrongly, would show here
    rows = re.findall(
        r"\| standardised error .*? std ([\d.]+)–([\d.]+).*?\| ([\d.]+);.*?\| (\w+) \|",
        PAGE.read_text(encoding="utf-8"),
    )
    for low, high, measured, verdict in rows:
        assert (float(low) <= float(measured) <= float(high)) == (verdict == "PASS")
