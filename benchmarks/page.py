"""The live page: what its process costs at 15 frames/s, and what a browser that froze costs it."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _chromium import Tab, chromium, cpu_s, is_here
from _page_clients import Frozen, Reader
from _page_source import MATRIX, RATE_HZ, played, wait_for_frames
from _process_cost import cpu_of, resident_mib
from _table import Outcome, Table, Target, run

from realtime.clock import MonotonicClock

MOST_CPU_PERCENT = 5.0
LEAST_DRAWN = 0.9  # of the frames: a page that draws few is cheap
MOST_GROWTH_MIB = 8.0
_SETTLE_S = 3.0  # a page that has just been opened is laid out and compiled first


class Client(Protocol):
    """Somebody who looks at the page."""

    def drawn_ms(self) -> list[tuple[int, float]]:
        """Return each frame that was drawn, and when, by the monotonic clock."""
        ...

    def close(self) -> None:
        """Go away."""
        ...


Open = Callable[[str], Client]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the page's process took in one stretch. ages_ms: publication → drawn, of all clients."""

    title: str
    cpu_percent: float
    resident_mib: float
    growth_mib: float
    frames_per_s: float
    n_missed: int
    ages_ms: tuple[float, ...]
    browser_percent: float


def cost(title: str, *, duration_s: float, open_one: Open, n_clients: int, n_frozen: int) -> Cost:
    """Serve for a while; return what it cost."""
    print(f"{title} …", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        source, page = stack.enter_context(played())
        clients = [
            stack.enter_context(contextlib.closing(open_one(page.where))) for _ in range(n_clients)
        ]
        for _ in range(n_frozen):
            stack.enter_context(contextlib.closing(Frozen(page.where)))
        wait_for_frames(source, lambda: [len(one.drawn_ms()) for one in clients])
        clock = MonotonicClock()
        clock.sleep_until_ns(clock.now_ns() + round(min(_SETTLE_S, duration_s) * 1e9))
        began_ns, used_s, resident = clock.now_ns(), cpu_of(page.pid), resident_mib(page.pid)
        browser_s, begin = cpu_s(), source.n_frames
        clock.sleep_until_ns(began_ns + round(duration_s * 1e9))
        ended_ns, end = clock.now_ns(), source.n_frames
        took_s = (ended_ns - began_ns) / 1e9
        used_s, browser_s = cpu_of(page.pid) - used_s, cpu_s() - browser_s
        now_mib = resident_mib(page.pid)
        got = [_between(one.drawn_ms(), began_ns / 1e6, ended_ns / 1e6) for one in clients]
        published = dict(source.published_ms)
    ages = tuple(at_ms - published[frame] for one in got for frame, at_ms in one)
    n_drawn = [len(one) for one in got]
    return Cost(
        title,
        used_s / took_s * 100,
        now_mib,
        now_mib - resident,
        min(n_drawn, default=0) / took_s,
        max([0, *(end - begin - n for n in n_drawn)]),
        ages,
        browser_s / took_s * 100,
    )


def _between(
    drawn: list[tuple[int, float]], began_ms: float, ended_ms: float
) -> list[tuple[int, float]]:
    return [(frame, at_ms) for frame, at_ms in drawn if began_ms <= at_ms < ended_ms]


def _costs(who: str, open_one: Open, *, duration_s: float, is_quick: bool) -> Iterator[Cost]:
    cases = [(f"one {who}", 1, 0), (f"one {who}, one frozen", 1, 1), (f"three: {who}", 3, 0)]
    for title, n_clients, n_frozen in cases[:2] if is_quick else cases:
        yield cost(
            title, duration_s=duration_s, open_one=open_one, n_clients=n_clients, n_frozen=n_frozen
        )


def measure(arguments: argparse.Namespace) -> Outcome:
    duration_s = 1.5 if arguments.quick else arguments.seconds
    none = cost("nobody", duration_s=duration_s, open_one=Reader, n_clients=0, n_frozen=0)
    has_browser = is_here()
    if has_browser:
        with chromium() as browser:
            costs = list(
                _costs(
                    "Chromium", lambda where: Tab(browser, where),
                    duration_s=duration_s, is_quick=arguments.quick,
                )
            )  # fmt: skip
    else:
        print("no Chromium or no playwright here: bare readers instead", file=sys.stderr)
        costs = list(_costs("reader", Reader, duration_s=duration_s, is_quick=arguments.quick))
    columns = ("open", "CPU, of one core", "memory", "growth", "frames/s drawn", "passed over",
               "published → drawn, p50", "p99", "the browser's own CPU")  # fmt: skip
    rows = tuple(_row(each) for each in (none, *costs))
    who = (
        "Drawn: on the screen of Debian's Chromium (no GPU), by its own clock; its CPU is that of "
        "all of its processes."
        if has_browser
        else "There was no Chromium here: drawn means read by a thread."
    )
    note = (
        f"{RATE_HZ} frames/s of {MATRIX} × {MATRIX}, all maps, regions, permits, verdicts, ten "
        f"heartbeats a second. {who} The frozen one never reads, is sent away after 5 s and comes "
        "again. Passed over: frames that a newer one replaced before the browser could take them."
    )
    return Outcome(_targets(costs), (Table("The page's process", columns, rows, note),))


def _row(each: Cost) -> tuple[str, ...]:
    figures = ("–",) * 5
    if each.ages_ms:
        p50, p99 = np.percentile(each.ages_ms, [50, 99])
        own = f"{each.browser_percent:.0f} %" if each.browser_percent else "–"
        figures = (
            f"{each.frames_per_s:.1f}", str(each.n_missed), f"{p50:.0f} ms", f"{p99:.0f} ms", own,
        )  # fmt: skip
    return (
        each.title,
        f"{each.cpu_percent:.1f} %",
        f"{each.resident_mib:.0f} MiB",
        f"{each.growth_mib:+.1f} MiB",
        *figures,
    )


def _targets(costs: list[Cost]) -> tuple[Target, ...]:
    title = f"{RATE_HZ} frames/s of {MATRIX}²"
    one, frozen = costs[:2]
    return (
        _cpu_target(f"{title}, {one.title}", one),
        _cpu_target(f"{title}, {frozen.title}", frozen),
        Target(
            f"a frozen browser costs under {MOST_GROWTH_MIB:g} MiB",
            f"{frozen.growth_mib:+.1f} MiB",
            frozen.growth_mib < MOST_GROWTH_MIB,
        ),
        *(
            Target(
                f"{title}, {each.title}: server CPU",
                f"{each.cpu_percent:.1f} %, {each.frames_per_s:.1f} frames/s each",
                None,
            )
            for each in costs[2:]
        ),
    )


def _cpu_target(title: str, found: Cost) -> Target:
    return Target(
        f"{title}: under {MOST_CPU_PERCENT:g} % of one core, {LEAST_DRAWN:.0%} of the frames drawn",
        f"{found.cpu_percent:.1f} %, {found.frames_per_s:.1f} frames/s",
        found.cpu_percent < MOST_CPU_PERCENT and found.frames_per_s >= LEAST_DRAWN * RATE_HZ,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=20.0, help="each row; 20 by default")


if __name__ == "__main__":
    sys.exit(run("page", measure, about=__doc__, options=_options))
