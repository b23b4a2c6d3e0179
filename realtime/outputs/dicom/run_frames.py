"""The frames of a finished run, read back from its folder as they were published."""

from functools import partial

import numpy as np

from messages import FrameKey, Maps, MonitorError
from realtime.outputs.delivered_dose import has_plan
from realtime.outputs.dicom.choice import Choice
from realtime.outputs.dicom.delivered import delivered_instance
from realtime.outputs.dicom.delivery import Job
from realtime.outputs.dicom.frame import frame_instances
from realtime.outputs.dicom.study import Patient, study_of
from realtime.outputs.report_maps import Float, MapFile
from realtime.outputs.report_record import RunRecord


def run_jobs(run: RunRecord, *, every: int, patient: Patient | None) -> list[Job]:
    """Return what makes the objects of a run's chosen frames and, at its end, of its dose.

    Raises MonitorError where the folder does not tell the run, or holds nothing to send.
    """
    if run.start is None or run.maps is None:
        raise MonitorError(f"{run.folder}: {'; '.join(run.missing)}")
    study = study_of(run.start, patient)
    jobs: list[Job] = []
    for row in chosen_rows(run.maps, every=every):
        jobs.append(
            partial(lambda maps, n: frame_instances(maps_of(maps, n), study), run.maps, row)
        )
    if has_plan(run):
        jobs.append(lambda: [delivered_instance(run, study)])
    if not jobs:
        raise MonitorError(f"{run.folder}: maps.h5 has no frame")
    return jobs


def chosen_rows(file: MapFile, *, every: int) -> list[int]:
    """Return the rows of the chosen frames, in order."""
    choice: Choice[int] = Choice(every)
    streams = zip(file.slice.tolist(), file.contrast.tolist(), strict=True)
    chosen = [row for row, stream in enumerate(streams) if choice.take(stream, row)]
    return sorted(chosen + choice.rest())


def maps_of(file: MapFile, row: int) -> Maps:
    """Return one frame's maps, as far as DICOM tells of them."""
    pose = file.pose_of(row)
    if pose is None:
        raise MonitorError("maps.h5 does not say where its slices lie: an older version wrote it")

    def optional(name: str, is_there: bool) -> Float | None:
        return file.read(name, row) if is_there else None

    time_s = float(file.time_s[row])
    has_heat, has_interval = file.has_temperature, file.has_interval
    return Maps(
        int(file.frame[row]),
        FrameKey(slice=int(file.slice[row]), contrast=int(file.contrast[row])),
        None if np.isnan(time_s) else time_s,
        file.fov_mm,
        pose,
        file.read("magnitude", row),
        temperature_c=optional("temperature_c", has_heat),
        valid=file.valid(row) if has_heat else None,
        dose_cem43_min=optional("dose_cem43_min", has_heat),
        dose_low_cem43_min=optional("dose_low_cem43_min", has_interval),
        dose_high_cem43_min=optional("dose_high_cem43_min", has_interval),
    )
