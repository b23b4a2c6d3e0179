import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import MonitorError
from realtime.outputs.openigtlink.reader import Reader, RefusedError, Request
from tests.realtime.outputs.openigtlink.peer import make

TALK = (
    make("GET_IMAGE", "mrm dose")
    + make("TRANSFORM", "Probe", bytes(48))  # Slicer pushes what its user put into "Out"
    + make("STT_TDATA", "", b"\0\0\0\x0a")
    + make("STP_IMAGE")
    + make("GET_")
)
REQUESTS = [
    Request("GET", "IMAGE", "mrm dose"),
    Request("STT", "TDATA", ""),
    Request("STP", "IMAGE", ""),
]


@given(st.lists(st.integers(0, len(TALK)), max_size=20))
def test_requests_do_not_depend_on_how_the_bytes_are_cut(cuts):
    reader, edges = Reader(), [0, *sorted(cuts), len(TALK)]
    found = [one for a, b in itertools.pairwise(edges) for one in reader.feed(TALK[a:b])]
    assert found == REQUESTS
    assert not reader.is_within


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (make("IMAGE", n_bytes=2**63), "body of 9223372036854775808 bytes"),
        (make("IMAGE", n_bytes=65537), "body of 65537 bytes"),
        (make("GET_IMAGE", body=b"x", crc=1), "check sum of GET_IMAGE is false"),
        (make("GET_IMAGE", version=0), "header version 0"),
        (b"GET / HTTP/1.1\r\nHost: localhost:18944\r\nOrigin: http://x\r\n\r\n", "header version"),
    ],
)
def test_what_cannot_be_is_refused_by_its_header(content, said):
    with pytest.raises(RefusedError, match=said):
        list(Reader().feed(content))


def test_random_bytes_are_refused_or_waited_for():
    rng = np.random.default_rng(0)
    for _ in range(300):
        try:
            list(Reader().feed(rng.bytes(100)))
        except MonitorError:
            continue


def test_names_of_other_letters_do_not_grow():
    content = make("GET_STRING").replace(b"GET_STRING\0\0", b"GET_\xff\xfe\xfdA\xc3\0\0\0")
    (request,) = Reader().feed(content)
    assert request == Request("GET", "A", "")
