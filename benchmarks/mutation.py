"""Mutated sessions: no traceback, no hang, no allocation above the cap, each frame answered once.

In-process from bytes to mailbox with a worker stand-in; a share through a gateway and a worker in
processes of their own. `--only N` replays one of the first kind and shows its traceback.
"""

import argparse
import gc
import os
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _mutated_gateway import through_gateway
from _mutated_session import BrokenLawError, Conversation, Played, load_protocols
from _process_watch import MIB, PeakMemory, TooLongError, alarm_after, cap_address_space
from _table import Outcome, Table, Target, run

from realtime.clock import MonotonicClock
from realtime.session_setup import MAX_FRAME_BYTES
from realtime.streams.mrd_framing import Limits
from simulators.mutations import Messages, Mutant, mutant
from simulators.whole_sessions import whole_sessions

N_SESSIONS, N_THROUGH_GATEWAY = 100_000, 200
MOST_S = 20.0
# Of address space: the largest mailbox that a header may ask for, a message, and Python's own
MOST_CLAIMED_BYTES = 4 * MAX_FRAME_BYTES + Limits().max_image_bytes + (256 << 20)
# Of memory really taken: the largest readout twice, the prelude and the mailbox's touched pages
MOST_TAKEN_BYTES = 2 * Limits().max_readout_bytes + (48 << 20)
_TOLD_EVERY = 5000
_SETTLED = 1000  # sessions, after which descriptors and memory are compared with the end
_MOST_SHOWN = 12


@dataclass
class Tally:
    """What became of the sessions, by the harm that was done to them."""

    n_played: Counter[str] = field(default_factory=Counter)
    n_refused: Counter[str] = field(default_factory=Counter)
    n_begun: Counter[str] = field(default_factory=Counter)
    n_frames: int = 0
    n_bytes: int = 0
    tracebacks: dict[int, str] = field(default_factory=dict)
    hangs: dict[int, str] = field(default_factory=dict)
    too_large: dict[int, str] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)
    most_taken_bytes: int = 0
    slowest_s: float = 0.0

    def add(self, harmed: Mutant, played: Played) -> None:
        """Count a session that ended as it may."""
        self.n_frames += played.n_frames
        for harm in {*harmed.harms, "all"}:
            self.n_played[harm] += 1
            self.n_refused[harm] += bool(played.error)
            self.n_begun[harm] += played.has_begun


def play_all(n_sessions: int, *, seed: int) -> Tally:
    """Play so many mutants; nothing of theirs may outlive them."""
    sessions = [list(one) for one in whole_sessions().values()]
    load_protocols()
    tally, memory, clock = Tally(), PeakMemory(), MonotonicClock()
    began_ns = clock.now_ns()
    for number in range(n_sessions):
        _play_one(number, sessions, seed, tally, memory, clock)
        if (number + 1) % _TOLD_EVERY == 0:
            _tell(number + 1, tally, (clock.now_ns() - began_ns) / 1e9)
    return tally


def _play_one(
    number: int,
    sessions: list[Messages],
    seed: int,
    tally: Tally,
    memory: PeakMemory,
    clock: MonotonicClock,
) -> None:
    harmed, rng = _mutant_of(number, sessions, seed)
    told = f"({', '.join(harmed.harms)})"
    memory.begin()
    began_ns = clock.now_ns()
    alarm_after(MOST_S)
    try:
        tally.add(harmed, Conversation(rng).play(harmed.data))
    except TooLongError as error:
        tally.hangs[number] = f"{error} {told}"
    except BrokenLawError as error:
        tally.broken[number] = f"{error} {told}"
    except MemoryError as error:
        tally.too_large[number] = f"{error} {told}"
    except Exception as error:  # noqa: BLE001 - that is what is counted
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        tally.tracebacks[number] = f"{type(error).__name__} at {place}: {error} {told}"
    finally:
        alarm_after(0)
    taken = memory.growth_bytes()
    if taken > MOST_TAKEN_BYTES:
        tally.too_large[number] = f"{taken / MIB:.0f} MiB {told}"
    tally.n_bytes += len(harmed.data)
    tally.most_taken_bytes = max(tally.most_taken_bytes, taken)
    tally.slowest_s = max(tally.slowest_s, (clock.now_ns() - began_ns) / 1e9)


def _mutant_of(
    number: int, sessions: list[Messages], seed: int
) -> tuple[Mutant, np.random.Generator]:
    rng = np.random.default_rng([seed, number])
    return mutant(sessions, rng), rng


