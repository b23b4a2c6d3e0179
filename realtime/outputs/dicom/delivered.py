"""The radiation dose that a finished run delivered, as RT Dose on the plan's grid."""

from pydicom.dataset import Dataset

from realtime.outputs.delivered_dose import delivered_dataset, delivered_grid
from realtime.outputs.dicom.study import Study, describe
from realtime.outputs.report_record import RunRecord


def delivered_instance(run: RunRecord, study: Study) -> Dataset:
    """Return the dose; it lies in the plan's frame of reference and names the plan.

    Patient and study are those of the run's other objects, not the plan's. Raises MonitorError
    where the folder lacks what the dose is made of.
    """
    found = delivered_dataset(run, delivered_grid(run))
    found.SOPInstanceUID = study.uid("dose")
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    describe(found, study, kind="dose", contrast=0, time_s=None)
    return found
