"""Debian's Chromium with the live page open: what it draws, when, and what that costs it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.clock import MonotonicClock, utc_now

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAM = Path("/usr/bin/chromium")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# tells of each frame that was drawn when the browser next puts its pixels on the screen; of the
# page it reads what it says of its image, and whether it calls itself live
_WATCH = """
window.drawn = []; window.liveAt = null; window.staleAt = null;
document.addEventListener("DOMContentLoaded", () => {
  let last = "";
  const now = () => performance.timeOrigin + performance.now();
  new MutationObserver(() => {
    const isStale = document.body.classList.contains("stale");
    if (!isStale && window.liveAt === null) window.liveAt = now();
    if (isStale && window.liveAt !== null && window.staleAt === null) window.staleAt = now();
    const label = document.querySelector("#picture")?.ariaLabel ?? "";
    const frame = /^image of frame ([0-9]+)$/.exec(label)?.[1];
    if (frame === undefined || frame === last) return;
    last = frame;
    requestAnimationFrame(() => window.drawn.push([Number(frame), now()]));
  }).observe(document.body, { attributes: true, subtree: true, childList: true });
});
"""


def is_here() -> bool:
    """Return whether playwright and Chromium are on this machine."""
    with contextlib.suppress(ImportError):
        import playwright.sync_api  # noqa: F401

        return PROGRAM.exists()
    return False


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """Give a browser for the length of a `with`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """One page that looks at the monitor."""

    def __init__(self, browser: "Browser", address: str) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1400, "height": 950})
        self.page.add_init_script(_WATCH)
        self.page.goto(address)
        self._ahead_ms = _wall_ahead_ms()

    def close(self) -> None:
        """Close it."""
        self.page.close()

    def drawn_ms(self) -> list[tuple[int, float]]:
        """Return each frame that was drawn, and when, by the monotonic clock."""
        told: list[list[float]] = self.page.evaluate("window.drawn")
        return [(int(frame), at_ms - self._ahead_ms) for frame, at_ms in told]

    def moment_ms(self, name: str) -> float | None:
        """Return when the page first called itself live (`liveAt`), or no longer (`staleAt`)."""
        at_ms: float | None = self.page.evaluate(f"window.{name}")
        return None if at_ms is None else at_ms - self._ahead_ms

    def wait_for_a_picture(self, patience_s: float) -> None:
        """Wait until a frame has been drawn."""
        label = "#picture[aria-label^='image of frame']"
        self.page.wait_for_selector(label, timeout=patience_s * 1e3)
        self.page.wait_for_selector("body:not(.stale)", timeout=patience_s * 1e3)
        while not self.page.evaluate("window.drawn.length"):
            self.page.wait_for_timeout(20)


def cpu_s() -> float:
    """Return the CPU time of all of Chromium's processes that we started, in s."""
    return sum(_cpu_s(pid) for pid in _descendants(os.getpid()) if _is_chromium(pid))


def _wall_ahead_ms() -> float:
    """Return by how much the wall clock, which browsers know, is ahead of the monotonic one."""
    return utc_now().timestamp() * 1e3 - MonotonicClock().now_ns() / 1e6


def _descendants(root: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    found, n = {root}, 0
    while n < len(found):
        n = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found - {root}


def _is_chromium(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "chrom" in Path(f"/proc/{pid}/comm").read_text()
    return False


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
