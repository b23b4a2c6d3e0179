"""Keys as files: who can read them, who is let in by them, and what the command says."""

import os
import shutil

import pytest
import zmq
import zmq.auth
from click.testing import CliRunner
from zmq.utils import z85

from messages import MonitorError
from realtime.cli import main
from realtime.security import keys
from realtime.security.allow_list import AllowList


def run(*arguments):
    return CliRunner().invoke(main, ["keys", *map(str, arguments)])


@pytest.fixture
def folders(tmp_path):
    """A monitor's folder and a client's, which the monitor does not know yet."""
    assert run("new", tmp_path / "monitor").exit_code == 0
    made = run("new", tmp_path / "client", "--server", tmp_path / "monitor" / "own.key")
    assert made.exit_code == 0, made.output
    return tmp_path / "monitor", tmp_path / "client"


def test_a_secret_is_for_its_owner_alone(folders):
    for folder in folders:
        assert (folder / "own.key_secret").stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_can_read_is_refused(folders, mode):
    (folders[0] / "own.key_secret").chmod(mode)
    with pytest.raises(MonitorError, match=r"others can read it .*expected 0600"):
        keys.read_pair(folders[0])


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o702])
def test_a_folder_that_others_can_write_to_is_refused(folders, mode):
    folders[0].chmod(mode)
    with pytest.raises(MonitorError, match=r"others can write to it .*expected 0700"):
        keys.refuse_writable(folders[0])


@pytest.mark.parametrize(
    ("name", "judge"), [("", keys.refuse_writable), ("own.key_secret", keys.read_pair)]
)
def test_what_belongs_to_another_user_is_refused(folders, monkeypatch, name, judge):
    """Its owner could read it, or let anybody in, whatever its mode."""
    path = folders[0] / name
    if os.getuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(MonitorError, match="belongs to user"):
        judge(folders[0])


def test_no_key_is_ever_overwritten(folders):
    before = (folders[0] / "own.key_secret").read_bytes()
    again = run("new", folders[0])
    assert again.exit_code == 1
    assert "never overwritten" in again.output
    assert (folders[0] / "own.key_secret").read_bytes() == before


def test_no_command_tells_a_secret(folders):
    monitor, client = folders
    told = [run("allow", monitor, "console", client / "own.key"), run("show", client)]
    told += [run("list", monitor), run("revoke", monitor, "console"), run("list", monitor)]
    assert all(one.exit_code == 0 for one in told), [one.output for one in told]
    secrets = [keys.read_pair(folder).secret.decode() for folder in folders]
    output = "".join(one.output for one in told)
    assert not [secret for secret in secrets if secret in output]
    assert keys.fingerprint(keys.read_pair(client).public) in told[2].output
    assert "console" not in told[4].output
    assert "secret=" not in repr(keys.read_pair(client))


def test_other_programs_read_the_files(folders):
    public, secret = zmq.auth.load_certificate(folders[0] / "own.key_secret")
    assert keys.KeyPair(public, secret) == keys.read_pair(folders[0])


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "", ".hidden", "x" * 65, "a\n"])
def test_a_name_stays_in_the_folder(folders, name):
    for arguments in (
        ("allow", folders[0], name, folders[1] / "own.key"),
        ("revoke", folders[0], name),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "expected letters" in result.output


def test_the_list_follows_its_folder(folders, tmp_path):
    monitor, client = folders
    key = z85.decode(keys.read_pair(client).public)
    allowed = AllowList(monitor / "allowed")
    assert not allowed.permits(key)  # no folder, nobody
    keys.allow(monitor, "console", keys.read_pair(client).public)
    assert allowed.permits(key)
    assert not allowed.permits(bytes(32))
    keys.revoke(monitor, "console")
    assert not allowed.permits(key)
    keys.allow(monitor, "again", keys.read_pair(client).public)
    assert allowed.permits(key)
    shutil.rmtree(monitor / "allowed")
    assert not allowed.permits(key)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b'public-key = "short"', b"x" * 10**6])
def test_a_file_that_is_no_key_lets_nobody_in_and_keeps_nobody_out(folders, content):
    monitor, client = folders
    keys.allow(monitor, "console", keys.read_pair(client).public)
    (monitor / "allowed" / "bad.key").write_bytes(content)
    assert AllowList(monitor / "allowed").permits(z85.decode(keys.read_pair(client).public))
    assert "is no public key" in run("list", monitor).output


@pytest.mark.parametrize("what", ["absent", "garbage", "no server"])
def test_what_is_no_key_folder_is_told_in_one_line(folders, tmp_path, what):
    folder = folders[1]
    if what == "absent":
        folder = tmp_path / "nowhere"
    elif what == "garbage":
        (folder / "own.key_secret").write_bytes(os.urandom(200))
    else:
        (folder / "server.key").unlink()
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
        pytest.raises(MonitorError) as error,
    ):
        keys.secure_client(socket, folder)
    assert len(str(error.value).splitlines()) == 1
    assert str(folder) in str(error.value)
