"""Debian's Chromium: how a page is opened in it, and what can be read off its pixels."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
LIVE = "body:not(.stale)"


@contextlib.contextmanager
def browser() -> Iterator[object]:
    """A browser; without playwright or Chromium the test is skipped, and says why."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not PROGRAM.exists():
        pytest.skip(f"needs a browser at {PROGRAM}")
    with sync_api.sync_playwright() as playwright:
        it = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        yield it
        it.close()


@contextlib.contextmanager
def open_tab(chromium: object, **context: object) -> Iterator[object]:
    """A page of its own; `errors` of its scripts and every address `asked` for are noted."""
    options = {"viewport": {"width": 1400, "height": 950}} | context
    own = chromium.new_context(**options)
    tab = own.new_page()
    tab.errors, tab.asked = [], []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda said: tab.errors.append(said.text) if said.type == "error" else None)
    own.on("request", lambda request: tab.asked.append(request.url))
    tab.on("websocket", lambda socket: tab.asked.append(socket.url))
    yield tab
    own.close()


def pixels(tab: object, selector: str = "#picture") -> np.ndarray:
    """What a canvas shows: uint8 (y, x, RGBA)."""
    width, height, data = tab.eval_on_selector(
        selector,
        """(c) => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let text = ""; for (let n = 0; n < d.length; n += 32768)
          text += String.fromCharCode(...d.subarray(n, n + 32768));
        return [c.width, c.height, btoa(text)]; }""",
    )
    raw = np.frombuffer(base64.b64decode(data), np.uint8)
    return raw.reshape(height, width, 4)


def pixel(tab: object, x: float, y: float) -> tuple[int, int, int]:
    """Colour of the picture at a part of its width and height."""
    shown = pixels(tab)
    red, green, blue, _ = shown[int(y * shown.shape[0]), int(x * shown.shape[1])]
    return int(red), int(green), int(blue)


def is_hot(shown: np.ndarray) -> np.ndarray:
    """Where a picture has a colour of the heat scale; grey and hatch have none."""
    red, _, blue = (shown[..., n].astype(int) for n in range(3))
    return red > blue + 60


def is_coloured(shown: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a canvas of lines shows nearly this colour."""
    near = np.abs(shown[..., :3].astype(int) - colour).max(axis=-1) < 60
    return near & (shown[..., 3] > 200)


def middle(where: np.ndarray) -> tuple[float, float]:
    """Middle of what is marked, as parts of height and width; stray pixels do not move it."""
    assert where.any(), "nothing of that colour is drawn"
    y, x = np.nonzero(where)
    return (np.median(y) + 0.5) / where.shape[0], (np.median(x) + 0.5) / where.shape[1]


def middle_of_box(where: np.ndarray) -> tuple[float, float]:
    """Middle of the box about what is marked: of a line, whose pixels do not count alike."""
    assert where.any(), "nothing of that colour is drawn"
    y, x = np.nonzero(where)
    return (y.min() + y.max() + 1) / 2 / where.shape[0], (x.min() + x.max() + 1) / 2 / where.shape[
        1
    ]


def wait_frame(tab: object, frame_id: int) -> None:
    """Wait until the picture of a frame is drawn."""
    tab.wait_for_selector(f"#picture[aria-label='image of frame {frame_id}']")
