"""The images that go back to a linac's client tell where the target is in their own frame."""

import io
from dataclasses import replace

import ismrmrd
import pytest
from ismrmrd.serialization import ProtocolDeserializer

from realtime.clock import MonotonicClock
from realtime.protocol import parse_protocol
from realtime.run import RunSink
from realtime.streams.mrd_encoder import encode_close
from tests.realtime.outputs.linac_run import PROTOCOL, frame_of


class Client:
    """Takes what is sent to it."""

    def __init__(self):
        self.sent = []
        self.peer = self

    def send(self, message, *, is_droppable):
        assert is_droppable
        self.sent.append(message)

    def images(self) -> list[ismrmrd.Image]:
        stream = io.BytesIO(b"".join(self.sent) + encode_close())
        return list(ProtocolDeserializer(stream).deserialize())


class Silent:
    def publish(self, noun, *, now_ns, folder):
        """Publish nothing."""


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def sink(client):
    return RunSink("run", parse_protocol(PROTOCOL), client, Silent(), MonotonicClock())


def test_magnitude_and_target_go_back_with_the_place_of_their_frame(sink, client):
    verdict, maps = frame_of(40)
    sink.publish(verdict)
    sink.publish(maps)
    magnitude, target = client.images()
    for image in (magnitude, target):
        place = [float(one) for one in image.meta["DisplacementMm"]]
        assert place == pytest.approx(verdict.motion.displacement_mm)
    assert (target.data[0] == maps.target_mask).all()


def test_a_verdict_of_another_frame_says_nothing_of_an_image(sink, client):
    verdict, maps = frame_of(40)
    sink.publish(replace(verdict, frame_id=41))
    sink.publish(maps)
    assert all("DisplacementMm" not in image.meta for image in client.images())
