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
)


class Timed(Protocol):
    """What is plotted of a frame."""

    @property
    def stage_ms(self) -> dict[str, float]:
        """The stages."""
        ...


def write_plot(path: Path, timings: Sequence[Timed], *, title: str) -> None:
    """Write share of frames against latency, and the stages frame by frame, as PNG."""
    with mpl.rc_context(style.settings()):
        figure = style.new_figure(12.0, 4.0)
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1.3, 1.0))
        _draw_shares(left, timings)
        _draw_stages(right, timings)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=style.INK)
        figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_shares(axes: Axes, timings: Sequence[Timed]) -> None:
    for label, name, colour in _SERIES:
        values = np.sort([getattr(one, name) for one in timings])
        values = values[np.isfinite(values)]
        if not values.size:
            continue
        # the share of frames that took longer: on a logarithmic axis the tail can be seen
        longer = 1.0 - np.arange(values.size) / values.size
        axes.step(values, 100 * longer, where="pre", color=colour, lw=1.8, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(style.plain_numbers())
    axes.set_xlim(left=0)
    axes.set_xlabel("ms")
    axes.set_ylabel("frames that took at least so long (%)")
    axes.set_title("Latency")
    axes.legend(loc="upper right")


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
