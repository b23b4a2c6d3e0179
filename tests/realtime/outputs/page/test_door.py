"""Who may come to the page, what it serves, and what it takes from a browser."""

import contextlib
import json
import re
import socket
from importlib import resources

import pytest
from websockets.exceptions import InvalidStatus

from realtime.outputs.page.door import MOST_CONNECTIONS
from realtime.outputs.page.site import MOST_BROWSERS
from tests.realtime.outputs.page.monitor import PATIENCE_S, farewell, get, open_socket

FILES = ("", "index.html", "page.css", "page.js", "icon.svg")
ELSEWHERE = (
    "/../news.py",
    "/../../../../../../etc/passwd",
    "/%2e%2e/news.py",
    "/..%2fnews.py",
    "/%2fetc%2fpasswd",
    "//etc/passwd",
    "/etc/passwd",
    "/static/page.js",
    "/page.js/",
    "/page.js%00",
    "/./page.js",
    "/..\\news.py",
    "/news.py",
    "/__init__.py",
    "/index.html/../../news.py",
    "file:///etc/passwd",
)


def acknowledge(*, who, epoch="one"):
    word = {"type": "acknowledge", "request": 1, "epoch": epoch, "alert_id": 0, "who": who}
    return json.dumps(word)


STRANGE_HOSTS = ("evil.example", "evil.example:80", "127.0.0.1", "localhost:1", "", "127.0.0.1:8")


def address_parts(page):
    host, port = page.where.removeprefix("http://").rstrip("/").split(":")
    return host, int(port)


@pytest.mark.parametrize("name", FILES)
def test_each_file_comes_with_a_strict_policy(page, name):
    answer = get(page.where, f"/{name}")
    assert answer.status == 200
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_no_file_needs_what_the_policy_forbids_or_names_another_host():
    folder = resources.files("realtime.outputs.page") / "static"
    for name in FILES[1:]:
        text = (folder / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text.replace("ws://${location.host}", ""), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        if name.endswith(".html"):
            assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_other_path_leads_anywhere(page, path):
    answer = get(page.where, path)
    assert answer.status == 404
    assert b"root:" not in answer.text
    assert b"import" not in answer.text


def test_nothing_is_written_by_any_method(page):
    host, port = address_parts(page)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        with socket.create_connection((host, port), PATIENCE_S) as line:
            head = f"{method} /page.js HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\n\r\n"
            line.sendall(head.encode())
            assert b" 405 " in line.recv(1 << 16).splitlines()[0]


@pytest.mark.parametrize("host", STRANGE_HOSTS)
def test_another_host_is_refused(page, host):
    # a foreign name that was bound to this address would make our page its own
    assert get(page.where, "/", Host=host).status == 403


def test_localhost_is_ours(page):
    port = address_parts(page)[1]
    assert get(page.where, "/", Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://127.0.0.1", "https://{}", "http://{}.evil.example",
     "http://evil.example/http://{}", "http://localhost:{port}"],
)  # fmt: skip
def test_a_socket_from_elsewhere_is_refused(page, origin):
    host, port = address_parts(page)
    forged = origin and origin.format(f"{host}:{port}", port=port)
    with pytest.raises(InvalidStatus) as refused, open_socket(page.where, origin=forged):
        pass
    assert refused.value.response.status_code == 403


def test_a_socket_by_another_host_is_refused_though_its_origin_agrees(page):
    host, port = address_parts(page)
    foreign = f"http://evil.example:{port}/"
    with (
        socket.create_connection((host, port), PATIENCE_S) as line,
        pytest.raises(InvalidStatus) as refused,
        open_socket(foreign, sock=line),
    ):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ([b"\x00\x01"], 1003, "binary"),
        (["not json"], 1007, "not a word"),
        (['{"type":"hello","more":1}'], 1007, "unknown field"),
        (['{"type":"nobody"}'], 1007, "nobody"),
        (['{"type":"hello","after":-1}'], 1007, ">= 0"),
        (['{"type":"hello","after":1e99}'], 1007, "after"),
        (['{"type":"hello","after":"1"}'], 1007, "int"),
        (['{"type":"seen","stamp_ms":1}'], 1007, "expected hello"),
        ([acknowledge(who="me")], 1007, "expected hello"),
        (['{"type":"hello"}', acknowledge(who="me", epoch="")], 1007, "epoch"),
        (['{"type":"hello"}', '{"type":"hello"}'], 1007, "once"),
        (['{"type":"hello"}', '{"type":"seen","stamp_ms":NaN}'], 1007, "not a word"),
        (['{"type":"hello"}', b"{}"], 1003, "binary"),
        (['{"type":"hello"}', acknowledge(who="")], 1007, "who"),
        (['{"type":"hello"}', acknowledge(who="a\nb")], 1007, "regex"),
        (["[" * 4000], 1007, "not a word"),
        (["x" * 4097], 1009, ""),
        (["x" * (1 << 20)], 1008, "bytes a second"),
    ],
)
def test_what_breaks_the_rules_is_closed_with_a_code_and_a_reason(page, words, code, reason):
    with open_socket(page.where) as line:
        for word in words:
            line.send(word)
        got, why = farewell(line)
        assert (got, reason in why) == (code, True), why


def test_a_message_is_refused_by_the_length_that_it_claims(page):
    # 100 MB of text are announced; none of them is waited for
    with open_socket(page.where) as line:
        line.socket.sendall(b"\x81\xff" + (100_000_000).to_bytes(8, "big") + bytes(4))
        assert farewell(line)[0] == 1009


@pytest.mark.parametrize(("first", "rest"), [(0x89, 0x89), (0x01, 0x00)])
def test_pings_and_fragments_count_too(page, first, rest):
    with open_socket(page.where) as line:
        line.socket.sendall(bytes([first, 0x80]) + bytes(4))
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                line.socket.sendall((bytes([rest, 0x80]) + bytes(4)) * 100)
        assert farewell(line) == (1008, "more than 8192 bytes a second")


def test_there_are_only_so_many_browsers(page, browsers):
    opened = [browsers() for _ in range(MOST_BROWSERS)]
    opened[-1].wait("beat")
    with pytest.raises(InvalidStatus) as refused, open_socket(page.where):
        pass
    assert refused.value.response.status_code == 503
    opened[0].close()
    opened[1].wait("beat")


@pytest.mark.slow
def test_who_does_not_ask_or_does_not_speak_is_gone_in_seconds(page):
    host, port = address_parts(page)
    half = socket.create_connection((host, port), PATIENCE_S)
    half.sendall(b"GET / HTTP/1.1\r\nHost: ")
    body = socket.create_connection((host, port), PATIENCE_S)
    body.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    with open_socket(page.where) as silent:
        assert farewell(silent) == (4408, "nothing was said for 5 s")
    for line in (half, body):
        while line.recv(1 << 16):
            pass
        line.close()


@pytest.mark.slow
def test_idle_connections_do_not_keep_a_browser_out_for_long(page, browsers):
    host, port = address_parts(page)
    idle = [socket.create_connection((host, port), PATIENCE_S) for _ in range(MOST_CONNECTIONS + 8)]
    gone = 0
    for line in idle:
        try:
            gone += not line.recv(1)  # closed, the last at once and the first by the time limit
        except ConnectionResetError:
            gone += 1
        line.close()
    assert gone == len(idle)
    browsers().wait_live()
