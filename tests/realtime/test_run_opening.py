"""What a client may name as its configuration: an installed protocol, and never a file."""

import pytest

from messages import MonitorError
from realtime.protocol import load_protocol
from realtime.run_opening import choose_protocol
from tests.harness import PROTOCOL, small_protocol

ELSEWHERE = PROTOCOL.format(deadline_ms=1, lease_ms=60_000, stall_ms=1)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Protocol files where a path would find them, and a link to one."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for name in ("other.toml", "in/mine.toml", "mrgfus-demo.toml", "in/mrgfus-demo.toml"):
        (tmp_path / name).write_text(ELSEWHERE)
    (tmp_path / "in" / "link.toml").symlink_to(tmp_path / "other.toml")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["../other", "../other.toml", "../mrgfus-demo.toml", "{0}/other.toml", "mine.toml",
     "link.toml", "link", "this", "/etc/passwd", "", ".", "..", "a\x00b", "x" * 1023],
)  # fmt: skip
def test_a_path_a_link_and_a_module_are_no_protocols(files, name):
    asked = name.format(files)
    with pytest.raises(MonitorError, match="is none of the installed protocols") as caught:
        choose_protocol(None, asked, is_chosen=False)
    assert "\n" not in str(caught.value)
    given = small_protocol()
    assert choose_protocol(given, asked, is_chosen=False) is given


@pytest.mark.parametrize("name", ["mrgfus-demo", "mrgfus-demo.xml"])
def test_an_installed_name_is_the_installed_one_whatever_lies_beside(files, name):
    chosen = choose_protocol(None, name, is_chosen=False)
    assert chosen.text == load_protocol("mrgfus-demo").text
