import contextlib

import pytest

from realtime.cli.companion import Place
from realtime.cli.openigtlink_process import OpenIgtLinkProcess
from tests.realtime.outputs.openigtlink.peer import Peer
from tests.realtime.outputs.page.monitor import Monitor


@pytest.fixture(scope="module")
def monitor():
    it = Monitor()
    yield it
    it.close()


@pytest.fixture(scope="module")
def server(monitor):
    with contextlib.closing(
        OpenIgtLinkProcess("127.0.0.1", 0, Place(monitor.endpoints, None))
    ) as it:
        yield it


@pytest.fixture
def peers(server):
    """Opens clients, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def open_one(**options):
            return stack.enter_context(contextlib.closing(Peer(server.where, **options)))

        yield open_one
