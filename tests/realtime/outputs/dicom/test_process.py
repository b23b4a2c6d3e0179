"""DICOM beside a gateway: what a running treatment leaves in an archive, and whom it harms: nobody.

Most tests speak as the monitor does over a socket of their own: it hears who subscribes.
"""

import socket
from contextlib import closing, contextmanager

import pydicom
import pytest
import zmq
from click.testing import CliRunner

from messages import RunStop
from messages.codec import encode
from realtime.cli import main
from realtime.cli.companion import Place
from realtime.cli.dicom_process import DicomProcess
from realtime.outputs.publisher import Addresses
from tests.harness import Scan, running, wait_gone
from tests.realtime.outputs.dicom.archives import PATIENCE_S, archive
from tests.realtime.outputs.dicom.made import START, frame

MOST_RUNS = 20
STOP = RunStop(START.run_id, "completed", "end", "2026", 4, 0, 0, 0, 1, 0)


class Monitor:
    """Publishes what a test says, once a subscriber is there."""

    def __init__(self):
        self._socket = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.bind("tcp://127.0.0.1:*")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._n_said = 0

    def wait_subscribed(self, n_topics=2):
        for _ in range(n_topics):
            assert self._socket.poll(PATIENCE_S * 1000)
            self._socket.recv()

    def say(self, *nouns):
        for noun in nouns:
            self._n_said += 1
            self._socket.send_multipart(encode(noun, epoch="e", sequence=self._n_said))

    def close(self):
        self._socket.close(linger=0)


@pytest.fixture
def monitor():
    with closing(Monitor()) as it:
        yield it


@contextmanager
def beside(monitor, *, peer=None, folder=None, every=2):
    endpoints = Addresses(monitor.address, monitor.address)
    process = DicomProcess(peer, folder, every, Place(endpoints, None))
    try:
        monitor.wait_subscribed()
        yield process
    finally:
        process.close()


@pytest.mark.slow
def test_an_archive_that_was_down_gets_every_nth_frame_and_at_the_run_s_end_the_last(
    monitor, tmp_path
):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        peer = f"ARCHIVE@127.0.0.1:{taken.getsockname()[1]}"
    out = tmp_path / "out"
    with beside(monitor, peer=peer, folder=out) as process:
        assert process.where == f"{peer} and {out}"
        monitor.say(START, *(frame(frame_id=n) for n in range(3)))
        with archive(port=int(peer.rsplit(":", 1)[1])) as it:
            numbers = [it.next().AcquisitionNumber for _ in range(10)]
            assert numbers == [1] * 5 + [3] * 5  # every second frame, five objects each
            monitor.say(frame(frame_id=3), STOP)
            assert [it.next().AcquisitionNumber for _ in range(5)] == [4] * 5
            assert process.problem() is None
            process.hang_up()
            assert wait_gone(process.pid)
    written = list((out / START.run_id).iterdir())
    assert len(written) == 15
    assert {one.suffix for one in written} == {".dcm"}
    assert pydicom.dcmread(written[0]).PatientID == f"mrmonitor-{START.run_id}"


@pytest.mark.slow
def test_23_an_archive_that_is_down_costs_no_verdict_and_is_told_once(tmp_path, capfd):
    said, n_runs = "", 0
    with running(tmp_path / "runs") as gateway:
        place = Place(gateway.gateway.publisher.endpoints, None)
        with closing(DicomProcess("PACS@127.0.0.1:9", None, 1, place)) as process:
            while "takes no connection" not in said and n_runs < MOST_RUNS:
                mark = gateway.mark()  # it takes a second to hear its first run
                gateway.serves(Scan())
                gateway.events.wait(lambda topic, _: topic == "run.stop", after=mark)
                n_runs, said = n_runs + 1, said + capfd.readouterr().err
            verdicts = gateway.events.all("verdict")
            assert [one.outcome for one in verdicts] == ["COMPUTED"] * 4 * n_runs
            assert verdicts[3].permit == "GRANTED"
            assert process.problem() is None
        assert wait_gone(process.pid)
    said += capfd.readouterr().err
    assert said.count("dicom: PACS@127.0.0.1:9: takes no connection; tried again") == 1
    assert "frames not; `mrmonitor dicom RUN` sends them" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dicom-to", "PACS"], "expected AET@HOST:PORT"),
        (["--dicom-frames", "often"], "expected all, last or a number"),
    ],
)
def test_serve_says_at_once_what_cannot_be(options, said):
    done = CliRunner().invoke(main, ["serve", *options])
    assert done.exit_code in (1, 2)
    assert said in done.stderr
