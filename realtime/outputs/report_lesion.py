"""The report's table of dose: how much tissue took how much, by either law, and who says so."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import ThermalDose
from realtime.outputs.report_blocks import Note, Section, Table
from realtime.outputs.report_maps import MapFile
from realtime.outputs.report_montage import panels
from realtime.outputs.report_record import RunRecord
from thermometry.dose.arrhenius import MODELS
from thermometry.dose.lesion import Lesion, measure_lesion
from thermometry.dose.thresholds import THRESHOLDS

_NECROSIS: Final = THRESHOLDS["necrosis"].cem43_min


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """Dose of one slice or volume at the end of the run."""

    dose: ThermalDose
    omega: NDArray[np.float32] | None


def lesion_mm3(run: RunRecord) -> Lesion | None:
    """Return the volume beyond 240 CEM43 min at the end of the run, all slices together."""
    if run.maps is None or not run.maps.has_interval or run.maps.n_rows == 0:
        return None
    return _beyond(_planes(run.maps), _NECROSIS, run.maps)


def section(run: RunRecord) -> list[Section]:
    """Return the table of lesion volumes; nothing where the run has no dose."""
    maps = run.maps
    if maps is None or not maps.has_interval or maps.n_rows == 0:
        return []
    planes = _planes(maps)
    rows = [_row(planes, name, maps) for name in THRESHOLDS]
    if not any(row is not None for row in rows):
        return []
    head = (
        "threshold",
        "CEM43 min",
        "volume mm³",
        "95 % of each pixel mm³",
        "what it is",
        "source",
    )
    model = "none" if run.protocol is None or run.protocol.thermometry is None else (
        run.protocol.thermometry.arrhenius
    )  # fmt: skip
    table = Table(
        [row for row in rows if row is not None], head, widths=(0.16, 0.09, 0.1, 0.15, 0.27, 0.23)
    )
    return [Section("Lesion", [table, Note(_arrhenius_words(planes, model, maps))])]


def _arrhenius_words(planes: list[_Plane], model: str, maps: MapFile) -> str:
    about = (
        "Volumes lie within contours of the dose's logarithm. A source marked with * is handed "
        "down and was not read by us. "
    )
    maps_of_omega = [plane.omega for plane in planes if plane.omega is not None]
    if model == "none" or model not in MODELS or not maps_of_omega:
        return about + "No Arrhenius model was named."
    voxel_mm3 = float(np.prod(_voxel_mm(maps)))
    n_pixels = sum(int(np.count_nonzero(omega >= 1.0)) for omega in maps_of_omega)
    largest = max(float(np.nanmax(omega, initial=0.0)) for omega in maps_of_omega)
    return (
        f"{about}Arrhenius damage by “{model}” ({MODELS[model].source}): Ω at most {largest:.3g}, "
        f"Ω ≥ 1 in {n_pixels * voxel_mm3:.0f} mm³. Other published constants differ by a factor "
        "of forty at 50 °C."
    )


def _row(planes: list[_Plane], name: str, maps: MapFile) -> tuple[str, ...] | None:
    threshold = THRESHOLDS[name]
    found = _beyond(planes, threshold.cem43_min, maps)
    if found.high_mm3 == 0:
        return None
    return (
        name,
        f"{threshold.cem43_min:g}",
        f"{found.volume_mm3:.1f}",
        f"{found.low_mm3:.1f} to {found.high_mm3:.1f}",
        threshold.effect,
        threshold.source + ("" if threshold.is_checked else " *"),
    )


def _beyond(planes: list[_Plane], cem43_min: float, maps: MapFile) -> Lesion:
    voxel_mm = _voxel_mm(maps)
    found = [measure_lesion(one.dose, cem43_min=cem43_min, voxel_mm=voxel_mm) for one in planes]
    return Lesion(
        cem43_min,
        sum(one.low_mm3 for one in found),
        sum(one.volume_mm3 for one in found),
        sum(one.high_mm3 for one in found),
    )


def _planes(maps: MapFile) -> list[_Plane]:
    """Return each slice as it was last seen."""
    rows = sorted({panel.row for panel in panels(maps)})
    return [_plane(maps, row) for row in rows]


def _plane(maps: MapFile, row: int) -> _Plane:
    names = ("dose_cem43_min", "dose_low_cem43_min", "dose_high_cem43_min")
    middle, low, high = (np.nan_to_num(maps.read(name, row), nan=0.0) for name in names)
    dose = ThermalDose(int(maps.frame[row]), float(maps.time_s[row]), middle, low, high)
    return _Plane(dose, maps.read("arrhenius_omega", row) if maps.has_arrhenius else None)


def _voxel_mm(maps: MapFile) -> tuple[float, float, float]:
    return maps.fov_mm[2] / maps.shape[0], *maps.pixel_mm
