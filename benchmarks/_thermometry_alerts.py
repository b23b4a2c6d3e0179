"""Alerts over random treatments: each over-temperature told in time, and how many false stops."""

import math
import multiprocessing
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from _fatty_region import events_of
from _random_treatment import FAULTS, LIMIT_C, Seen, draw, draw_good, see
from _table import Table, Target
from numpy.typing import NDArray
from scipy.stats import beta
from threadpoolctl import threadpool_limits

N_TREATMENTS, N_GOOD = 200, 235
N_QUICK = 1  # of each
N_PROCESSES = 2
PROCESSING_S = 0.1
MOST_FALSE_STOPS = 0.01
SURE = 0.95
_N_WARM = 5  # frames until every kernel is loaded, which the monitor does before it treats
TEMPERATURE = ("temperature-max.warn", "temperature-max.hold")

_EXPECTED = {
    "wrong sign": ("heating-response.hold",),
    "lost frame": ("stale-frame.hold",),
    "patient moves": ("motion.hold", "drift.hold"),
    "table moves": ("baseline-invalid.hold",),
    "frequency jumps": ("baseline-invalid.hold",),
    "focus is off": ("focus-offset.hold",),
    "no heat": ("heating-response.hold",),
    "heat goes elsewhere": ("heating-response.hold",),
    "boiling": ("heating-rate.hold",),
    "signal void": ("signal-void.hold",),
    "near field builds up": ("near-field.warn",),
}
_FAT = {0.0: "", 0.5: "fat.warn", 0.95: "fat.hold"}  # what a share of fat must raise


