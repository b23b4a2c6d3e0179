"""A peer that rejects, aborts, refuses, is full, silent or gone: told in words, in bounded time."""

import socket
import threading

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from realtime.outputs.dicom import peer as under_test
from realtime.outputs.dicom.address import Peer, parse_peer
from realtime.outputs.dicom.frame import frame_instances
from realtime.outputs.dicom.peer import UnreachableError, store
from realtime.outputs.dicom.study import study_of
from tests.realtime.outputs.dicom.archives import archive
from tests.realtime.outputs.dicom.made import START, frame

# pynetdicom leaves a socket that could not connect to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def objects():
    """Two planes, two maps, one segmentation."""
    return frame_instances(frame(), study_of(START))


def test_all_kinds_are_stored_over_one_association(objects):
    with archive() as it:
        assert store(it.peer, objects) == []
        got = [it.next() for _ in objects]
    assert [one.SOPInstanceUID for one in got] == [one.SOPInstanceUID for one in objects]
    assert {one.file_meta.TransferSyntaxUID for one in got} == {ExplicitVRLittleEndian}


def test_a_peer_that_takes_implicit_values_only_gets_the_same_numbers(objects):
    with archive(syntax=ImplicitVRLittleEndian) as it:
        assert store(it.peer, objects) == []
        got = [it.next() for _ in objects][2]
    assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    np.testing.assert_array_equal(got.pixel_array, objects[2].pixel_array)


def test_a_rejected_association_is_told_with_its_reason(objects):
    with archive(title="SOMEBODY") as it, pytest.raises(UnreachableError) as told:
        store(it.peer, objects)
    assert "rejected the association: called ae title not recognised" in str(told.value)


def test_an_abort_in_mid_store_is_told_and_the_next_try_stores_all(objects):
    n_asked = []

    def abort_the_third(event):
        n_asked.append(1)
        if len(n_asked) == 3:
            event.assoc.abort()
            return 0xC000
        return 0

    with archive(abort_the_third) as it:
        with pytest.raises(UnreachableError, match="aborted in mid-store"):
            store(it.peer, objects)
        assert it.stored.qsize() == 2
        assert store(it.peer, objects) == []
        assert it.stored.qsize() == 2 + len(objects)


def test_a_peer_that_does_not_know_a_kind_gets_the_others(objects):
    with archive(classes=[MRImageStorage]) as it:
        refused = store(it.peer, objects)
        assert it.stored.qsize() == 2
    assert sorted(set(refused)) == [
        f"{it.peer} takes no Parametric Map Storage", f"{it.peer} takes no Segmentation Storage",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "is_refused"), [(0xC000, True), (0xA900, True), (0xB000, False)]
)
def test_an_object_that_is_refused_is_told_and_the_next_is_sent(objects, status, is_refused):
    statuses = iter([status, 0, 0, 0, 0])
    with archive(lambda _: next(statuses)) as it:
        refused = store(it.peer, objects)
        assert it.stored.qsize() == len(objects) - 1
    assert refused == ([f"{it.peer} refuses a MR Image Storage (0x{status:04X})"] * is_refused)


def test_a_full_peer_is_tried_again_later(objects):
    with archive(lambda _: 0xA700) as it, pytest.raises(UnreachableError, match="out of resources"):
        store(it.peer, objects)


def test_a_peer_that_is_not_there_takes_no_connection(objects):
    with pytest.raises(UnreachableError, match="takes no connection"):
        store(Peer("NOBODY", "127.0.0.1", 9), objects)


def test_a_silent_peer_is_given_up(objects, monkeypatch):
    monkeypatch.setattr(under_test, "_ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(UnreachableError, match="did not answer within"):
            store(Peer("SILENT", "127.0.0.1", port), objects)


def test_a_peer_that_falls_silent_in_mid_store_is_given_up(objects, monkeypatch):
    monkeypatch.setattr(under_test, "_ANSWER_S", 0.5)
    woken = threading.Event()

    def sleep(_):
        woken.wait(20)
        return 0

    with archive(sleep) as it:
        with pytest.raises(UnreachableError, match="no answer within"):
            store(it.peer, objects)
        woken.set()


@pytest.mark.parametrize(
    "text", ["ORTHANC@10.0.0.7:4242", "A B@h:1", "X@[::1]:104", "@h:1", "X@h:"]
)
def test_an_address_is_read_strictly(text):
    if text in ("ORTHANC@10.0.0.7:4242", "X@[::1]:104"):
        assert str(parse_peer(text)).replace("[", "").replace("]", "") == text.translate(
            {ord("["): None, ord("]"): None}
        )
    else:
        with pytest.raises(Exception, match="expected AET@HOST:PORT"):
            parse_peer(text)
