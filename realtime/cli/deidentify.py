"""`mrmonitor deidentify`: a recording that may be shared."""

from pathlib import Path

import click

from messages import MonitorError
from realtime.cli.progress import ReadoutProgress
from realtime.protocol import shipped_protocols
from realtime.streams.deidentification import deidentified
from realtime.streams.hdf5_recording import Hdf5Recording
from realtime.streams.recording_files import write_hdf5, write_stream
from realtime.streams.recordings import open_recording
from realtime.streams.stream_recording import StreamRecording


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
def deidentify(source: Path, target: Path) -> None:
    """Write a copy of a recording without person, place and time, of the same kind.

    The header keeps what is on an allow-list; ids, texts and images are dropped; the first readout
    stands at the same time of day in every copy. It replays with the same images. The raw data
    themselves are kept: the image of a head shows a face.
    """
    recording = open_recording(source)
    if isinstance(recording, Hdf5Recording):
        write = write_hdf5
    elif isinstance(recording, StreamRecording):
        write = write_stream
    else:
        raise MonitorError(f"{source}: is MRD version 2, expected ISMRMRD HDF5 or an MRD stream")
    clean = deidentified(recording, config_names=shipped_protocols())
    with ReadoutProgress(done="written") as progress:
        written = write(target, progress.passing(clean, n_readouts=recording.n_readouts))
    click.echo(f"{target}: {written.n_readouts} readouts, {written.n_waveforms} waveforms")
