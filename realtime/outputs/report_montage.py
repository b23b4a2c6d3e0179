"""The report's picture of a run without temperature: the last image of each slice."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from realtime.outputs import report_style as style
from realtime.outputs.report_maps import MapFile
from realtime.outputs.report_pictures import bare, draw_scale_bar, outline, regions_of
from realtime.outputs.report_record import RunRecord

_MOST_PANELS = 12
_MOST_COLUMNS = 6
_HIGHEST_IN = 3.9


@dataclass(frozen=True, slots=True)
class Panel:
    """One image of a run: its row in the maps and its plane, and what it is called."""

    row: int
    z: int
    title: str


def panels(maps: MapFile) -> list[Panel]:
    """Return every slice, echo and partition as it was last seen."""
    last = {
        (int(number), int(contrast)): row
        for row, (number, contrast) in enumerate(zip(maps.slice, maps.contrast, strict=True))
    }
    n_slices = len({number for number, _ in last})
    n_contrasts = len({contrast for _, contrast in last})
    n_z = maps.shape[0]
    found = []
    for (number, contrast), row in sorted(last.items()):
        names = [f"slice {number}"] if n_slices > 1 else []
        names += [f"contrast {contrast}"] if n_contrasts > 1 else []
        for z in range(n_z):
            parts = [*names, *([f"partition {z}"] if n_z > 1 else []), f"frame {maps.frame[row]}"]
            title = ", ".join(parts)
            found.append(Panel(row, z, title[0].upper() + title[1:]))
    return found


def caption(maps: MapFile) -> str:
    """Say what the montage shows."""
    n_panels = len(panels(maps))
    if n_panels == 1:
        return "The last image of the run."
    if n_panels > _MOST_PANELS:
        return f"As last seen: {_MOST_PANELS} of {n_panels} images, on one scale of grey."
    return f"As last seen: all {n_panels} images, on one scale of grey."


def draw_montage(run: RunRecord, maps: MapFile) -> Figure:
    """Draw at most twelve of the panels, evenly chosen, with the regions where they are known."""
    found = panels(maps)
    n_shown = min(len(found), _MOST_PANELS)
    shown = [found[i] for i in np.linspace(0, len(found) - 1, n_shown).round().astype(int)]
    images = [maps.read("magnitude", panel.row)[panel.z] for panel in shown]
    n_columns = min(n_shown, _MOST_COLUMNS)
    n_rows = math.ceil(n_shown / n_columns)
    figure = style.new_figure(
        style.WIDTH_IN, n_rows * min(style.WIDTH_IN / n_columns + 0.2, _HIGHEST_IN)
    )
    places = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    brightest = _brightest(images)
    _, n_y, n_x = maps.shape
    masks = run.masks if len(set(maps.slice.tolist())) == 1 else {}
    colours = style.region_colours(regions_of(run))
    for axes, panel, image in zip(places, shown, images, strict=False):
        axes.imshow(
            image, cmap="gray", vmin=0, vmax=brightest, interpolation="nearest",
            aspect=maps.pixel_mm[0] / maps.pixel_mm[1],
        )  # fmt: skip
        for name, mask in masks.items():
            outline(axes, mask[panel.z], colours[name], width=0.8)
        bare(axes)
        axes.set_title(panel.title, fontsize=8.5)
    for axes in places[n_shown:]:
        axes.set_visible(False)
    draw_scale_bar(places[0], (0, n_y - 1, 0, n_x - 1), maps.pixel_mm)
    return figure


def _brightest(images: list[NDArray[np.float32]]) -> float:
    values = np.concatenate([image[np.isfinite(image)] for image in images])
    return float(np.percentile(values, 99.5)) or 1.0 if values.size else 1.0
