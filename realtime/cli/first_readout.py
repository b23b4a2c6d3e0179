"""Whether a recording would pass its first imaging readout, where most refusals are."""

import numpy as np

from messages import Acquisition, MonitorError, SessionHeader, readout_row
from messages.acquisition import NOISE_MEASUREMENT, is_imaging
from messages.frame import READOUT
from realtime import pipeline
from realtime.header_in_force import header_in_force
from realtime.protocol import Protocol
from realtime.protocol_files import read_dose_plan
from realtime.session_setup import assembler_for
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.recording import Recording

_MOST_READOUTS = 4096  # noise, navigators and calibration before an image are fewer


def check_first_readout(protocol: Protocol, header: SessionHeader, recording: Recording) -> str:
    """Say that the session could begin, or raise MonitorError as a replay would.

    The reconstruction is planned, regions are placed and one readout is taken in; nothing is
    computed that takes time.
    """
    header = header_in_force(header, protocol)
    first = _first_imaging(recording)
    if first is None:
        return f"no imaging readout among the first {_MOST_READOUTS}, so nothing was planned"
    number, acquisition = first
    assembler_for(protocol, header).place(acquisition, readout=number)
    try:
        _take_in(protocol, header, acquisition)
    except (ValueError, MemoryError) as error:
        raise MonitorError(str(error)) from error
    return f"the reconstruction takes its first imaging readout, number {number}"


def _first_imaging(recording: Recording) -> tuple[int, Acquisition] | None:
    decoder, n_readouts = Decoder(), 0
    for message in recording.messages():
        decoder.feed(message.data)
        for event in decoder.events():
            if not isinstance(event, Acquisition):
                continue
            n_readouts += 1
            is_of_image = is_imaging(event.flags) and event.encoding_space_ref == 0
            if is_of_image and not event.flags & NOISE_MEASUREMENT:
                return n_readouts, event
        if n_readouts >= _MOST_READOUTS:
            return None
    return None


def _take_in(protocol: Protocol, header: SessionHeader, first: Acquisition) -> None:
    built = pipeline.build(
        protocol,
        header,
        n_coils=first.n_coils,
        n_samples=first.n_samples,
        noise=None,
        imaging_sample_time_us=first.sample_time_us,
        dose_plan=read_dose_plan(protocol.document, protocol.folder),
    )
    pipeline.open_slice(
        built,
        first.pose,
        slice_number=first.idx.slice,
        contrast=0 if built.n_joined > 1 else first.idx.contrast,
    )
    reconstructor = built.reconstructor
    rows = np.array([readout_row(first)], READOUT)
    is_on_grid = header.encodings[0].is_on_grid
    trajectory = None if is_on_grid or not first.trajectory.size else first.trajectory[np.newaxis]
    reconstructor.absorb(reconstructor.start(None), rows, first.samples[np.newaxis], trajectory)
