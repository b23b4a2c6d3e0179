"""Whatever a user gives, the answer is one line and never a traceback."""

import pytest
from click.testing import CliRunner

from realtime.cli import main


@pytest.fixture
def bad(tmp_path):
    (tmp_path / "text.h5").write_text("not raw data")
    (tmp_path / "empty.mrd").write_bytes(b"")
    (tmp_path / "odd.toml").write_text('[protocol]\nname = "x"\nnonsense = 1\n')
    (tmp_path / "file").write_text("a file, no folder")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "run.json").write_text("{}")
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / "raw.mrd").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("check {0}/odd.toml", "nonsense"),
        ("check nosuch", "nosuch"),
        ("check mrgfus-demo --header {0}/text.h5", "text.h5"),
        ("replay {0}/text.h5 --protocol imaging --out {0}/o", "text.h5"),
        ("replay {0}/empty.mrd --protocol imaging --out {0}/o", "is empty"),
        ("replay {0}/nosuch.h5 --protocol imaging --out {0}/o", "No such file"),
        ("replay {0}/nosuch.h5 --protocol imaging --out {0}/o --speed fast", "speed 'fast'"),
        ("demo --out {0}/file", "is a file"),
        ("demo --out {0}/used", "holds a run already"),
        ("demo --out {0}/refused", "holds a run already"),
        ("demo --speed 0", "speed '0'"),
        ("report {0}/nosuch", "is no folder"),
        ("report {0}", "holds no run"),
        ("send {0}/text.h5 --to tcp://127.0.0.1:1", "text.h5"),
        ("simulate --to {0}/nosuch/x.h5 --frames 1 --matrix 16 --coils 1", "no folder"),
        ("simulate --to {0}/x.h5 --truth {0}/nosuch/t.h5 --frames 1 --matrix 16", "no folder"),
        ("simulate --to {0}/x.h5 --drop many", "--drop many"),
        ("simulate --to {0}/x.h5 --stall 3", "N:SECONDS"),
        ("simulate --to {0}/x.h5 --events-port 9004", "tcp://host:port"),
        ("simulate --to udp://1 --frames 1 --matrix 16 --coils 1", "udp://1"),
        ("serve --host 0.0.0.0", "unencrypted"),
        ("serve --host example.org", "unencrypted"),
        ("serve --host 127.0.0.1.example.org", "unencrypted"),
        ("serve --protocol nosuch", "nosuch"),
        ("watch --once --events nonsense", "nonsense"),
    ],
)
def test_one_line_and_status_1(bad, arguments, said):
    result = CliRunner().invoke(main, arguments.format(bad).split())
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert said in lines[0]


@pytest.mark.parametrize(
    "arguments", ["demo nosuch", "replay", "serve --port 70000", "latency --rate 0"]
)
def test_usage_errors_have_status_2(arguments):
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 2
    assert "Traceback" not in result.output
