"""What the page's address serves: its own files from the package, and the browsers' socket.

Every request must name us as its host (else a foreign name could be bound to this address), and a
browser's socket must come from our own page: 403 otherwise.
"""

from collections.abc import Callable, Collection
from importlib import resources

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from messages import MonitorError
from realtime.outputs.page.browser import Browser

MOST_BROWSERS = 16
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INDEX = "index.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    # one request a connection, so that one time limit covers it
    "Connection": "close",
}

MakeBrowser = Callable[[WebSocket], Browser]


def site(hosts: Collection[str], make_browser: MakeBrowser) -> Starlette:
    """Return the application; `hosts` are the `host:port` that are ours."""
    files = _files()
    n_browsers = 0

    async def socket(websocket: WebSocket) -> None:
        nonlocal n_browsers
        if websocket.headers.getlist("origin") != [f"http://{websocket.headers['host']}"]:
            await _deny(websocket, 403, "this socket is for its own page")
        elif n_browsers >= MOST_BROWSERS:
            await _deny(websocket, 503, f"{MOST_BROWSERS} pages are open already")
        else:
            n_browsers += 1
            try:
                await websocket.accept()
                await make_browser(websocket).serve()
            finally:
                n_browsers -= 1

    def file(connection: HTTPConnection) -> Response:
        # a table that was filled at the start: no name that is asked for reaches the disk
        name = connection.url.path.removeprefix("/") or _INDEX
        policy = {"Content-Security-Policy": _POLICY.format(host=connection.headers["host"])}
        return Response(files[name], media_type=_type_of(name), headers=_HEADERS | policy)

    routes = [Route(f"/{name}", file) for name in ("", *files)]
    app = Starlette(
        routes=[*routes, WebSocketRoute("/socket", socket)],
        middleware=[Middleware(_Guard, hosts=frozenset(hosts))],
    )
    app.router.redirect_slashes = False
    return app


class _Guard:
    """Refuses every request that names another host, or none, or several."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        named = HTTPConnection(scope).headers.getlist("host")
        if len(named) == 1 and named[0] in self._hosts:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await _deny(WebSocket(scope, receive, send), 403, "this host is not ours")
        else:
            refusal = PlainTextResponse("this host is not ours", 403, headers=_HEADERS)
            await refusal(scope, receive, send)


async def _deny(websocket: WebSocket, status: int, text: str) -> None:
    await websocket.send_denial_response(PlainTextResponse(text, status))


def _files() -> dict[str, bytes]:
    """Return what was built into the package; what is no file of a page is left out."""
    folder = resources.files("realtime.outputs.page") / "static"
    found = {
        one.name: one.read_bytes()
        for one in (folder.iterdir() if folder.is_dir() else ())
        if one.is_file() and _suffix(one.name) in _TYPES
    }
    if _INDEX not in found:
        raise MonitorError(
            f"{folder / _INDEX} is not there: the page is built where mrmonitor is installed; run "
            "`pip install -e .` (or `python building/page.py build`) in the repository"
        )
    return found


def _type_of(name: str) -> str:
    return _TYPES[_suffix(name)]


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
