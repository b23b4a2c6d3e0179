"""The HTTP server that browsers meet, whatever it shows: bounded in every way."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.websockets import WebSocket

from realtime.outputs.own_names import hosts_of
from realtime.outputs.page.browser import Browser
from realtime.outputs.page.door import Request, Socket
from realtime.outputs.page.site import site
from realtime.outputs.page.wire import MOST_INBOUND_BYTES


def server_for(
    listening: socket.socket, make_browser: Callable[[WebSocket], Browser]
) -> uvicorn.Server:
    """Return what serves the page to who calls a listening socket."""
    return uvicorn.Server(
        uvicorn.Config(
            site(hosts_of(listening), make_browser),
            http=Request,
            ws=Socket,
            ws_max_size=MOST_INBOUND_BYTES,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=1 << 14,
            timeout_graceful_shutdown=1,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
    )
