"""No name that comes from outside leads out of a folder, and no XML costs more than its size."""

import struct
import tracemalloc

import numpy as np
import pytest

from messages import HeaderError, MonitorError, ProtocolError, StreamError
from realtime.protocol import load_protocol
from realtime.run_opening import choose_protocol
from realtime.streams.header_xml import parse_root
from realtime.streams.mrd_decoder import Decoder
from tests.harness import PROTOCOL, config_message, running

TEXT = PROTOCOL.format(deadline_ms=1000.0, lease_ms=4500.0, stall_ms=1000.0)
KEYS = {
    "mask": ('shape = "ellipse"\ncenter_px = [16.0, 16.0]\nradii_px = [2.0, 2.0]', 'mask = "{}"'),
    "structures": (
        'shape = "ellipse"\ncenter_px = [16.0, 16.0]\nradii_px = [2.0, 2.0]',
        'structures = "{}"\nroi = "GTV"',
    ),
    "epi_reference": ('method = "fft"', 'method = "fft"\nepi_reference = "{}"'),
}


@pytest.fixture
def folders(tmp_path):
    """A protocol's folder, and beside it what it must not reach."""
    inside = tmp_path / "protocol"
    inside.mkdir()
    np.save(tmp_path / "outside.npy", np.ones((32, 32), bool))
    (inside / "linked.npy").symlink_to(tmp_path / "outside.npy")
    (inside / "sub").symlink_to(tmp_path)
    return tmp_path, inside


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "name",
    ["../outside.npy", "{}/outside.npy", "linked.npy", "sub/outside.npy", "x/../../outside.npy"],
)
def test_a_protocol_reads_no_file_outside_its_folder(folders, key, name):
    root, inside = folders
    old, new = KEYS[key]
    path = inside / "protocol.toml"
    path.write_text(TEXT.replace(old, new.format(name.format(root)), 1))
    with pytest.raises(ProtocolError, match="leaves the protocol's folder"):
        load_protocol(path)


@pytest.mark.parametrize(
    "name",
    ["../protocol", "/etc/passwd", "realtime/protocols/imaging.toml", "a\0b", "", "imaging/"],
)
def test_a_config_name_is_a_name_and_never_a_path(name):
    with pytest.raises(MonitorError, match="none of the installed protocols"):
        choose_protocol(None, name, is_chosen=False)


def test_a_client_s_names_make_no_file(tmp_path, scan):
    with running(tmp_path / "runs") as gateway:
        client = gateway.connect()
        client.send(config_message("../../escaped.toml"), scan.opening(), struct.pack("<H", 4))
        client.read_to_end()
        client.hang_up()
    assert not [path for path in tmp_path.rglob("*") if "escaped" in path.name]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


BOMB = b"".join(
    (
        b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "aaaaaaaaaa">',
        *(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)),
        b"]><ismrmrdHeader>&a9;</ismrmrdHeader>",
    )
)


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        (BOMB, "has a DOCTYPE"),
        (BOMB.decode().encode("utf-16"), "not UTF-8"),
        (BOMB.decode().encode("utf-16-le"), "not XML"),
        (b"<!DOCTYPE x><ismrmrdHeader/>", "has a DOCTYPE"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><ismrmrdHeader/>', "has a DOCTYPE"),
    ],
    ids=["bomb", "bomb in UTF-16", "without its mark", "empty DOCTYPE", "another file"],
)
def test_xml_with_a_doctype_is_refused_before_it_is_read(xml, told):
    with pytest.raises(HeaderError, match=told):
        parse_root(xml)


def test_xml_of_100_mb_is_refused_by_its_length_and_never_held():
    decoder = Decoder()
    tracemalloc.start()
    decoder.feed(struct.pack("<HI", 3, 100_000_000) + b"<ismrmrdHeader>")
    with pytest.raises(StreamError, match="100000000 bytes, expected at most"):
        list(decoder.events())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
