"""A recorded EPI scan without phase encoding, to align odd and even lines by."""

from pathlib import Path

import numpy as np

from messages import READOUT, Acquisition, MonitorError, is_imaging, readout_row
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
    rows[:] = [readout_row(line) for line in lines]
    rows["time_s"] = 0  # the protocol's hash is made of these bytes
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
