"""Other people's readers make of our messages what we meant: pyigtl, and Debian's C++ library.

15 frames/s of 256 x 256 of an oblique slice for some seconds, to all of them at once.
"""

import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from messages import FrameKey, Maps, MotionReading, Permit, Pose, Verdict
from realtime.cli.companion import Place
from realtime.cli.openigtlink_process import OpenIgtLinkProcess
from tests.realtime.outputs.openigtlink.test_place import oblique, place_lps
from tests.realtime.outputs.page.monitor import Monitor, alert

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
HEADERS = Path("/usr/include/openigtlink")
EXAMPLE = Path("/usr/share/doc/openigtlink-examples/examples/Receiver/ReceiveClient.cxx")
RATE_HZ, N_IMAGES, PATIENCE_S = 15, 120, 40
SHIFT = MotionReading(1.0, (1.0, 2.0), (3.5, -2.25, 5.125), 0.98, 0.9, 500.0, 4000.0)


def frames():
    """Some frames whose voxels tell which they are, one voxel of each not valid."""
    pose = Pose((12.0, -30.0, 7.5), *(tuple(map(float, one)) for one in oblique()))
    for n in range(5):
        rng = np.random.default_rng(n)
        voxels = rng.random((1, 256, 256), np.float32)
        temperature = 37 + voxels
        temperature[0, n, 7] = np.nan
        yield Maps(
            n, FrameKey(n, 0, 0, 0, 0), n / RATE_HZ, (240.0, 200.0, 5.0), pose, voxels,
            temperature_c=temperature, target_mask=voxels > 0.5, run_id="run",
        )  # fmt: skip


FRAMES = list(frames())
SENT = {
    "mrm magnitude": [one.magnitude for one in FRAMES],
    "mrm temperature": [one.temperature_c for one in FRAMES],
    "mrm target": [one.target_mask.astype(np.uint16) for one in FRAMES],
}