def replay(number: int, *, seed: int) -> None:
    """Play one mutant again, its traceback and all."""
    sessions = [list(one) for one in whole_sessions().values()]
    harmed, rng = _mutant_of(number, sessions, seed)
    print(f"session {number}: {len(harmed.data)} bytes, {', '.join(harmed.harms)}")
    print(Conversation(rng).play(harmed.data))


def _tell(n_played: int, tally: Tally, took_s: float) -> None:
    bad = sum(map(len, (tally.tracebacks, tally.hangs, tally.too_large, tally.broken)))
    print(
        f"{n_played} sessions in {took_s:.0f} s, {tally.n_refused['all']} refused, {bad} failures",
        flush=True,
    )


def _descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def measure(arguments: argparse.Namespace) -> Outcome:
    if arguments.only is not None:
        replay(arguments.only, seed=arguments.seed)
    n_sessions = 300 if arguments.quick else arguments.sessions
    n_through = 5 if arguments.quick else arguments.through
    print(f"{n_through} sessions through a gateway and a worker", flush=True)
    counts, outcomes, failures = through_gateway(n_through, seed=arguments.seed)
    cap_address_space(MOST_CLAIMED_BYTES)
    warm = play_all(min(_SETTLED, n_sessions), seed=arguments.seed + 1)
    n_before = _descriptors()
    tally = play_all(n_sessions, seed=arguments.seed)
    n_left = _descriptors() - n_before
    for name in ("tracebacks", "hangs", "too_large", "broken"):
        failed = getattr(tally, name)
        for number, text in list(failed.items())[:_MOST_SHOWN]:
            print(f"  --seed {arguments.seed} --only {number}: {name}: {text}")
        for number, text in getattr(warm, name).items():
            print(f"  --seed {arguments.seed + 1} --only {number}: {name}: {text}")
            failed[-1 - number] = text  # what failed in the warm-up has failed, too
    for number, text in failures.items():
        print(f"  gateway, session {number}: {text}")
    return Outcome(
        _targets(n_sessions, tally, n_left, n_through, failures),
        (_by_harm(tally), _through(counts, outcomes)),
    )


def _targets(
    n_sessions: int, tally: Tally, n_left: int, n_through: int, failures: dict[int, str]
) -> tuple[Target, ...]:
    def none(promise: str, found: dict[int, str]) -> Target:
        return Target(f"{n_sessions:,} mutated sessions: {promise}", f"{len(found)}", not found)

    cap = f"{MOST_TAKEN_BYTES / MIB:.0f} MiB"
    return (
        none("no traceback", tally.tracebacks),
        none(f"none takes longer than {MOST_S:.0f} s", tally.hangs),
        none(f"none takes more than {cap} or claims more than 5 GiB", tally.too_large),
        none("each frame answered once, refusals of one line that say where", tally.broken),
        Target("descriptors left behind: none", f"{n_left}", n_left <= 0),
        Target(
            f"{n_through} more through a gateway and a worker: as above, and a sound session after",
            f"{len(failures)} failures",
            not failures,
        ),
        Target("the slowest session", f"{tally.slowest_s:.2f} s", None),
        Target("most memory that a session took", f"{tally.most_taken_bytes / MIB:.1f} MiB", None),
    )


def _by_harm(tally: Tally) -> Table:
    rows = tuple(
        (
            harm,
            f"{n:,}",
            f"{100 * tally.n_refused[harm] / n:.0f} %",
            f"{100 * tally.n_begun[harm] / n:.0f} %",
        )
        for harm, n in sorted(tally.n_played.items(), key=lambda one: one[0] == "all")
    )
    return Table(
        "What became of the sessions, by the harm done to them",
        ("harm", "sessions", "refused or cut, with one line that says where", "had begun"),
        rows,
        f"{tally.n_frames:,} frames, {tally.n_bytes / 1e9:.2f} GB. One to three harms a session, "
        f"so that most stand in several rows. {os.cpu_count()} cores, one used.",
    )


def _through(counts: Counter[str], outcomes: Counter[str]) -> Table:
    rows = tuple((name, f"{n}") for name, n in [*counts.items(), *outcomes.items()])
    return Table("Through gateway and worker: sessions, and how frames were answered",
                 ("what", "how many"), rows)  # fmt: skip


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sessions", type=int, default=N_SESSIONS, help="in-process")
    parser.add_argument("--through", type=int, default=N_THROUGH_GATEWAY, help="by TCP")
    parser.add_argument("--seed", type=int, default=5, help="of the mutations")
    parser.add_argument("--only", type=int, help="first replay this session of the seed")


if __name__ == "__main__":
    sys.exit(run("mutation", measure, about=__doc__, options=_options))
