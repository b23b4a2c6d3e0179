"""Last readout sent → image back at an MRD client: the whole monitor against a bare server."""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _image_client import Heard, ImageClient
from _monitor_process import MonitorProcess
from _table import MeasurementError, Outcome, Table, Target, run

from realtime.cli.latency import protocol_for
from realtime.tuning import SCANNER_LEVEL, go_first

N_WARM = 10
MOST_GROWTH = 1.5  # of the median lag from the first half of a flood to its second
# Gadgetron and python-ismrmrd-server as the reference measured them, on such a machine
PEERS_MS = {
    128: "Gadgetron 2.9–4.6, python-ismrmrd-server 8–11",
    256: "Gadgetron 86–104, python-ismrmrd-server 91",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One geometry. reference_ms: what a bare server took where the goal was set."""

    matrix: int
    n_coils: int
    rate_hz: float
    n_frames: int
    most_ms: float
    reference_ms: float

    @property
    def title(self) -> str:
        """Return what is sent, as a person reads it."""
        return f"{self.matrix}² × {self.n_coils}, {self.rate_hz:g} frames/s"


CASES = (Case(128, 8, 5.0, 150, 1.3, 0.5), Case(256, 32, 2.0, 60, 15.0, 11.2))


class BareServer:
    """`_bare_server.py` as a process."""

    def __enter__(self) -> int:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("_bare_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        out = self._process.stdout
        return int(out.readline()) if out is not None else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=20.0)


def ours(case: Case, *, is_flood: bool, n_frames: int) -> Heard:
    """Send frames to a monitor with thermometry, rules, recording and run folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "latency.toml"
        path.write_text(protocol_for(case.matrix).text)
        with MonitorProcess(str(path)) as monitor:
            return _sent(monitor.ports.mrd, case, is_flood=is_flood, n_frames=n_frames)


def _sent(port: int, case: Case, *, is_flood: bool, n_frames: int) -> Heard:
    client = ImageClient(port, matrix=case.matrix, n_coils=case.n_coils, rate_hz=case.rate_hz)
    heard = client.flat_out(n_frames=n_frames) if is_flood else client.paced(n_frames=n_frames)
    if not heard.first_ms(n_warm=N_WARM):
        raise MeasurementError(f"{case.title}: no image came back")
    return heard


def paced(
    case: Case, bare_port: int, *, quick: bool
) -> tuple[tuple[Target, ...], list[tuple[str, ...]]]:
    """Send at the scanner's pace, to both in turn."""
    n_frames, n_rounds = (N_WARM + 10, 1) if quick else (case.n_frames, 2)
    bare, first, last = list[float](), list[float](), list[float]()
    for _ in range(n_rounds):
        heard = _sent(bare_port, case, is_flood=False, n_frames=n_frames)
        bare += heard.first_ms(n_warm=N_WARM)
        heard = ours(case, is_flood=False, n_frames=n_frames)
        first += heard.first_ms(n_warm=N_WARM)
        last += heard.last_ms(n_warm=N_WARM)
    n_expected = n_rounds * (n_frames - N_WARM)
    has_all = len(first) == len(bare) == n_expected
    ratio, allowed = np.median(first) / np.median(bare), case.most_ms / case.reference_ms
    rows = [
        _row(case.title, "bare server, no temperature, no permit: its image", bare, bare),
        _row(case.title, "**the monitor: magnitude**", first, bare),
        _row(case.title, "the monitor: all maps, after the verdict", last, bare),
    ]
    target = Target(
        f"{case.title}: image back in at most {case.most_ms:g} ms, median ({PEERS_MS[case.matrix]} "
        f"ms; a bare server {case.reference_ms:g}, so at most {allowed:.1f} × a bare server)",
        f"{np.median(first):.2f} ms, {ratio:.2f} × the bare server's {np.median(bare):.2f} "
        f"(images of {len(first)} of {n_expected} frames; of {len(bare)} from the bare server)",
        has_all and bool(np.median(first) <= case.most_ms),
    )
    relative = Target(
        f"{case.title}: at most {allowed:.1f} × a bare server in the same run",
        f"{ratio:.2f} ×",
        has_all and bool(ratio <= allowed),
    )
    return (target, relative), rows


def flood(case: Case, *, quick: bool) -> tuple[Target, tuple[str, ...]]:
    """Send as fast as it is taken: what is not computed is dropped, and nothing may pile up."""
    heard = ours(case, is_flood=True, n_frames=60 if quick else 600)
    lags_ms = np.array(heard.first_ms(n_warm=N_WARM))
    half = len(lags_ms) // 2
    before_ms, after_ms = float(np.median(lags_ms[:half])), float(np.median(lags_ms[half:]))
    sent = sorted(heard.sent_ns.values())
    rate = (len(sent) - 1) / ((sent[-1] - sent[0]) / 1e9)
    row = (
        f"{case.matrix}² × {case.n_coils}",
        f"{rate:.0f}",
        f"{len(heard.image_ns) / len(sent):.0%}",
        f"{before_ms:.1f}",
        f"{after_ms:.1f}",
        f"{lags_ms.max():.1f}",
    )
    target = Target(
        f"{case.matrix}² × {case.n_coils} as fast as it goes: no growing queue",
        f"median lag {before_ms:.1f} ms in the first half of {len(sent)} frames, {after_ms:.1f} in "
        f"the second, {rate:.0f} frames/s sent",
        after_ms <= MOST_GROWTH * before_ms + 1.0,
    )
    return target, row


def _row(title: str, name: str, values: list[float], bare: list[float]) -> tuple[str, ...]:
    figures = np.percentile(values, (50, 95, 99, 100))
    ratio = f"{np.median(values) / np.median(bare):.2f}"
    return (title, name, *(f"{one:.2f}" for one in figures), ratio)


def measure(arguments: argparse.Namespace) -> Outcome:
    targets, rows, floods = list[Target](), list[tuple[str, ...]](), list[tuple[str, ...]]()
    go_first(SCANNER_LEVEL)  # the client
    with BareServer() as bare_port:
        for case in CASES:
            found, figures = paced(case, bare_port, quick=arguments.quick)
            targets += found
            rows += figures
            target, row = flood(case, quick=arguments.quick)
            targets.append(target)
            floods.append(row)
    paced_table = Table(
        "Last readout sent → image back at an MRD client over TCP (ms)",
        ("frames", "what", "p50", "p95", "p99", "max", "× bare"),
        tuple(rows),
        "Both servers in turn, two rounds, the same client and bytes, all before ordinary work "
        "where that is permitted. The bare server (readout "
        "FFT on arrival with scipy, root of squares, one image) does no thermometry, no safety "
        "work, no record and serves one client. The monitor's magnitude goes back before it is "
        "measured; temperature and dose follow the verdict.",
    )
    flood_table = Table(
        "Source as fast as it goes",
        ("frames", "sent/s", "share with an image", "lag, first half", "second half", "max"),
        tuple(floods),
        "Lag: last readout handed to the socket → magnitude back (ms). Frames that the worker "
        "cannot take are answered LATE and have no image.",
    )
    return Outcome(tuple(targets), (paced_table, flood_table))


if __name__ == "__main__":
    sys.exit(run("peers", measure, about=__doc__))
