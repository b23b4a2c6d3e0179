import os
import threading
from pathlib import Path

import pytest

from messages import MonitorError, StreamError
from realtime.streams.mrd_encoder import encode_close, encode_config_file, encode_header
from realtime.streams.recorder import Recorder, RecorderReport
from realtime.streams.recordings import open_recording


def test_what_was_recorded_can_be_played(tmp_path: Path, header_xml: bytes) -> None:
    session = encode_config_file("a") + encode_header(header_xml) + encode_close()
    recorder = Recorder(tmp_path / "raw.mrd")
    chunk = bytearray(7)
    for start in range(0, len(session), 7):
        chunk[:] = session[start : start + 7]
        recorder.record(chunk)
        chunk[:] = b"\xff" * len(chunk)  # the caller reuses its buffer
    assert recorder.close() == RecorderReport(len(session), 0, "")
    assert (tmp_path / "raw.mrd").read_bytes() == session
    assert len(list(open_recording(tmp_path / "raw.mrd").messages())) == 3


def test_flushed_bytes_are_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "raw.mrd")
    recorder.record(b"abc")
    assert recorder.flush()
    assert (tmp_path / "raw.mrd").read_bytes() == b"abc"
    recorder.close()


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "raw.mrd").write_bytes(b"precious")
    with pytest.raises(MonitorError, match="exists"):
        Recorder(tmp_path / "raw.mrd")
    assert (tmp_path / "raw.mrd").read_bytes() == b"precious"


def test_a_stalled_disk_holds_nobody_up_and_the_loss_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_answers = threading.Event()
    write = os.write

    def stalled(fd: int, data: bytes) -> int:
        disk_answers.wait(30)
        return write(fd, data)

    monkeypatch.setattr(os, "write", stalled)
    recorder = Recorder(tmp_path / "raw.mrd", capacity_bytes=1000)
    for _ in range(30):
        recorder.record(b"x" * 100)  # returns at once, though the disk does not
    assert recorder.report.n_lost_bytes == 2000
    assert "queue is full" in recorder.report.problem
    assert not recorder.flush(timeout_s=0.01)
    disk_answers.set()
    assert recorder.flush()
    recorder.record(b"y")  # there is room again, but after a hole nothing could be read
    report = recorder.close()
    assert (report.n_written_bytes, report.n_lost_bytes) == (1000, 2001)
    assert (tmp_path / "raw.mrd").read_bytes() == b"x" * 1000


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "raw.mrd").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MonitorError, match="exists"):
        Recorder(tmp_path / "raw.mrd")
    assert not (tmp_path / "elsewhere").exists()


def test_a_write_error_is_reported_and_does_not_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    recorder = Recorder(tmp_path / "raw.mrd")
    recorder.record(b"abc")
    report = recorder.close()
    assert report == RecorderReport(0, 3, "cannot write: No space left on device")
    recorder.record(b"de")
    assert recorder.report.n_lost_bytes == 5


def test_a_session_that_was_cut_is_played_up_to_the_cut(tmp_path: Path, header_xml: bytes) -> None:
    recorder = Recorder(tmp_path / "raw.mrd")
    recorder.record(encode_header(header_xml) + b"\xf0")
    recorder.close()
    messages = open_recording(tmp_path / "raw.mrd").messages()
    next(messages)
    with pytest.raises(StreamError, match="cut after 1 bytes"):
        next(messages)
