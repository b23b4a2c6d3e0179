"""The bound as `mrmonitor latency` states it: what is promised, and what was measured."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realtime.cli.console import counted
from realtime.cli.latency_figures import PERCENTILES, SPANS, Timing, ratios_of, values_of
from realtime.cli.machine import Machine
from realtime.clock import utc_now
from realtime.outputs.report_record import VerdictRow
from realtime.protocol import Protocol


def write_bound(
    path: Path,
    timings: Sequence[Timing],
    rows: Sequence[VerdictRow],
    *,
    title: str,
    machine: Machine,
    protocol: Protocol,
) -> None:
    """Write the statement as Markdown; rows: of all verdicts, those of the warm-up included."""
    deadline_ms = protocol.protocol.frame_deadline_ms
    parts = (
        f"# The bound, on this machine\n\n{title}. Measured {utc_now():%Y-%m-%d %H:%M} UTC by "
        "`mrmonitor latency`: sender, gateway and worker, three processes of one machine.",
        _promised(deadline_ms),
        _measured(timings, rows, deadline_ms=deadline_ms),
        _under(machine, protocol, n_frames=len(timings)),
        _not_promised(len(timings)),
    )
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _promised(deadline_ms: float) -> str:
    return (
        "## Promised\n\n"
        "Every frame whose last readout has arrived is answered exactly once: COMPUTED within "
        f"{deadline_ms:g} ms (`protocol.frame_deadline_ms`) of that readout's receipt, or LATE, "
        "which holds the permit, at that deadline plus one turn of the gateway's loop. A permit "
        "lapses by itself, counted from that receipt and not from the verdict."
    )


def _measured(timings: Sequence[Timing], rows: Sequence[VerdictRow], *, deadline_ms: float) -> str:
    outcomes, ratios = Counter(row.outcome for row in rows), ratios_of(timings)
    worst_ms = max(row.age_ms for row in rows)
    # one that gave way to a newer frame is answered before its deadline
    late_ms = [row.age_ms for row in rows if row.outcome == "LATE" and row.age_ms >= deadline_ms]
    turn = f" (at most {max(late_ms) - deadline_ms:.2f} ms past the deadline)" if late_ms else ""
    lines = [
        "## Measured",
        "",
        f"- worst age of any verdict: {worst_ms:.2f} ms of {deadline_ms:g} ms",
        f"- {counted(len(rows), 'verdict')}: {outcomes['COMPUTED']} computed, {outcomes['LATE']} "
        f"late{turn}, {outcomes['FAULT']} failed",
        f"- median {ratios.over_kernels:.2f} × the sum of the kernels' own medians "
        f"({ratios.kernels_ms:.2f} ms)",
        f"- p99.9 {ratios.tail_over_median:.2f} × the median",
        "",
        "| ms | p50 | p99 | p99.9 | max | frames |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, words in SPANS:
        values = values_of(timings, name)
        if values:
            cells = (f"{value:.2f}" for value in np.percentile(values, PERCENTILES))
            lines.append(f"| {' | '.join((words, *cells, str(len(values))))} |")
    return "\n".join(lines)


def _under(machine: Machine, protocol: Protocol, *, n_frames: int) -> str:
    n = machine.n_competing
    competing = f"{n} process{'es' * (n > 1)} at normal priority" if n else "none"
    facts = (
        ("processor", f"{machine.processor}, {counted(machine.n_cores, 'core')} for us"),
        ("kernel", machine.kernel),
        ("frequency governor", machine.governor or "not readable"),
        ("gateway", machine.gateway),
        ("worker", machine.worker or "gone before it was asked"),
        ("sender", "before ordinary work where permitted: it stands for another machine"),
        ("competing load", competing),
        ("left out", "recording, page, other subscribers; `serve` has the first two by default"),
        ("protocol", f"{protocol.protocol.name}, hash {protocol.hash}"),
        ("frames", f"{n_frames}, after the warm-up; each begins at a moment of its own"),
    )
    return "## Under\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts)


def _not_promised(n_frames: int) -> str:
    return (
        "## Not promised\n\n"
        "- that the worst of other frames is the worst of these: Linux schedules as it likes, this "
        f"is soft real time, and p99.9 rests on the slowest {max(round(n_frames / 1000), 1)} of "
        f"{n_frames}\n"
        "- anything about another geometry, protocol, machine or load: measure there\n"
        "- the way from the scanner to this machine's socket, and the therapy device's reaction\n"
        "- that a frame is computed: what is promised is an answer, and LATE is one"
    )
