"""`mrmonitor dicom`: a finished run as DICOM, to a folder or to a PACS."""

from pathlib import Path

import click

from messages import MonitorError
from realtime.cli.console import counted
from realtime.cli.dicom_process import Frames
from realtime.cli.progress import ReadoutProgress
from realtime.outputs.dicom.address import parse_peer
from realtime.outputs.dicom.extra import require_extra
from realtime.outputs.report_record import read_run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write files into this folder.")
@click.option("--to", metavar="AET@HOST:PORT", help="Send them to this peer by C-STORE.")
@click.option(
    "--frames",
    "every",
    type=Frames(),
    default="10",
    show_default=True,
    help="Of each slice: every n-th and the last, or all, or the last alone.",
)
@click.option("--patient-id", help="Whose it is; without it a pseudonym of the run.")
@click.option("--patient-name", help="FAMILY^GIVEN, with --patient-id.")
def dicom(
    run: Path,
    out: Path | None,
    to: str | None,
    every: int,
    patient_id: str | None,
    patient_name: str | None,
) -> None:
    """Write or send a finished run as DICOM.

    Magnitude as MR Image, temperature and thermal dose as Parametric Maps, the lesion as
    Segmentation, an MR-linac's delivered dose as RT Dose. The same run gives the same objects
    again. C-STORE is not encrypted. Research use only.
    """
    if out is None and to is None:
        raise MonitorError("nowhere to put it: give --out FOLDER or --to AET@HOST:PORT, or both")
    if (patient_id is None) != (patient_name is None):
        raise MonitorError("--patient-id and --patient-name go together")
    require_extra()
    peer = None if to is None else parse_peer(to)
    from realtime.outputs.dicom.folder import write
    from realtime.outputs.dicom.peer import store
    from realtime.outputs.dicom.run_frames import run_jobs
    from realtime.outputs.dicom.study import Patient

    patient = Patient(patient_id, patient_name) if patient_id and patient_name else None
    record, n_objects, refused = read_run(run), 0, set[str]()
    try:
        jobs = run_jobs(record, every=every, patient=patient)
        with ReadoutProgress("frames", done="written") as progress:
            for make in progress.counted(jobs):
                instances = make()
                if out is not None:
                    refused.update(write(out, instances))
                if peer is not None:
                    refused.update(store(peer, instances))
                n_objects += len(instances)
    finally:
        record.close()
    where = " and ".join(str(one) for one in (out, peer) if one is not None)
    if refused:
        raise MonitorError(f"not all were taken: {'; '.join(sorted(refused))}")
    click.echo(f"{counted(n_objects, 'object')}: {where}")
