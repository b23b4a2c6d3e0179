"""An OpenIGTLink client written from the protocol's pages; shares no code with what it checks."""

import socket
import struct
from dataclasses import dataclass

import numpy as np

PATIENCE_S = 20.0
HEADER_BYTES = 58
POLYNOMIAL = 0x42F0E1EBA9EA3693


def slow_crc(content):
    """Bit by bit, as the standard ECMA-182 defines it."""
    remainder = 0
    for octet in content:
        remainder ^= octet << 56
        for _ in range(8):
            top = remainder >> 63
            remainder = (remainder << 1 & 0xFFFFFFFFFFFFFFFF) ^ (POLYNOMIAL if top else 0)
    return remainder


@dataclass
class Heard:
    kind: str
    device: str
    utc_s: float
    body: bytes
    crc: int

    @property
    def key(self):
        return self.kind, self.device

    @property
    def voxels(self):
        """Array (k, j, i)."""
        scalar, endian, coordinates = self.body[3], self.body[4], self.body[5]
        assert self.body[:3] == b"\0\1\1", "version 1, one component"
        assert coordinates == 1, "RAS: Slicer ignores the field"
        n_i, n_j, n_k = struct.unpack_from(">3H", self.body, 6)
        assert struct.unpack_from(">6H", self.body, 60) == (0, 0, 0, n_i, n_j, n_k)
        dtype = np.dtype({5: "u2", 10: "f4"}[scalar]).newbyteorder("<" if endian == 2 else ">")
        return np.frombuffer(self.body, dtype, offset=72).reshape(n_k, n_j, n_i)

    @property
    def ijk_to_ras(self):
        """(4, 4) as Slicer makes it: the position is that of the middle of the image."""
        numbers = np.array(struct.unpack_from(">12f", self.body, 12)).reshape(4, 3)
        axes, middle = numbers[:3].T, numbers[3]
        n_k, n_j, n_i = self.voxels.shape
        matrix = np.eye(4)
        matrix[:3, :3] = axes
        matrix[:3, 3] = middle - axes @ ((n_i - 1) / 2, (n_j - 1) / 2, (n_k - 1) / 2)
        return matrix

    @property
    def matrix(self):
        found = np.eye(4)
        found[:3] = np.array(struct.unpack(">12f", self.body)).reshape(4, 3).T
        return found

    @property
    def status(self):
        """(code, sub code, name, text)."""
        code, sub_code, name = struct.unpack_from(">Hq20s", self.body)
        assert self.body[-1:] == b"\0"
        return code, sub_code, name.rstrip(b"\0").decode(), self.body[30:-1].decode()

    @property
    def text(self):
        encoding, n_bytes = struct.unpack_from(">HH", self.body)
        assert len(self.body) == 4 + n_bytes
        return self.body[4:].decode({3: "ascii", 106: "utf-8"}[encoding])


def parse(header, body):
    version, kind, device, seconds, fraction, n_bytes, crc = struct.unpack(">H12s20sIIQQ", header)
    assert version == 1
    assert n_bytes == len(body)
    names = (name.rstrip(b"\0").decode("ascii") for name in (kind, device))
    return Heard(*names, seconds + fraction / 2**32, body, crc)


def only(content):
    """The one message that these bytes are."""
    return parse(content[:HEADER_BYTES], content[HEADER_BYTES:])


def make(kind, device="", body=b"", *, n_bytes=None, crc=None, version=1):
    n_bytes = len(body) if n_bytes is None else n_bytes
    crc = slow_crc(body) if crc is None else crc
    names = kind.encode(), device.encode()
    return struct.pack(">H12s20sIIQQ", version, *names, 0, 0, n_bytes, crc) + body


class Peer:
    """A client that reads, asks and misbehaves."""

    def __init__(self, where, **options):
        host, port = where.removeprefix("tcp://").rsplit(":", 1)
        self.line = socket.socket()
        self.line.settimeout(PATIENCE_S)
        for option, value in options.items():
            self.line.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        self.line.connect((host, int(port)))
        self.heard = []

    def say(self, content):
        self.line.sendall(content)

    def next(self):
        """The next message; None where the server has hung up."""
        header = self._read(HEADER_BYTES)
        if header is None:
            return None
        found = parse(header, self._read(struct.unpack_from(">Q", header, 42)[0]))
        self.heard.append(found)
        return found

    def wait(self, kind, device, is_wanted=lambda _: True):
        """The next message of a device that is wanted."""
        while (found := self.next()) is not None:
            if found.key == (kind, device) and is_wanted(found):
                return found
        raise AssertionError(f"hung up before {kind} {device}: {[one.key for one in self.heard]}")

    def read_to_end(self):
        """All until the server hangs up."""
        while self.next() is not None:
            pass
        return self.heard

    def close(self):
        self.line.close()

    def _read(self, n_bytes):
        found = bytearray()
        while len(found) < n_bytes:
            try:
                chunk = self.line.recv(min(n_bytes - len(found), 1 << 20))
            except ConnectionError:
                return None
            if not chunk:
                return None
            found += chunk
        return bytes(found)