@dataclass(frozen=True, slots=True)
class Crossing:
    """A true over-temperature.

    told_s, stopped_s: from it to the end of the frame whose verdict told or stopped; not above 0
        where such an alert was already living, infinite where none came. bounded_s: until the
        upper bound stops, as it would by another `stop_by`.
    """

    frame_s: float
    told_s: float
    stopped_s: float
    bounded_s: float

    @property
    def is_in_time(self) -> bool:
        """Whether it was told within one frame, processing apart."""
        return self.told_s <= self.frame_s


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Play the treatments on two cores and judge what was said of them."""
    n_random, n_good = (N_QUICK, N_QUICK) if quick else (N_TREATMENTS, N_GOOD)
    numbers = [*((n, True) for n in range(n_random)), *((n, False) for n in range(n_good))]
    if quick:  # over before a second process has begun
        played, found = [_see(*one) for one in numbers], [events_of(share) for share in _FAT]
    else:
        with multiprocessing.get_context("spawn").Pool(N_PROCESSES) as pool:
            played = pool.starmap(_see, numbers, chunksize=1)
            found = pool.map(events_of, _FAT, chunksize=1)
    fat = dict(zip(_FAT, found, strict=True))
    seen = played[:n_random]
    points = [one for one in (crossing(each, point=True) for each in seen) if one is not None]
    shown = [one for one in (crossing(each, point=False) for each in seen) if one is not None]
    took_s = np.concatenate([each.took_s[_N_WARM:] for each in seen])
    slowest_s = float(np.quantile(took_s, 0.99))
    targets = (
        _in_time("at one point anywhere (the true peak, between frames too)", points, slowest_s),
        _in_time("as the acquired resolution shows it, at the frames' times", shown, slowest_s),
        _false_stops([each for each in played if is_good(each)]),
    )
    rows = (*_crossing_rows("true peak at a point", points),
            *_crossing_rows("at the acquired resolution", shown),
            *_fault_rows(seen), *_fat_rows(fat), *_rule_rows(played))  # fmt: skip
    return targets, _table(len(seen), rows)


def _see(number: int, is_random: bool) -> Seen:
    with threadpool_limits(1):
        return see(draw(number) if is_random else draw_good(number))


def crossing(seen: Seen, *, point: bool) -> Crossing | None:
    """Return the first true over-temperature; None where there is none.

    point: the true peak at one point, readout by readout; otherwise the band-limited field on the
    pixels, between the frames' k-space centres by a straight line.
    """
    time_s, true_c = (
        (seen.point_time_s, seen.point_c) if point else (seen.frame_time_s, seen.region_c)
    )
    at_s = _first_above(time_s, true_c)
    if at_s is None:
        return None
    frame_s = seen.case.treatment.sequence.frame_time_s
    # what is wrong with the data may be told instead of the heat that it hides
    tells = TEMPERATURE if not seen.case.fault else None
    stopped_s = _since(seen, at_s, "hold")
    by_bound_s = _since_bound(seen, at_s)
    return Crossing(frame_s, _since(seen, at_s, tells), stopped_s, min(stopped_s, by_bound_s))


def _first_above(time_s: NDArray[np.float64], true_c: NDArray[np.float64]) -> float | None:
    over = np.flatnonzero(true_c >= LIMIT_C)
    if over.size == 0:
        return None
    n = int(over[0])
    share = (LIMIT_C - true_c[n - 1]) / (true_c[n] - true_c[n - 1])
    return float(time_s[n - 1] + share * (time_s[n] - time_s[n - 1]))


def _since(seen: Seen, at_s: float, tells: tuple[str, ...] | str | None) -> float:
    """Return how long after a moment an alert lives; negative where it did before.

    tells: events that count; "hold" for any that holds; None for temperature's and any that holds.
    """
    for end_s, alerts in zip(seen.end_s, seen.alerts, strict=True):
        if end_s >= at_s and _counts(alerts, tells):
            return end_s - at_s
        if end_s < at_s and _counts(alerts, tells):
            last_s = end_s
            next_ends = [one for one in seen.end_s if one > last_s]
            if not next_ends or next_ends[0] >= at_s:
                return last_s - at_s
    return math.inf


def _since_bound(seen: Seen, at_s: float) -> float:
    """Return how long after a moment the upper bound has stopped; negative where it did before."""
    for end_s, upper_c in zip(seen.end_s, seen.upper_c, strict=True):
        if upper_c >= LIMIT_C:
            return end_s - at_s
    return math.inf


def _counts(alerts: frozenset[str], tells: tuple[str, ...] | str | None) -> bool:
    holds = any(one.endswith(".hold") for one in alerts)
    if tells == "hold":
        return holds
    if tells is None:
        return holds or any(one in TEMPERATURE for one in alerts)
    return any(one in tells for one in alerts)


def is_good(seen: Seen) -> bool:
    """Whether nothing is wrong with a treatment and its true peak stays below the limit."""
    return not seen.case.fault and float(seen.point_c.max()) < LIMIT_C


def stops(seen: Seen) -> Counter[str]:
    """Return which rules held in how many measured frames."""
    return Counter(
        one.rule for n in seen.measured for one in seen.findings[n] if one.severity == "hold"
    )


def _false_stops(good: Sequence[Seen]) -> Target:
    n_stopped = sum(bool(stops(each)) for each in good)
    most = _most_likely_share(n_stopped, len(good))
    return Target(
        f"false stops at most {MOST_FALSE_STOPS:.0%} of good treatments below the limit",
        f"{n_stopped} of {len(good)}: at most {100 * most:.2f} % with {SURE:.0%} confidence",
        n_stopped <= MOST_FALSE_STOPS * len(good),
    )


def _most_likely_share(n_found: int, n: int) -> float:
    """Return the upper bound of a share (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    return 1.0 if n_found >= n else float(beta.ppf(SURE, n_found + 1, n - n_found))


def _in_time(what: str, crossings: Sequence[Crossing], slowest_s: float) -> Target:
    in_time = sum(one.is_in_time for one in crossings)
    latest = max((one.told_s / one.frame_s for one in crossings), default=-math.inf)
    return Target(
        f"each over-temperature {what}, is alerted within one frame and "
        f"{PROCESSING_S * 1e3:.0f} ms",
        f"{in_time} of {len(crossings)}; the latest after {latest:+.2f} frames, p99 of computing "
        f"{slowest_s * 1e3:.0f} ms",
        in_time == len(crossings) and slowest_s <= PROCESSING_S,
    )


def _table(n_random: int, rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(
        f"Alerts over {n_random} random treatments (SNR 15–60, frames of 1–3.5 s, peak 45–75 °C)",
        ("what", "figure", "of"),
        tuple(rows),
        "Frames are counted from the true crossing to the end of the frame whose verdict told; "
        "negative: an alert was living before. The heating follows its plan whatever is said. "
        "A temperature alert must tell good data's heat; of bad data any hold counts. Limit 60 °C "
        "by the lower 95 % bound of a pixel (`stop_by`), warning from 57 °C by the upper one, or "
        "where a straight line reaches the limit within 1.5 frames. By upper bound: what would "
        "stop as the shipped protocols do. Good treatments are those of the random ones and "
        f"{N_GOOD} more of a 32² image.",
    )


def _crossing_rows(name: str, crossings: Sequence[Crossing]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for what, values in (
        ("alert", [one.told_s / one.frame_s for one in crossings]),
        ("stop by lower bound", [one.stopped_s / one.frame_s for one in crossings]),
        ("stop by upper bound", [one.bounded_s / one.frame_s for one in crossings]),
    ):
        came = [one for one in values if math.isfinite(one)]
        middle, latest = (f"{float(np.quantile(came, q)):+.2f}" if came else "–" for q in (0.5, 1))
        n, n_soon = str(len(values)), sum(one <= 1.0 for one in values)
        rows.append((f"{name}: {what} within one frame", str(n_soon), n))
        rows.append((f"{name}: {what}, frames after, median / latest", f"{middle} / {latest}", n))
        rows.append((f"{name}: no {what}", str(len(values) - len(came)), n))
    return rows


def _fault_rows(seen: Sequence[Seen]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for fault in FAULTS:
        hit = [each for each in seen if each.case.fault == fault]
        expected = _EXPECTED[fault]
        told = sum(any(set(one) & set(expected) for one in each.alerts) for each in hit)
        held = sum(bool(stops(each)) for each in hit)
        what = f"{fault}: told by {' or '.join(expected)} / held by any rule"
        rows.append((what, f"{told} / {held}", str(len(hit))))
    return rows


def _fat_rows(fat: Mapping[float, frozenset[str]]) -> list[tuple[str, ...]]:
    return [
        (f"region with {share:.0%} of fat: {_FAT[share] or 'no finding'}",
         "yes" if (_FAT[share] in events if _FAT[share] else not events) else "no", "1")
        for share, events in fat.items()
    ]  # fmt: skip


def _rule_rows(seen: Sequence[Seen]) -> list[tuple[str, ...]]:
    good = [each for each in seen if is_good(each)]
    held: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    for each in good:
        held.update(stops(each).keys())
        warned.update(
            {one.rule for n in each.measured for one in each.findings[n] if one.severity == "warn"}
        )
    n = str(len(good))
    by_bound = sum(any(each.upper_c[k] >= LIMIT_C for k in each.measured) for each in good)
    rows = [(f"false stops by {rule}", str(count), n) for rule, count in sorted(held.items())]
    rows = rows or [("false stops by any rule", "0", n)]
    rows += [("false stops, were the upper bound to stop", str(by_bound), n)]
    rows += [
        (f"warnings of {rule} below the limit", str(count), n)
        for rule, count in sorted(warned.items())
    ]
    return [*rows]
