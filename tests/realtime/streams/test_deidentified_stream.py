"""A session without the person, as it is recorded."""

import numpy as np
import pytest

from messages import MonitorError
from realtime.streams.deidentified_stream import DeidentifiedStream
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import (
    encode_close,
    encode_config_file,
    encode_config_text,
    encode_header,
    encode_query,
    encode_text,
)
from realtime.streams.recorder import Recorder
from realtime.streams.recordings import open_recording
from simulators.mrd import ACQUISITION_HEAD, acquisition_message
from tests.harness import Scan
from tests.realtime.streams.test_deidentification import PERSONAL, SECRET

SCAN = Scan()
NUMBER = 0x54524345  # "ECRT" in bytes: what a site might hide in a number
SITE_S_OWN = b"ECRT"


def readout(line: int, *, uid: int = NUMBER) -> bytes:
    head = SCAN.head(0, line)
    head["measurement_uid"] = uid
    head["user_int"], head["physiology_time_stamp"] = NUMBER, NUMBER
    head["user_float"] = np.frombuffer(SITE_S_OWN, np.float32)
    return acquisition_message(head, SCAN.kspace(0)[line])


def session() -> bytes:
    about = PERSONAL.partition(b" <acquisitionSystemInformation>")[0]
    header = SCAN.header().replace(b"<encoding>", about + b"<encoding>", 1)
    assert SECRET in header
    return b"".join(
        (
            encode_query(1, "Secret"),
            encode_config_file("Secret.xml"),
            encode_header(header),
            encode_text('{"parameters": {"config": "Secret"}}'),
            *(readout(line) for line in range(4)),
            readout(4, uid=NUMBER + 1),
            encode_text("Secret"),
            encode_close(),
        )
    )


@pytest.mark.parametrize("size", [1, 7, 1000, 10**7])
def test_nothing_of_the_person_is_kept_however_the_bytes_come(size):
    stream, whole = DeidentifiedStream(()), session()
    kept = b"".join(stream.take(whole[n : n + size]) for n in range(0, len(whole), size))
    assert kept == DeidentifiedStream(()).take(whole)
    assert stream.end() == b""
    assert SECRET not in kept
    assert SITE_S_OWN not in kept


def test_every_bit_of_the_images_and_of_the_clock_is_kept():
    before, after = Decoder(), Decoder()
    before.feed(session())
    after.feed(DeidentifiedStream(()).take(session()))
    sent = [event for event in before.events() if hasattr(event, "samples")]
    kept = [event for event in after.events() if hasattr(event, "samples")]
    assert [one.measurement_uid for one in kept] == [0, 0, 0, 0, 1]  # another one stays another
    for theirs, ours in zip(sent, kept, strict=True):
        assert theirs.samples.tobytes() == ours.samples.tobytes()
        for name in ("flags", "scan_counter", "acquisition_time_stamp", "idx", "pose"):
            assert getattr(theirs, name) == getattr(ours, name)


def test_a_configuration_of_ours_stays_named_and_no_other():
    kept = DeidentifiedStream({"imaging"})
    assert kept.take(encode_config_file("imaging.xml")) == encode_config_file("imaging.xml")
    assert DeidentifiedStream({"imaging"}).take(encode_config_text("imaging")) == b""


@pytest.mark.parametrize("n_cut", [1, 100, 341, 500])
def test_a_readout_that_was_cut_is_kept_up_to_the_cut_without_its_numbers(n_cut):
    stream = DeidentifiedStream(())
    assert stream.take(readout(0)[:n_cut]) == b""
    rest = stream.end()
    assert len(rest) == (n_cut if n_cut >= ACQUISITION_HEAD.itemsize + 2 else min(n_cut, 2))
    assert SITE_S_OWN not in rest


@pytest.mark.parametrize("bad", [b"\xff\xff" + SECRET, b"\x05\x00\xff\xff\xff\xff" + SECRET])
def test_what_cannot_be_read_ends_the_recording_at_its_id(bad):
    stream = DeidentifiedStream(())
    kept = stream.take(readout(0) + bad + readout(1))
    assert kept[-2:] == bad[:2]
    assert len(kept) == len(readout(0)) + 2
    assert stream.take(readout(1)) + stream.end() == b""


def test_a_header_that_cannot_be_kept_is_the_recorder_s_problem(tmp_path):
    wanted = "9." + 50 * "1"  # a number, and longer than the allow-list lets pass
    header = SCAN.header(TE=wanted)
    with pytest.raises(MonitorError, match="record-identified"):
        DeidentifiedStream(()).take(encode_header(header))
    recorder = Recorder(tmp_path / "raw.mrd", stream=DeidentifiedStream(()))
    recorder.record(encode_header(header))
    assert "record-identified" in recorder.close().problem
    assert (tmp_path / "raw.mrd").read_bytes() == b""


def test_what_was_recorded_without_the_person_can_be_played(tmp_path):
    recorder = Recorder(tmp_path / "raw.mrd", stream=DeidentifiedStream(()))
    recorder.record(session())
    report = recorder.close()
    assert (report.n_lost_bytes, report.problem) == (0, "")
    assert report.n_written_bytes == (tmp_path / "raw.mrd").stat().st_size
    assert len(list(open_recording(tmp_path / "raw.mrd").messages())) == 7  # header, five, CLOSE
