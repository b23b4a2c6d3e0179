"""The report's pictures of a linac's run: the target at exhale and inhale, and the dose."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from realtime.outputs import report_style as style
from realtime.outputs.report_maps import MapFile
from realtime.outputs.report_motion_series import MotionSeries, directions
from realtime.outputs.report_pictures import bare, draw_scale_bar, outline
from realtime.outputs.report_record import RunRecord

Mask = NDArray[np.bool_]
Window = tuple[int, int, int, int]

TARGET = "#fb923c"
BOUNDARY = {True: "#4ade80", False: "#f87171"}
_MARGIN_MM = 45.0  # of anatomy around everywhere that the target has been
_FAINT_SHARE = 0.05  # of the largest dose, below which a picture shows none


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of the cine. series_row: in motion.csv; row: in maps.h5."""

    title: str
    series_row: int
    row: int


def target_slices(run: RunRecord, series: MotionSeries) -> list[int]:
    """Return the slices in which a target was followed."""
    if run.maps is None or not run.maps.has_target:
        return []
    return [int(one) for one in np.unique(series.slice[series.is_followed])]


def chosen_pictures(
    run: RunRecord, maps: MapFile, series: MotionSeries, number: int
) -> list[Picture]:
    """Return one slice at exhale, at inhale, and with most outside while the beam was on.

    While the gate was open, where the accelerator said nothing.
    """
    rows = _map_rows(maps)
    known = np.array([int(one) in rows for one in series.frame])
    of_slice = np.flatnonzero((series.slice == number) & series.is_tracked & known)
    if not of_slice.size:
        return []
    is_gated = series.is_treating & np.isfinite(series.outside_percent)
    if is_gated[of_slice].any():
        of_slice = of_slice[is_gated[of_slice]]
    seen = next(one for one in directions(run, series) if one.slice == number)
    place = seen.sign * series.displacement_mm[of_slice, seen.axis]
    order = of_slice[np.argsort(place, kind="stable")]
    # a single frame may be a cough: nearly the highest and lowest
    last = order.size - 1
    low, high = order[round(0.03 * last)], order[round(0.97 * last)]
    ends = ("Exhale", "Inhale") if seen.name == "SI" else (f"Most {seen.towards}", "Least")
    found = [(ends[0], high), (ends[1], low)]
    has_beam = bool((series.beam == 1).any())
    while_on = series.beam == 1 if has_beam else series.is_gate_open
    on = of_slice[while_on[of_slice] & np.isfinite(series.outside_percent[of_slice])]
    if on.size:
        worst = on[np.argmax(series.outside_percent[on])]
        found.append((f"{'Beam on' if has_beam else 'Gate open'}, most outside", worst))
    return [Picture(name, int(row), rows[int(series.frame[row])]) for name, row in found]


def draw_picture(
    axes: Axes,
    run: RunRecord,
    maps: MapFile,
    series: MotionSeries,
    picture: Picture,
    window: Window,
) -> None:
    """Draw one frame with the target's contour and the gating boundary in the gate's colour."""
    z, row = _plane(maps, picture.row), picture.series_row
    _grey(axes, maps.read("magnitude", picture.row)[z], maps)
    reference = reference_mask(maps, int(series.slice[row]))
    is_open = bool(series.is_gate_open[row])
    _draw_boundary(axes, run, series, row, reference[z], maps.pixel_mm, colour=BOUNDARY[is_open])
    outline(axes, maps.target(picture.row)[z], TARGET, width=1.5)
    look_at(axes, window, maps)
    axes.set_title(f"{picture.title}\nframe {series.frame[row]}")
    outside = series.outside_percent[row]
    if np.isfinite(outside):
        axes.text(
            0.03, 0.97, f"{outside:.0f} % outside", transform=axes.transAxes, va="top",
            color=BOUNDARY[is_open], fontsize=8.5,
            bbox={"facecolor": "#11161d", "alpha": 0.75, "edgecolor": "none", "pad": 2.5},
        )  # fmt: skip


def draw_delivered(axes: Axes, run: RunRecord, maps: MapFile, number: int, window: Window) -> Any:  # noqa: ANN401 - matplotlib's mappable
    """Draw the dose delivered to the tissue by the end; return what it is coloured by."""
    rows = np.flatnonzero(maps.slice == number)
    still = _reference_row(maps, number)
    z, pixels = _plane(maps, still), maps.read("magnitude", still)
    _grey(axes, pixels[z], maps)
    dose_gy = maps.read("dose_gy", int(rows[-1]))[z]
    most = float(np.nanmax(dose_gy, initial=0.0)) or 1.0
    alpha = np.where(np.nan_to_num(dose_gy) > _FAINT_SHARE * most, 0.6, 0.0)
    shown = axes.imshow(
        np.nan_to_num(dose_gy), cmap="turbo", vmin=0, vmax=most, alpha=alpha,
        aspect=maps.pixel_mm[0] / maps.pixel_mm[1],
    )  # fmt: skip
    outline(axes, maps.target(still)[z], "white", width=1.4)
    colours = style.region_colours([(one.name, one.role) for one in _regions(run)])
    if np.unique(maps.slice).size == 1:
        for name, mask in run.masks.items():
            if name in colours and name not in _targets(run):
                outline(axes, mask[z], colours[name], width=1.0)
    look_at(axes, window, maps)
    axes.set_title("Dose delivered\nto the tissue")
    return shown


