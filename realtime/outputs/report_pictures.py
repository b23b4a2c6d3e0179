"""The report's pictures: anatomy with heat, dose, and which pixels were believed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from realtime.outputs import report_style as style
from realtime.outputs.report_maps import MapFile
from realtime.outputs.report_numbers import hottest
from realtime.outputs.report_record import RunRecord

_SHOWN_ABOVE_C = 2.0  # less of a rise than this is left out of the overlay
_OPAQUE_ABOVE_C = 6.0
_ZOOM_MARGIN_PX = 6
_ZOOM_LEAST_PX = 24
_DOSE_LEAST = 1.0
_DOSE_MOST = 1e5  # beyond it nothing is left to tell apart


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame, one slice of it, as the pictures show it. Maps are float32 (y, x).

    where: which frame it is, and which slice of several. temperature_c: NaN where not valid.
    dose_cem43_min: at the end of the run. masks: bool (y, x). window: rows and columns of the
        close-up, (top, bottom, left, right).
    """

    row: int
    where: str
    body_c: float
    magnitude: NDArray[np.float32]
    temperature_c: NDArray[np.float32]
    dose_cem43_min: NDArray[np.float32]
    masks: dict[str, NDArray[np.bool_]]
    colours: dict[str, str]
    window: tuple[int, int, int, int]
    pixel_mm: tuple[float, float]

    @property
    def has_heat(self) -> bool:
        """Whether any pixel has a temperature."""
        return bool(np.isfinite(self.temperature_c).any())

    @property
    def hottest_c(self) -> float:
        """Upper end of the colour scale."""
        seen = [self.temperature_c[mask] for mask in self.masks.values()]
        inside = np.concatenate(seen) if seen else self.temperature_c.ravel()
        finite = inside[np.isfinite(inside)]
        most = float(finite.max()) if finite.size else self.body_c
        return max(most, self.body_c + 10.0)


def scene_of(run: RunRecord) -> Scene | None:
    """Return the run's hottest frame, its last one where nothing was hot; None without pictures."""
    maps = run.maps
    if maps is None or not maps.n_rows or not maps.has_temperature:
        return None
    peak = hottest(run)
    rows = [] if peak is None else np.flatnonzero(maps.frame == peak.frame_id).tolist()
    row = rows[0] if rows else maps.n_rows - 1
    temperature_c = maps.temperature_c(row)
    found = run.masks_at(row)
    target = None if peak is None else found.get(peak.region)
    z = _hottest_slice(temperature_c, target)
    masks = {name: mask[z] for name, mask in found.items() if mask[z].any()}
    number = int(maps.slice[row])
    where = f"frame {maps.frame[row]}" + (f", slice {number}" if np.ptp(maps.slice) else "")
    settings = None if run.protocol is None else run.protocol.thermometry
    colours = style.region_colours(regions_of(run))
    return Scene(
        row,
        where,
        37.0 if settings is None else settings.body_temperature_c,
        maps.read("magnitude", row)[z],
        temperature_c[z],
        maps.read("dose_cem43_min", maps.last_row_of(number))[z],
        masks,
        colours,
        _window(masks, temperature_c[z]),
        maps.pixel_mm,
    )


def regions_of(run: RunRecord) -> list[tuple[str, str]]:
    """Return (name, role) of each region, from the readings where there is no protocol."""
    if run.protocol is not None:
        return [(region.name, region.role) for region in run.protocol.region]
    return list(dict.fromkeys((row.region, row.role) for row in run.readings))


def draw_anatomy(axes: Axes, scene: Scene) -> None:
    """Draw the whole image with its heat, the regions and the frame of the close-up."""
    _draw_heat(axes, scene)
    n_y, n_x = scene.magnitude.shape
    whole = 0, n_y - 1, 0, n_x - 1
    if scene.window != whole:
        top, bottom, left, right = scene.window
        axes.plot(
            [left, right, right, left, left], [top, top, bottom, bottom, top], color="white", lw=0.8
        )
    for name, mask in scene.masks.items():
        outline(axes, mask, scene.colours[name], width=0.8)
    draw_scale_bar(axes, whole, scene.pixel_mm)
    axes.set_title(f"{scene.where[0].upper()}{scene.where[1:]}")


def draw_close_up(axes: Axes, scene: Scene) -> Any:  # noqa: ANN401 - matplotlib's mappable
    """Draw the heated spot with regions and dose contours; return what it is coloured by."""
    shown = _draw_heat(axes, scene)
    _contours(axes, scene.dose_cem43_min)
    _name_regions(axes, scene)
    _look_at(axes, scene)
    axes.set_title(f"Temperature, {scene.where}")
    return shown


