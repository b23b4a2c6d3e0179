"""A real treatment, from raw data to what an OpenIGTLink client has of it."""

import contextlib

import numpy as np
import pytest

from realtime.cli.companion import Place
from realtime.cli.openigtlink_process import OpenIgtLinkProcess
from realtime.security.keys import new_pair
from tests.harness import Scan, close_message, running
from tests.realtime.outputs.openigtlink.peer import Peer

pytestmark = pytest.mark.slow

PERMIT = ("STATUS", "mrm permit")


def test_frames_of_a_treatment_come_as_the_monitor_publishes_them(tmp_path):
    scan = Scan()
    with running(tmp_path) as monitor, contextlib.ExitStack() as stack:
        place = Place(monitor.gateway.publisher.endpoints, None)
        server = stack.enter_context(contextlib.closing(OpenIgtLinkProcess("127.0.0.1", 0, place)))
        peer = stack.enter_context(contextlib.closing(Peer(server.where)))
        peer.wait(*PERMIT, lambda found: "no treatment" in found.status[3])
        client = monitor.connect()
        stack.callback(client.hang_up)
        client.send(scan.opening())
        for n in range(4):
            client.send_frame(scan, n)
        shown = peer.wait("IMAGE", "mrm temperature", lambda found: np.isfinite(found.voxels).any())
        monitor.mark()
        published = [maps.temperature_c for maps in monitor.events.all("map")]
        assert any(np.array_equal(shown.voxels, one, equal_nan=True) for one in published)
        assert shown.ijk_to_ras[:3, 3].tolist() == [32.0, 32.0, 0.0]  # 32 px of 2 mm, L is -R
        granted = peer.wait(*PERMIT, lambda found: found.status[2] == "GRANTED")
        assert 0 < granted.status[1] <= 30_000, "what is left of the lease, ms"
        client.send(close_message())
        client.read_to_end()
        over = peer.wait(*PERMIT, lambda found: found.status[2] == "HELD")
        assert over.status[0] == 15


def test_with_keys_it_has_its_own_and_is_let_in(tmp_path):
    keys = tmp_path / "keys"
    new_pair(keys)
    with running(tmp_path / "runs", keys=keys) as monitor, contextlib.ExitStack() as stack:
        place = Place(monitor.gateway.publisher.endpoints, keys)
        server = stack.enter_context(contextlib.closing(OpenIgtLinkProcess("127.0.0.1", 0, place)))
        peer = stack.enter_context(contextlib.closing(Peer(server.where)))
        peer.wait(*PERMIT, lambda found: "no treatment" in found.status[3])
    assert (keys / "allowed" / "mrmonitor-openigtlink.key").exists()
