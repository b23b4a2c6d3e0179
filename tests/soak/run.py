"""A soak: a monitor, its scanner and subscribers, random faults, and the check of what is left."""

import contextlib
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from realtime.clock import MonotonicClock
from tests.soak.checker import Records, Row, Table, check
from tests.soak.faults import Injector, Victim
from tests.soak.monitor import Monitor
from tests.soak.subscriber import Log, lines

LEASE_MS = 1000.0
STRUCK = ("first", "second")
WITNESS = "witness"
ROOT = Path(__file__).parents[2]
_S = 1_000_000_000
_START_NS = 90 * _S
_CATCH_UP_NS = 60 * _S
_SEEN_NS = 300_000_000  # how long a person takes to acknowledge
_MEAN_GAP_S = 1.0
_MUST = ("alerts journalled", "permits GRANTED")  # a soak without them has shown nothing


class SoakError(Exception):
    """The soak itself could not go on."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a soak did and found. wrong: one sentence for each thing that must not be."""

    n_faults: dict[str, int]
    facts: dict[str, int]
    wrong: list[str]


class Soak:
    """Runs the processes. One loop: it acknowledges, strikes, and wakes who was paused."""

    def __init__(self, folder: Path, *, seed: int, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._rng = random.Random(seed)
        self._clock = MonotonicClock()
        self.monitor = Monitor(folder, lease_ms=LEASE_MS)
        self._context = zmq.Context()
        self._events = self._context.socket(zmq.SUB)
        for topic in (b"alert", b"permit", b"heartbeat"):
            self._events.setsockopt(zmq.SUBSCRIBE, topic)
        self._events.setsockopt(zmq.RECONNECT_IVL_MAX, 100)
        self._events.connect(self.monitor.events)
        self._control = self._asker()
        self._due: list[tuple[int, str, int]] = []
        self._acknowledged = Log(folder / "acknowledged.jsonl")
        self._epoch, self._is_granted = "", False
        self._victims = [self._victim(name) for name in (*STRUCK, WITNESS)]
        self._scanner = self._victim("scanner")
        self.injector = Injector(
            self._rng,
            self.monitor,
            self._victims[: len(STRUCK)],
            self._scanner,
            restarted=self._begin_anew,
        )

    def start(self) -> None:
        """Start the monitor and wait until it serves."""
        self.monitor.start()
        self._await_epoch()

    def strike(self, n_faults: int, *, limit_s: float) -> None:
        """Strike n times from the first GRANTED on, or until the time is over."""
        began_ns = self._clock.now_ns()
        end_ns = began_ns + round(limit_s * _S)
        while not self._is_granted and self._clock.now_ns() < began_ns + _START_NS:
            self._serve(until_ns=self._clock.now_ns() + _S // 10)
        for n in range(1, n_faults + 1):
            gap_s = min(self._rng.expovariate(1 / _MEAN_GAP_S), 4 * _MEAN_GAP_S)
            self._serve(until_ns=self._clock.now_ns() + round(gap_s * _S))
            kind = self.injector.strike(self._clock.now_ns())
            now_ns = self._clock.now_ns()
            self._tell(f"{n:4d} of {n_faults}  {(now_ns - began_ns) / _S:6.1f} s  {kind}")
            if not self.monitor.is_alive:
                raise SoakError(f"the monitor died by itself: {self.monitor.log[-500:]}")
            if now_ns > end_ns:
                self._tell(f"the time of {limit_s:.0f} s is over")
                return

    def settle(self) -> None:
        """Let all go on, stop the scanner, and wait until every subscriber has every alert."""
        self.injector.wake_all()
        self._serve(until_ns=self._clock.now_ns() + 3 * _S)
        self._end(self._scanner)
        self._serve(until_ns=self._clock.now_ns() + 2 * _S)
        limit_ns = self._clock.now_ns() + _CATCH_UP_NS
        while self._clock.now_ns() < limit_ns and not self._all_have_all():
            self._serve(until_ns=self._clock.now_ns() + _S // 4)

    def close(self) -> None:
        """End every process."""
        self.injector.wake_all()
        for victim in (*self._victims, self._scanner):
            self._end(victim)
        self.monitor.stop()
        self._context.destroy(linger=0)

    def report(self) -> Report:
        """Read what is left, and check it."""
        records = Records(
            read_journal(self.monitor.out),
            {name: list(lines(self._log_of(name))) for name in (*STRUCK, WITNESS)},
            WITNESS,
            read_tables(self.monitor.out),
            list(lines(self._log_of("scanner"))),
            list(lines(self._folder / "acknowledged.jsonl")),
            LEASE_MS,
        )
        wrong, facts = check(records), _facts(records)
        wrong += [f"{what}: none, so nothing was tested" for what in _MUST if not facts[what]]
        if "Traceback" in self.monitor.log:
            wrong.append(f"a traceback: {self.monitor.log.partition('Traceback')[2][:2000]}")
        return Report(dict(self.injector.counts), facts, wrong)

    def _all_have_all(self) -> bool:
        journal = read_journal(self.monitor.out)
        last = journal[-1].place if journal else ("", 0)
        return all(_last_taken(self._log_of(name)) == last for name in (*STRUCK, WITNESS))

    def _serve(self, *, until_ns: int) -> None:
        while (now_ns := self._clock.now_ns()) < until_ns:
            self.injector.wake(now_ns)
            self._acknowledge(now_ns)
            wake_ns = self.injector.next_wake_ns or until_ns
            wait_ms = (min(until_ns, wake_ns, now_ns + _S // 20) - now_ns) // 1_000_000
            if self._events.poll(max(wait_ms, 1)):
                topic, header = self._events.recv_multipart()[:2]
                self._hear(topic, json.loads(header), self._clock.now_ns())

    def _hear(self, topic: bytes, header: dict[str, Any], now_ns: int) -> None:
        self._epoch, body = header["epoch"], header["body"]
        if topic == b"permit":
            self._is_granted = body["state"] == "GRANTED"
        elif topic == b"alert" and body["state"] == "raised" and body["latched"]:
            self._due.append((now_ns + _SEEN_NS, header["epoch"], body["alert_id"]))

    def _acknowledge(self, now_ns: int) -> None:
        while self._control.poll(0):
            self._control.recv_multipart()
        while self._due and self._due[0][0] <= now_ns:
            _, epoch, alert_id = self._due.pop(0)
            if epoch == self._epoch:
                request = {"type": "acknowledge", "alert_id": alert_id, "who": "soak"}
                request["epoch"] = epoch
                self._acknowledged.write("acknowledged", epoch=epoch, alert_id=alert_id)
                self._control.send(json.dumps(request).encode())

    def _begin_anew(self) -> None:
        # what still waits on the line must not reach the next epoch, which counts alerts anew
        self._control.close(linger=0)
        self._control = self._asker()
        self._due.clear()
        self._await_epoch()

    def _await_epoch(self) -> None:
        before, limit_ns = self._epoch, self._clock.now_ns() + _START_NS
        while self._epoch == before:
            if not self.monitor.is_alive or self._clock.now_ns() > limit_ns:
                raise SoakError(f"the monitor did not start: {self.monitor.log[-500:]}")
            self._serve(until_ns=self._clock.now_ns() + _S // 20)

    def _asker(self) -> "zmq.Socket[bytes]":
        asker = self._context.socket(zmq.DEALER)
        asker.connect(self.monitor.control)
        return asker

    def _victim(self, name: str) -> Victim:
        if name == "scanner":
            arguments = ["tests.soak.scanner", self._log_of(name), str(self.monitor.mrd_port)]
        else:
            addresses = (self.monitor.events, self.monitor.control)
            arguments = ["tests.soak.subscriber", self._log_of(name), *addresses]

        def start() -> "subprocess.Popen[bytes]":
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            with (self._folder / f"{name}.stderr").open("ab") as errors:
                return subprocess.Popen(
                    [sys.executable, "-m", *arguments], cwd=ROOT, stderr=errors, env=environment
                )

        return Victim(name, start, start())

    def _end(self, victim: Victim) -> None:
        if victim.process.poll() is None:
            victim.process.send_signal(signal.SIGCONT)
            victim.process.kill()
            victim.process.wait()

    def _log_of(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"


def soak(
    folder: Path, n_faults: int, *, seed: int, limit_s: float, tell: Callable[[str], None]
) -> Report:
    """Run a whole soak in a folder. Raises SoakError where the monitor does not come back."""
    one = Soak(folder, seed=seed, tell=tell)
    try:
        one.start()
        one.strike(n_faults, limit_s=limit_s)
        one.settle()
    finally:
        one.close()
    return one.report()


def read_journal(out: Path) -> list[Row]:
    """Return the journal's alerts in their order; none where there is no journal yet."""
    path = out / "journal.sqlite"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as journal:
        rows = journal.execute("SELECT epoch, sequence, header FROM events ORDER BY place")
        return [
            Row(epoch, sequence, json.loads(header)["body"]) for epoch, sequence, header in rows
        ]


def read_tables(out: Path) -> dict[str, Table]:
    """Return verdicts.csv of each run; a row that a killed writer has torn is left out."""
    tables = {}
    for path in out.glob("*/verdicts.csv"):
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1].splitlines()
        rows = tuple(
            (int(row["frame"]), row["outcome"], row["permit"]) for row in csv.DictReader(whole)
        )
        run = json.loads((path.parent / "run.json").read_text())
        tables[run["start"]["run_id"]] = Table(rows, _is_ended(run))
    return tables


def _last_taken(path: Path) -> tuple[str, int]:
    taken = [line for line in lines(path) if line.get("taken")]
    return (taken[-1]["epoch"], taken[-1]["sequence"]) if taken else ("", 0)


def _facts(records: Records) -> dict[str, int]:
    witness = records.logs[records.witness]
    verdicts = [one for one in witness if one.get("topic") == "verdict"]
    permits = [one for one in witness if one.get("topic") == "permit"]
    facts = {
        "lives of the monitor": len({row.epoch for row in records.journal}),
        "runs": len({one["body"]["run_id"] for one in verdicts}),
        "frames answered": len(verdicts),
        "of them LATE or FAULT": sum(one["body"]["outcome"] != "COMPUTED" for one in verdicts),
        "permits GRANTED": sum(one["body"]["state"] == "GRANTED" for one in permits),
        "alerts acknowledged": len(records.acknowledged),
        "alerts journalled": len(records.journal),
    }
    for name, log in records.logs.items():
        alerts = [one for one in log if one.get("topic") == "alert"]
        taken = {(one["epoch"], one["sequence"]) for one in alerts if one.get("taken")}
        facts[f"alerts delivered to the {name}"] = len(taken)
        facts[f"… of them asked for by the {name}"] = sum(
            bool(one["taken"]) and one["how"] == "resumed" for one in alerts
        )
        facts[f"… copies beside them at the {name}"] = len(alerts) - len(taken)
    return facts


def _is_ended(run: dict[str, Any]) -> bool:
    """Whether the run's own monitor wrote its end: what a killed one had under way is lost."""
    stop = run.get("stop")
    return stop is not None and stop["status"] != "killed"
