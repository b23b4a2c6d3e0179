"""The report's figures as PNG."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from realtime.alerts.limits import TemperatureMax
from realtime.outputs import report_curves as curves
from realtime.outputs import report_linac_figures
from realtime.outputs import report_pictures as pictures
from realtime.outputs import report_style as style
from realtime.outputs.report_montage import draw_montage
from realtime.outputs.report_numbers import hottest
from realtime.outputs.report_record import RunRecord, read_run

_DPI = 130
_Drawn = TypeVar("_Drawn")


def main_figure(folder: Path, path: Path) -> None:
    """Write the run's main figure as a PNG: pictures above, curves below."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run = read_run(folder)
    try:
        is_linac = run.therapy == "mrlinac"
        path.write_bytes(as_png(report_linac_figures.overview if is_linac else overview, run))
    finally:
        run.close()


def as_png(draw: Callable[[_Drawn], Figure], drawn: _Drawn) -> bytes:
    """Return a figure of a run, or of a part of it, as PNG."""
    with mpl.rc_context(style.settings()):
        figure = draw(drawn)
        figure.set_dpi(_DPI)
        # not savefig, which draws a figure with a layout twice
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[
            ..., :3
        ]  # the paper is white: nothing shines through
    file = io.BytesIO()
    # no software's name and no date: the same run gives the same bytes
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()


def overview(run: RunRecord) -> Figure:
    """Draw what the run was about; without temperature its images, without images its curves."""
    if run.maps is not None and run.maps.n_rows and not has_temperature(run):
        return draw_montage(run, run.maps)
    scene = pictures.scene_of(run)
    regions = _watched(run)
    if scene is None:
        return _only_curves(run, regions)
    figure = style.new_figure(style.WIDTH_IN, 6.8)
    parts = cast("NDArray[Any]", figure.subfigures(2, 1, height_ratios=(1.12, 1.0)))
    above, below = parts
    whole, near, dose = above.subplots(1, 3, width_ratios=(1.0, 1.14, 1.14))
    pictures.draw_anatomy(whole, scene)
    shown = pictures.draw_close_up(near, scene), pictures.draw_dose(dose, scene)
    pictures.add_colour_bars(above, (near, dose), shown)
    left, right = below.subplots(1, 2, width_ratios=(1.75, 1.0))
    curves.draw_temperature(left, run, regions=regions)
    left.set_title("Temperature")
    curves.draw_dose_curves(right, run, regions=[name for name, _ in pictures.regions_of(run)])
    right.set_title("Dose, 95 % interval")
    return figure


def has_temperature(run: RunRecord) -> bool:
    """Whether a region was ever believed, or any pixel where no readings were kept."""
    if run.readings:
        return hottest(run) is not None
    scene = pictures.scene_of(run)
    return scene is not None and scene.has_heat


def region_panels(run: RunRecord) -> Figure:
    """Draw temperature against time, one panel a region."""
    names = [name for name, _ in pictures.regions_of(run)]
    n_rows = (len(names) + 1) // 2
    figure = style.new_figure(style.WIDTH_IN, 2.7 * n_rows)
    panels = figure.subplots(n_rows, 2, squeeze=False).ravel()
    for axes, (name, role) in zip(panels, pictures.regions_of(run), strict=False):
        curves.draw_temperature(axes, run, regions=[name])
        axes.set_title(f"{name} ({role})")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def latency(run: RunRecord) -> Figure:
    """Draw how long verdicts took."""
    figure = style.new_figure(style.WIDTH_IN, 2.7)
    left, right = figure.subplots(1, 2, width_ratios=(1.75, 1.0))
    curves.draw_ages(left, run)
    curves.draw_stages(right, run)
    return figure


def validity(run: RunRecord) -> Figure:
    """Draw what was not believed."""
    figure = style.new_figure(style.WIDTH_IN, 2.8)
    left, right = figure.subplots(1, 2, width_ratios=(2.2, 1.0))
    curves.draw_valid_share(left, run)
    if run.maps is not None:
        shown = pictures.draw_valid(right, run, run.maps, z=run.maps.shape[0] // 2)
        figure.colorbar(shown, ax=right, shrink=0.9).set_label("% of frames")
    return figure


def _only_curves(run: RunRecord, regions: list[str]) -> Figure:
    figure = style.new_figure(style.WIDTH_IN, 3.1)
    axes = figure.subplots()
    curves.draw_temperature(axes, run, regions=regions, legend=bool(run.readings))
    axes.set_title("Temperature")
    return figure


def _watched(run: RunRecord) -> list[str]:
    """Return the regions that a protocol limits in temperature; all of them without a protocol."""
    names = [name for name, _ in pictures.regions_of(run)]
    if run.protocol is None:
        return names
    hot = {limit.region for limit in run.protocol.limit if isinstance(limit, TemperatureMax)}
    return [name for name in names if name in hot]
