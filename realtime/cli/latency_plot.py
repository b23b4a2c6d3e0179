"""The plot of `mrmonitor latency`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from realtime.outputs import report_style as style
from realtime.outputs.run_tables import STAGES

_SERIES = (
    ("kernels alone", "kernels_ms", "#94a3b8"),
    ("received → verdict published", "age_ms", "#1d4ed8"),
    ("sent → verdict event received", "end_to_end_ms", "#c2410c"),
    ("sent → all images back", "images_ms", "#0f766e"),
)
_BINS_PER_DECADE = 40


class Timed(Protocol):
    """What is plotted of a frame."""

    @property
    def stage_ms(self) -> dict[str, float]:
        """The stages."""
        ...


def write_plot(path: Path, timings: Sequence[Timed], *, title: str, deadline_ms: float) -> None:
    """Write a histogram of the latencies, and the stages frame by frame, as PNG."""
    with mpl.rc_context(style.settings()):
        figure = style.new_figure(12.0, 4.0)
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1.3, 1.0))
        _draw_histogram(left, timings, deadline_ms=deadline_ms)
        _draw_stages(right, timings)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=style.INK)
        figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_histogram(axes: Axes, timings: Sequence[Timed], *, deadline_ms: float) -> None:
    seen = {}
    for label, name, colour in _SERIES:
        values = np.array([getattr(one, name) for one in timings])
        values = values[np.isfinite(values) & (values > 0)]
        if values.size:
            seen[label] = values, colour
    least = min(float(values.min()) for values, _ in seen.values())
    most = max(deadline_ms, *(float(values.max()) for values, _ in seen.values()))
    n_bins = max(round(_BINS_PER_DECADE * np.log10(most / least)), 1)
    bins = np.geomspace(least / 1.05, most * 1.05, n_bins + 1)
    for label, (values, colour) in seen.items():
        axes.hist(values, bins=list(bins), histtype="step", color=colour, lw=1.6, label=label)
    axes.axvline(deadline_ms, color=style.HELD, lw=1.4, ls="--", label="deadline")
    # on logarithmic axes a single late frame can be seen beside thousands
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.plain_numbers())
    axes.set_xlabel("ms")
    axes.set_ylabel("frames")
    axes.set_title("Latency")
    axes.legend(loc="upper center")


def _draw_stages(axes: Axes, timings: Sequence[Timed]) -> None:
    columns = [[one.stage_ms.get(stage, 0.0) for one in timings] for stage in STAGES]
    names = [stage.replace("_", " ") for stage in STAGES]
    axes.boxplot(
        columns, orientation="horizontal", tick_labels=names, widths=0.6, whis=(1, 99),
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": style.QUIET},
        medianprops={"color": "#1d4ed8", "linewidth": 2},
    )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlabel("ms")
    axes.set_title("Stages; whiskers at the 1st and 99th percentile")
