"""CURVE key pairs in a folder: whose keys they are, and whom they trust.

    own.key_secret   the pair, for its owner alone (0600)
    own.key          its public half
    server.key       a client's: the monitor that it talks to
    allowed/NAME.key a monitor's: the clients that may come in

The files have the form of CZMQ and pyzmq (`zmq.auth`). A secret that others can read is no secret
and is refused, and so is what belongs to somebody else.
"""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from messages import MonitorError

ALLOWED = "allowed"
_SECRET, _PUBLIC, _SERVER = "own.key_secret", "own.key", "server.key"
_MAX_FILE_BYTES = 4096
_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, each half in Z85: 40 characters."""

    public: bytes
    secret: bytes = field(repr=False)


def new_pair(folder: Path) -> KeyPair:
    """Make a pair in a folder. Raises MonitorError where one is there: it would be lost."""
    pair = KeyPair(*zmq.curve_keypair())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(folder / _SECRET, _text(pair.public, pair.secret), mode=0o600)
        _write_new(folder / _PUBLIC, _text(pair.public), mode=0o644)
    except FileExistsError as error:
        raise MonitorError(f"{error.filename}: exists; keys are never overwritten") from error
    except OSError as error:
        raise MonitorError(f"{error.filename}: {error.strerror}") from error
    return pair


def read_pair(folder: Path) -> KeyPair:
    """Return the pair in a folder. Raises MonitorError where others can read the secret."""
    path = folder / _SECRET
    mode = _mode(path)
    if mode & _OTHERS:
        raise MonitorError(
            f"{path}: others can read it (mode {mode:04o}), expected 0600; whoever could read it "
            "has the key: make new ones with `mrmonitor keys new`"
        )
    text = _read(path)
    return KeyPair(_key(text, "public-key", path), _key(text, "secret-key", path))


def read_public(path: Path) -> bytes:
    """Return the public key in a file."""
    return _key(_read(path), "public-key", path)


def trust_server(folder: Path, public: bytes) -> None:
    """Note, in a client's folder, the key of the monitor that it talks to."""
    _replace(folder / _SERVER, _text(public))


def trusted_server(folder: Path) -> bytes | None:
    """Return the key of the monitor that a client's folder trusts, None where it trusts none."""
    path = folder / _SERVER
    return read_public(path) if path.exists() else None


def allow(folder: Path, name: str, public: bytes) -> Path:
    """Let a client in. Raises MonitorError where the name is taken or is none."""
    path = allowed_file(folder, name)
    if path.exists():
        raise MonitorError(f"{name!r} is allowed already; revoke it first, or take another name")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _replace(path, _text(public))
    return path


def revoke(folder: Path, name: str) -> None:
    """Let a client in no more; connections that stand are not cut."""
    try:
        allowed_file(folder, name).unlink()
    except FileNotFoundError as error:
        raise MonitorError(f"{name!r} is not among the allowed") from error


def allowed_file(folder: Path, name: str) -> Path:
    """Return the file of an allowed client, never one outside the folder."""
    if _NAME.fullmatch(name) is None:
        raise MonitorError(f"name {name!r}, expected letters, digits, dots and dashes, at most 64")
    return folder / ALLOWED / f"{name}.key"


def fingerprint(public: bytes) -> str:
    """Return 16 hex digits by which people compare keys."""
    return hashlib.sha256(public).hexdigest()[:16]


def secure_client(client: "zmq.Socket[bytes]", folder: Path | None) -> None:
    """Encrypt a client's socket with the keys in a folder, before it connects; None leaves it.

    Raises MonitorError where the folder does not hold a pair and the monitor's key.
    """
    if folder is None:
        return
    pair = read_pair(folder)
    client.curve_publickey, client.curve_secretkey = pair.public, pair.secret
    client.curve_serverkey = read_public(folder / _SERVER)


def refuse_writable(folder: Path) -> None:
    """Raise MonitorError for a folder that others can write to: they would let themselves in."""
    mode = _mode(folder)
    if mode & _OTHERS_WRITE:
        raise MonitorError(f"{folder}: others can write to it (mode {mode:04o}), expected 0700")


def _mode(path: Path) -> int:
    try:
        found = path.stat()
    except OSError as error:
        raise MonitorError(
            f"{path}: {error.strerror}; `mrmonitor keys new` makes a pair"
        ) from error
    if found.st_uid not in (os.getuid(), 0):
        raise MonitorError(f"{path}: belongs to user {found.st_uid}, expected you or root")
    return found.st_mode & 0o7777


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES).decode("ascii", errors="replace")
    except OSError as error:
        raise MonitorError(f"{path}: {error.strerror}") from error


def _key(text: str, name: str, path: Path) -> bytes:
    found = re.search(rf'^\s*{name}\s*=\s*"([^"\n]{{40}})"', text, re.MULTILINE)
    key = b"" if found is None else found[1].encode("ascii", errors="replace")
    try:
        is_key = len(z85.decode(key)) == _KEY_BYTES
    except (ValueError, KeyError, IndexError):
        is_key = False
    if not is_key:
        raise MonitorError(f'{path}: expected a line {name} = "…", 40 characters of Z85')
    return key


def _text(public: bytes, secret: bytes | None = None) -> str:
    lines = ["curve", f'    public-key = "{public.decode()}"']
    if secret is not None:
        lines.append(f'    secret-key = "{secret.decode()}"')
    return "\n".join(lines) + "\n"


def _write_new(path: Path, text: str, *, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "w") as file:
        file.write(text)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: a monitor may read the folder at this moment."""
    new = path.with_suffix(".new")
    try:
        new.unlink(missing_ok=True)
        _write_new(new, text, mode=0o644)
        new.replace(path)
    except OSError as error:
        raise MonitorError(f"{path}: {error.strerror}") from error