def draw_dose(axes: Axes, scene: Scene) -> Any:  # noqa: ANN401 - matplotlib's mappable
    """Draw the dose at the end of the run, where it is at least 1 CEM43 min."""
    _grey(axes, scene)
    dose = np.where(scene.dose_cem43_min >= _DOSE_LEAST, scene.dose_cem43_min, np.nan)
    finite = dose[np.isfinite(dose)]
    most = min(max(float(finite.max()) if finite.size else 0.0, 1000.0), _DOSE_MOST)
    shown = axes.imshow(
        dose, cmap=style.DOSE_MAP, norm=LogNorm(_DOSE_LEAST, most), interpolation="nearest"
    )
    _contours(axes, scene.dose_cem43_min)
    _name_regions(axes, scene)
    _look_at(axes, scene)
    axes.set_title("Dose at the end")
    return shown


def add_colour_bars(figure: Figure, axes: tuple[Axes, Axes], shown: tuple[Any, Any]) -> None:
    """Add the scales of temperature and dose."""
    heat = figure.colorbar(shown[0], ax=axes[0], shrink=0.86, pad=0.02)
    heat.set_label("temperature (°C)")
    dose = figure.colorbar(shown[1], ax=axes[1], shrink=0.86, pad=0.02)
    dose.set_label("dose (CEM43 min)")
    dose.ax.yaxis.set_major_formatter(style.plain_numbers())
    dose.ax.yaxis.set_minor_formatter("")
    for value, colour in style.DOSE_CONTOURS:
        dose.ax.axhline(value, color=colour, lw=1.4)


def draw_valid(axes: Axes, run: RunRecord, maps: MapFile, *, z: int) -> Any:  # noqa: ANN401
    """Draw in how many per cent of the frames each pixel was believed."""
    total = np.zeros(maps.shape[1:], np.float64)  # a count, and counts outgrow float32
    scene = scene_of(run)
    number = maps.slice[0 if scene is None else scene.row]
    of_slice = np.flatnonzero(maps.slice == number).tolist()
    rows = [row for row in of_slice if np.isfinite(maps.read("temperature_c", row)).any()]
    masks = run.masks_at(of_slice[0])
    for row in rows:
        total += maps.valid(row)[z]
    shown = axes.imshow(100 * total / max(len(rows), 1), cmap="magma", vmin=0, vmax=100)
    for (name, _), colour in zip(
        regions_of(run), style.region_colours(regions_of(run)).values(), strict=True
    ):
        if name in masks and masks[name][z].any():
            outline(axes, masks[name][z], colour, width=1.0)
    bare(axes)
    axes.set_title("Frames believed")
    return shown


