"""The comparison plot of a batch: what each recording came to, by each protocol and before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from realtime.batch.results import Line
from realtime.outputs.report_style import HELD, INK, QUIET, new_figure, plain_numbers, settings

PICTURE = "batch.png"
_COLOURS = ("#c2410c", "#1d4ed8", "#0f766e", "#7c3aed", "#ea8a1a", "#64748b")
_MOST_NAMED = 40  # recordings whose names can be read below each other
_LEAST = 0.01  # what a logarithmic axis shows of less
_Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Panel:
    """One figure: its name, and between which others it lies; is_log: over decades."""

    title: str
    figure: str
    low: str = ""
    high: str = ""
    std: str = ""
    is_log: bool = False


_HEAT: Final = (
    _Panel("Hottest in the target, ±1.96 σ (°C)", "peak_c", std="peak_std_c"),
    _Panel("Most dose, 95 % (CEM43 min)", "dose_cem43_min", "dose_low_cem43_min",
           "dose_high_cem43_min", is_log=True),
    _Panel("Beyond 240 CEM43 min, 95 % of each pixel (mm³)", "lesion_mm3", "lesion_low_mm3",
           "lesion_high_mm3"),
)  # fmt: skip
_MOTION: Final = (
    _Panel("Gate open (% of the time after training)", "gate_percent"),
    _Panel("D98 of the target (Gy)", "target_d98_gy"),
    _Panel("D95 of the target (Gy)", "target_d95_gy"),
)
_ALWAYS: Final = (_Panel("Permit held (frames)", "held"),)


def draw(out: Path, lines: Sequence[Line]) -> Path:
    """Write batch.png: one column of marks for each recording, in the archive's order."""
    recordings = list(dict.fromkeys(line.planned.recording for line in lines))
    hashes = list(dict.fromkeys(one.planned.protocol_hash for one in lines if one.is_done))
    therapies = {line.row.figures.therapy for line in lines if line.row.figures is not None}
    panels = [
        *(_HEAT if "mrgfus" in therapies else ()),
        *(_MOTION if "mrlinac" in therapies else ()),
        *_ALWAYS,
    ]
    width_in = float(np.clip(0.16 * len(recordings) + 3.0, 8.0, 18.0))
    with mpl.rc_context(settings()):
        figure = new_figure(width_in, 2.3 * len(panels) + 1.2)
        all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(all_axes, panels, strict=True):
            _draw_panel(axes, panel, lines, recordings, hashes)
        _name(all_axes[-1], recordings)
        n_failed = sum(not line.is_done for line in lines)
        figure.suptitle(
            f"{len(lines) - n_failed} of {len(lines)} computed"
            + (f", {n_failed} failed" if n_failed else ""),
            x=0.01, ha="left", fontsize=11, color=INK,
        )  # fmt: skip
        figure.legend(handles=_legend(lines, hashes), loc="outside lower left", ncols=4, fontsize=8)
        figure.savefig(out / PICTURE, dpi=110)
    return out / PICTURE


def _draw_panel(
    axes: Axes, panel: _Panel, lines: Sequence[Line], recordings: list[str], hashes: list[str]
) -> None:
    places = {name: number for number, name in enumerate(recordings)}
    marker = float(np.clip(160.0 / max(len(recordings), 1), 2.5, 6.0))
    for number, hash_ in enumerate(hashes):
        ours = [one for one in lines if one.planned.protocol_hash == hash_ and one.is_done]
        aside = 0.6 * ((number + 0.5) / len(hashes) - 0.5)
        at = np.array([places[one.planned.recording] for one in ours]) + aside
        values, below, above = _values(panel, ours)
        axes.errorbar(
            at, values, yerr=np.stack([below, above]), fmt="o", ms=marker, lw=1.0,
            color=_COLOURS[number % len(_COLOURS)], zorder=3,
        )  # fmt: skip
        before = _column([one.row.earlier for one in ours], panel.figure, panel)
        axes.vlines(at, before, values, color=QUIET, lw=0.8, zorder=1)
        axes.plot(at, before, "o", ms=marker + 2, mfc="none", mec=QUIET, mew=1.0, zorder=2)
    failed = [places[one.planned.recording] for one in lines if not one.is_done]
    if failed:  # an empty line, not clipped, has no size that a layout could reckon with
        axes.plot(
            failed, np.zeros(len(failed)), "x", ms=6, color=HELD, clip_on=False,
            transform=axes.get_xaxis_transform(), zorder=4,
        )  # fmt: skip
    axes.set_title(panel.title)
    if panel.is_log:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, _LEAST) / 2, 2 * max(high, 10 * _LEAST))
        axes.yaxis.set_major_formatter(plain_numbers())


def _values(panel: _Panel, lines: Sequence[Line]) -> tuple[_Real, _Real, _Real]:
    """Return the values and how far their intervals reach below and above."""
    found = [line.row.figures for line in lines]
    values = _column(found, panel.figure, panel)
    if panel.std:
        reach = 1.96 * np.nan_to_num(_column(found, panel.std, panel))
        return values, reach, reach
    if not panel.low:
        return values, np.zeros_like(values), np.zeros_like(values)
    below = values - _column(found, panel.low, panel)
    above = _column(found, panel.high, panel) - values
    return values, np.nan_to_num(np.maximum(below, 0)), np.nan_to_num(np.maximum(above, 0))


def _column(found: Sequence[object], name: str, panel: _Panel) -> _Real:
    values = [getattr(one, name, None) for one in found]
    column = np.array([np.nan if one is None else one for one in values], np.float64)
    return np.maximum(column, _LEAST) if panel.is_log else column


def _name(axes: Axes, recordings: list[str]) -> None:
    every = -(-len(recordings) // _MOST_NAMED)
    at = range(0, len(recordings), every)
    axes.set_xticks(list(at), [recordings[one] for one in at], rotation=90, fontsize=7)
    axes.set_xlim(-0.7, len(recordings) - 0.3)
    axes.set_xlabel("recording" if every == 1 else f"recording, every {every}th named")


def _legend(lines: Sequence[Line], hashes: list[str]) -> list[Line2D]:
    names = {one.planned.protocol_hash: one.planned.protocol_name for one in lines}
    is_told_apart = len(set(names.values())) == len(names)
    handles = [
        _mark(
            names[hash_] if is_told_apart else f"{names[hash_]} {hash_[:6]}",
            marker="o", color=_COLOURS[number % len(_COLOURS)],
        )
        for number, hash_ in enumerate(hashes)
    ]  # fmt: skip
    if any(line.is_done and line.row.earlier is not None for line in lines):
        handles.append(_mark("the archive's own run", marker="o", color=QUIET, mfc="none"))
    if any(not line.is_done for line in lines):
        handles.append(_mark("failed", marker="x", color=HELD))
    return handles


def _mark(label: str, *, marker: str, color: str, mfc: str | None = None) -> Line2D:
    return Line2D([], [], ls="", marker=marker, color=color, mfc=mfc or color, label=label)
