"""A recorded EPI scan without phase encoding, to align odd and even lines by."""

from pathlib import Path

import numpy as np

from messages import READOUT, Acquisition, MonitorError, is_imaging
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.recordings import open_recording
from recon import EpiReference

MAX_LINES = 4096  # of one reference; the longest echo trains have a few hundred


def load_epi_reference(path: Path) -> EpiReference:
    """Return the imaging lines of a recording. Raises MonitorError where there are none."""
    lines = _lines(path)
    if not lines:
        raise MonitorError(f"{path.name}: holds no imaging readout")
    shapes = {line.samples.shape for line in lines}
    if len(shapes) > 1:
        raise MonitorError(f"{path.name}: readouts of several shapes, {sorted(shapes)}")
    rows = np.zeros(len(lines), READOUT)
    for row, line in zip(rows, lines, strict=True):
        row["kspace_encode_step_1"] = line.idx.kspace_encode_step_1
        row["center_sample"] = line.center_sample
        row["n_samples"] = line.n_samples
        row["discard_pre"], row["discard_post"] = line.discard_pre, line.discard_post
        row["segment"], row["average"] = line.idx.segment, line.idx.average
        row["flags"] = line.flags
        row["sample_time_us"] = line.sample_time_us
    return EpiReference(rows, np.stack([line.samples for line in lines]))


def _lines(path: Path) -> list[Acquisition]:
    decoder, lines = Decoder(), list[Acquisition]()
    for message in open_recording(path).messages():
        decoder.feed(message.data)
        for event in decoder.events():
            if isinstance(event, Acquisition) and is_imaging(event.flags):
                lines.append(event)
        if len(lines) > MAX_LINES:
            raise MonitorError(f"{path.name}: more than {MAX_LINES} imaging readouts")
    return lines