def _hottest_slice(temperature_c: NDArray[np.float32], target: NDArray[np.bool_] | None) -> int:
    inside = temperature_c if target is None else np.where(target, temperature_c, np.nan)
    if not np.isfinite(inside).any():
        return int(temperature_c.shape[0] // 2)
    return int(np.unravel_index(np.nanargmax(inside), inside.shape)[0])


def _window(
    masks: dict[str, NDArray[np.bool_]], temperature_c: NDArray[np.float32]
) -> tuple[int, int, int, int]:
    n_y, n_x = temperature_c.shape
    union = np.zeros((n_y, n_x), np.bool_)
    for mask in masks.values():
        union |= mask
    if not union.any():
        return 0, n_y - 1, 0, n_x - 1
    rows, columns = np.flatnonzero(union.any(axis=1)), np.flatnonzero(union.any(axis=0))
    side = max(int(np.ptp(rows)), int(np.ptp(columns)), _ZOOM_LEAST_PX - 2 * _ZOOM_MARGIN_PX)
    half = side // 2 + _ZOOM_MARGIN_PX
    y, x = int(rows.min() + rows.max()) // 2, int(columns.min() + columns.max()) // 2
    top, left = max(y - half, 0), max(x - half, 0)
    return top, min(y + half, n_y - 1), left, min(x + half, n_x - 1)


def _grey(axes: Axes, scene: Scene) -> None:
    finite = scene.magnitude[np.isfinite(scene.magnitude)]
    brightest = float(np.percentile(finite, 99.5)) if finite.size else 1.0
    axes.imshow(
        scene.magnitude, cmap="gray", vmin=0, vmax=brightest or 1.0, interpolation="nearest"
    )
    bare(axes)


def _draw_heat(axes: Axes, scene: Scene) -> Any:  # noqa: ANN401 - matplotlib's mappable
    _grey(axes, scene)
    rise_c = np.nan_to_num(scene.temperature_c - scene.body_c, nan=0.0)
    alpha = np.clip((rise_c - _SHOWN_ABOVE_C) / (_OPAQUE_ABOVE_C - _SHOWN_ABOVE_C), 0.0, 1.0)
    alpha[~_near_regions(scene)] = 0.0
    return axes.imshow(
        np.nan_to_num(scene.temperature_c, nan=scene.body_c),
        cmap=style.HEAT_MAP,
        norm=Normalize(scene.body_c, scene.hottest_c),
        alpha=0.9 * alpha,
        interpolation="nearest",
    )


def _near_regions(scene: Scene) -> NDArray[np.bool_]:
    """Noise at the rim of the signal is not heat: the overlay keeps to the close-up's window."""
    near = np.zeros(scene.temperature_c.shape, np.bool_)
    top, bottom, left, right = scene.window
    near[top : bottom + 1, left : right + 1] = True
    return near


def _contours(axes: Axes, dose_cem43_min: NDArray[np.float32]) -> None:
    dose = np.nan_to_num(dose_cem43_min, nan=0.0)
    for level, colour in style.DOSE_CONTOURS:
        if dose.max() > level:
            # on a logarithmic scale a contour lies where the steep flank of the dose really is
            axes.contour(
                np.log(np.maximum(dose, 1e-3)), levels=[np.log(level)], colors=[colour],
                linewidths=1.1,
            )  # fmt: skip


def outline(axes: Axes, mask: NDArray[np.bool_], colour: str, *, width: float) -> None:
    """Draw along the edges of the pixels, for a region is made of whole pixels."""
    padded = np.pad(mask, 1)
    edges = [
        ((x - 1.5, y - 0.5), (x - 0.5, y - 0.5))
        for y, x in np.argwhere(padded[1:, :] != padded[:-1, :])
    ]
    edges += [
        ((x - 0.5, y - 1.5), (x - 0.5, y - 0.5))
        for y, x in np.argwhere(padded[:, 1:] != padded[:, :-1])
    ]
    axes.add_collection(LineCollection(edges, colors=colour, linewidths=width), autolim=False)


def _name_regions(axes: Axes, scene: Scene) -> None:
    for name, mask in scene.masks.items():
        outline(axes, mask, scene.colours[name], width=1.6)
    names = [Line2D([], [], color=scene.colours[name], lw=2.5, label=name) for name in scene.masks]
    lines = [
        Line2D([], [], color=colour, lw=1.2, label=f"{level:g} CEM43")
        for level, colour in style.DOSE_CONTOURS
        if np.nanmax(scene.dose_cem43_min, initial=0.0) > level
    ]
    legend = axes.legend(
        handles=[*names, *lines], loc="upper right", fontsize=7.5, frameon=True,
        facecolor="#11161d", edgecolor="none", framealpha=0.75, labelcolor="white",
    )  # fmt: skip
    legend.set_zorder(5)


def _look_at(axes: Axes, scene: Scene) -> None:
    top, bottom, left, right = scene.window
    axes.set_xlim(left - 0.5, right + 0.5)
    axes.set_ylim(bottom + 0.5, top - 0.5)
    draw_scale_bar(axes, scene.window, scene.pixel_mm)


def draw_scale_bar(
    axes: Axes, window: tuple[int, int, int, int], pixel_mm: tuple[float, float]
) -> None:
    """Draw a bar of a round number of mm into a corner of what is seen."""
    top, bottom, left, right = window
    width_mm = (right - left) * pixel_mm[1]
    length_mm = max((step for step in (1, 2, 5, 10, 20, 50, 100) if step < width_mm / 3), default=1)
    length_px = length_mm / pixel_mm[1]
    x, y = left + 0.05 * (right - left), bottom - 0.05 * (bottom - top)
    axes.plot([x, x + length_px], [y, y], color="white", lw=3, solid_capstyle="butt")
    axes.text(
        x + length_px / 2, y - 0.015 * (bottom - top), f"{length_mm} mm",
        color="white", ha="center", va="bottom", fontsize=8,
    )  # fmt: skip


def bare(axes: Axes) -> None:
    """Take everything away but the image."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