class Treatment:
    """A monitor that publishes frames at their pace until it is closed."""

    def __init__(self):
        self.monitor = Monitor()
        self.monitor.permit_state, self.monitor.run_id = "GRANTED", "run"
        self.monitor.say(alert(0, text="drift of σ = 0.3 °C"))
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self):
        self._is_over.set()
        self._thread.join()
        self.monitor.close()

    def _run(self):
        n = 0
        while not self._is_over.wait(1 / RATE_HZ):
            key = FrameKey(n, 0, 0, 0, 0)
            self.monitor.say(Permit("GRANTED", 4500.0, "", n, "run"))
            self.monitor.say(Verdict(n, key, "COMPUTED", "GRANTED", motion=SHIFT, run_id="run"))
            self.monitor.say(replace(FRAMES[n % len(FRAMES)], frame_id=n, key=key))
            n += 1


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Our receiver and Debian's example, built with Debian's library, those that can be."""
    folder = tmp_path_factory.mktemp("openigtlink")
    has_library = shutil.which("c++") and HEADERS.is_dir()
    for source in (HERE / "receiver.cxx", EXAMPLE):
        if not (has_library and source.is_file()):
            continue
        subprocess.run(
            ["c++", "-O2", f"-I{HEADERS}", source, "-lOpenIGTLink", "-lpthread",
             "-o", folder / source.stem],
            check=True, capture_output=True,
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def heard(compiled, tmp_path_factory):
    """What each referee says of the same treatment."""
    folder = tmp_path_factory.mktemp("heard")
    with contextlib.ExitStack() as stack:
        treatment = stack.enter_context(contextlib.closing(Treatment()))
        server = stack.enter_context(
            contextlib.closing(
                OpenIgtLinkProcess("127.0.0.1", 0, Place(treatment.monitor.endpoints, None))
            )
        )
        port = server.where.rsplit(":", 1)[1]
        commands = {"pyigtl": [sys.executable, HERE / "pyigtl_client.py", port, str(N_IMAGES)]}
        if (receiver := compiled / "receiver").exists():
            commands["C++"] = [receiver, port, str(N_IMAGES)]
        if (example := compiled / "ReceiveClient").exists():
            commands["example"] = [example, "127.0.0.1", port]
        said = {name: folder / f"{name}.txt" for name in commands}
        running = {}
        for name, command in commands.items():
            out = stack.enter_context(said[name].open("wb"))
            running[name] = stack.enter_context(
                subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
            )
            stack.callback(running[name].kill)
        for name, one in running.items():
            if name == "example":
                server.close()  # it reads until then
            assert one.wait(PATIENCE_S) == 0, said[name].read_text()[-2000:]
    return {name: path.read_text() for name, path in said.items()}


def fnv(content):
    total = 14695981039346656037
    for octet in content:
        total = (total ^ octet) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return total


def said_by(heard, name):
    if name not in heard:
        pytest.skip("needs a C++ compiler, libopenigtlink-dev and openigtlink-examples")
    return heard[name]


def read(heard, name):
    return [json.loads(line, strict=False) for line in said_by(heard, name).splitlines()]


def of_kind(heard, name, kind):
    found = [one for one in read(heard, name) if one["kind"] == kind]
    assert found, f"{name} took no {kind}"
    return found


@pytest.mark.parametrize(
    ("name", "digest"),
    [("pyigtl", lambda array: hashlib.sha256(array.tobytes()).hexdigest()),
     ("C++", lambda array: fnv(array.tobytes()))],
)  # fmt: skip
def test_voxels_are_bit_identical(heard, name, digest):
    expected = {device: {digest(one) for one in arrays} for device, arrays in SENT.items()}
    images = of_kind(heard, name, "IMAGE")
    assert len(images) >= N_IMAGES
    assert {one["device"] for one in images} == set(SENT)
    for one in images:
        assert one["size"] == [256, 256, 1]
        assert one["is_ras"]
        assert one["digest"] in expected[one["device"]]


def expected_ras(x, y):
    return place_lps(FRAMES[0], 0, y, x) * (-1, -1, 1)


def test_pyigtl_puts_each_voxel_where_it_is(heard):
    for one in of_kind(heard, "pyigtl", "IMAGE"):
        for x, y in [(0, 0), (255, 0), (0, 255), (128, 128), (37, 201)]:
            found = np.array(one["matrix"]) @ (x, y, 0, 1)
            assert np.abs(found[:3] - expected_ras(x, y)).max() < 1e-3  # mm


def test_the_library_puts_each_voxel_where_it_is(heard):
    for one in of_kind(heard, "C++", "IMAGE"):
        assert one["is_whole"]
        matrix, spacing = np.array(one["matrix"]), np.array(one["spacing"])
        assert np.allclose(spacing, (240 / 256, 200 / 256, 5.0))
        for x, y in [(0, 0), (255, 0), (0, 255), (128, 128), (37, 201)]:
            steps = (np.array([x, y, 0]) - (127.5, 127.5, 0.0)) * spacing
            found = matrix[:3, :3] @ steps + matrix[:3, 3]  # its origin is the image's middle
            assert np.abs(found - expected_ras(x, y)).max() < 1e-3  # mm


@pytest.mark.parametrize("name", ["pyigtl", "C++"])
def test_transform_and_string_are_read(heard, name):
    for one in of_kind(heard, name, "TRANSFORM"):
        assert one["device"] == "mrm displacement"
        expected = np.eye(4)
        expected[:3, 3] = -3.5, 2.25, 5.125
        assert np.array_equal(one["matrix"], expected)
    texts = {one["device"]: one["text"] for one in of_kind(heard, name, "STRING")}
    assert texts["mrm permit"] == "GRANTED"
    assert texts["mrm alerts"] == "medium (raised): drift of σ = 0.3 °C"


def test_the_library_reads_the_permit_and_every_check_sum(heard):
    assert all(one["is_whole"] for one in read(heard, "C++"))
    told = {
        (one["code"], one["name"])
        for one in of_kind(heard, "C++", "STATUS")
        if one["device"] == "mrm permit"
    }
    assert (1, "GRANTED") in told
    told = {
        (one["code"], one["name"], one["text"])
        for one in of_kind(heard, "C++", "STATUS")
        if one["device"] == "mrm displacement"
    }
    assert (1, "KNOWN", "") in told


def test_debians_example_reads_all_four_kinds(heard):
    said = said_by(heard, "example")
    assert said.count("Scalar Type           : 10") >= N_IMAGES // 3
    assert "Scalar Type           : 5" in said
    assert "Dimensions            : (256, 256, 1)" in said
    assert re.search(r"Error Name: GRANTED\n Status    : for another 4\.\d s", said)
    assert "String: medium (raised): drift of σ = 0.3 °C" in said
    assert "Receiving TRANSFORM data type." in said