def has_dose(maps: MapFile, number: int) -> bool:
    """Return whether any tissue of a slice has received dose by the end."""
    last = int(np.flatnonzero(maps.slice == number)[-1])
    return bool(np.nanmax(maps.read("dose_gy", last), initial=0.0) > 0)


def reference_mask(maps: MapFile, number: int) -> Mask:
    """Return the target where it was least displaced, bool (z, y, x): nearly its reference."""
    return maps.target(_reference_row(maps, number))


def window_of(maps: MapFile, number: int) -> Window:
    """Return top, bottom, left, right of everywhere that the target has been, with a margin."""
    union = np.zeros(maps.shape[1:], np.bool_)
    for row in np.flatnonzero(maps.slice == number):
        union |= maps.target(int(row)).any(axis=0)
    n_y, n_x = union.shape
    if not union.any():
        return 0, n_y - 1, 0, n_x - 1
    rows, columns = np.flatnonzero(union.any(axis=1)), np.flatnonzero(union.any(axis=0))
    # square, so that pictures stand in one line
    half_mm = _MARGIN_MM + 0.5 * max(
        np.ptp(rows) * maps.pixel_mm[0], np.ptp(columns) * maps.pixel_mm[1]
    )
    top, bottom = _clipped(rows, half_mm / maps.pixel_mm[0], n_y)
    left, right = _clipped(columns, half_mm / maps.pixel_mm[1], n_x)
    return top, bottom, left, right


def look_at(axes: Axes, window: Window, maps: MapFile) -> None:
    """Show a part of the image, with a scale."""
    top, bottom, left, right = window
    axes.set_xlim(left - 0.5, right + 0.5)
    axes.set_ylim(bottom + 0.5, top - 0.5)
    draw_scale_bar(axes, window, maps.pixel_mm)
    bare(axes)


def _clipped(places: NDArray[np.int64], half: float, n: int) -> tuple[int, int]:
    middle = (int(places.min()) + int(places.max())) / 2
    width = min(round(2 * half), n - 1)
    start = min(max(round(middle - half), 0), n - 1 - width)
    return start, start + width


def _draw_boundary(
    axes: Axes, run: RunRecord, series: MotionSeries, row: int, reference: Mask,
    pixel_mm: tuple[float, float], *, colour: str,
) -> None:  # fmt: skip
    """Draw the reference target with the gate's margin around it, at the gate's centre."""
    settings = None if run.protocol is None else run.protocol.motion
    center_mm = series.gate_center_mm[row]
    if settings is None or not np.isfinite(center_mm).all() or not reference.any():
        return
    # half a pixel: the target's edge lies between the pixels
    outside_mm = ndimage.distance_transform_edt(~reference, sampling=pixel_mm)
    inside_mm = ndimage.distance_transform_edt(reference, sampling=pixel_mm)
    signed_mm = outside_mm - inside_mm
    y, x = np.arange(reference.shape[0], dtype=float), np.arange(reference.shape[1], dtype=float)
    axes.contour(
        x + center_mm[1] / pixel_mm[1], y + center_mm[0] / pixel_mm[0], signed_mm,
        levels=[settings.gate_margin_mm], colors=[colour], linewidths=1.5, linestyles="--",
    )  # fmt: skip


def _grey(axes: Axes, pixels: NDArray[np.float32], maps: MapFile) -> None:
    finite = pixels[np.isfinite(pixels)]
    brightest = float(np.percentile(finite, 99.5)) if finite.size else 1.0
    axes.imshow(
        pixels, cmap="gray", vmin=0, vmax=brightest or 1.0, interpolation="bilinear",
        aspect=maps.pixel_mm[0] / maps.pixel_mm[1],
    )  # fmt: skip


def _map_rows(maps: MapFile) -> dict[int, int]:
    return {int(frame): row for row, frame in enumerate(maps.frame)}


def _reference_row(maps: MapFile, number: int) -> int:
    """Return the row of the slice in which the target was least displaced."""
    rows = np.flatnonzero(maps.slice == number)
    moved = np.linalg.norm(maps.displacement_mm()[rows].astype(np.float64), axis=1)
    moved = np.where(np.isfinite(moved), moved, np.inf)
    return int(rows[np.argmin(moved)])


def _plane(maps: MapFile, row: int) -> int:
    """Return the partition that shows most of the target."""
    return int(np.argmax(maps.target(row).sum(axis=(1, 2))))


def _regions(run: RunRecord) -> Any:  # noqa: ANN401
    return () if run.protocol is None else run.protocol.region


def _targets(run: RunRecord) -> set[str]:
    return {one.name for one in _regions(run) if one.role == "target"}
