"""An output's own keys are whole, whenever its first start was cut off."""

import pytest

from realtime.cli.companion import own_keys
from realtime.security import keys as pairs

CLIENT = "mrmonitor-page"


@pytest.fixture
def keys(tmp_path):
    pairs.new_pair(tmp_path / "keys")
    return tmp_path / "keys"


def is_let_in(keys):
    folder = own_keys(keys, "page")
    allowed = pairs.read_public(pairs.allowed_file(keys, CLIENT))
    own = pairs.read_pair(folder).public
    return allowed == own and pairs.trusted_server(folder) == pairs.read_pair(keys).public


def test_they_are_made_once(keys):
    assert is_let_in(keys)
    before = pairs.read_pair(keys / "page")
    assert is_let_in(keys)
    assert pairs.read_pair(keys / "page") == before


@pytest.mark.parametrize("n_steps", [0, 1, 2])
def test_a_first_start_that_was_cut_off_is_made_good(keys, n_steps):
    folder = keys / "page"
    folder.mkdir()
    if n_steps:
        pair = pairs.new_pair(folder)
    if n_steps == 2:
        pairs.allow(keys, CLIENT, pair.public)
    assert is_let_in(keys)


def test_who_was_shut_out_stays_out(keys):
    own_keys(keys, "page")
    pairs.revoke(keys, CLIENT)
    own_keys(keys, "page")
    assert not pairs.allowed_file(keys, CLIENT).exists()


def test_a_monitor_s_new_pair_is_trusted(keys):
    own_keys(keys, "page")
    for name in ("own.key", "own.key_secret"):
        (keys / name).unlink()
    pairs.new_pair(keys)
    assert is_let_in(keys)
