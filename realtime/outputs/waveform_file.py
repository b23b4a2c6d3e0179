"""waveforms.h5: the physiological signals of a run, readable while it grows."""

from pathlib import Path

import h5py
import numpy as np

from messages import Waveform

_PACKET = np.dtype(
    [
        ("waveform_id", np.uint16),
        ("n_channels", np.uint16),
        ("n_samples", np.uint32),
        ("first", np.uint64),
        ("sample_time_us", np.float32),
        ("time_stamp", np.uint32),
        ("scan_counter", np.uint32),
        ("measurement_uid", np.uint32),
        ("flags", np.uint64),
    ]
)


class WaveformFile:
    """Two datasets: `packets`, one row for each message, and `values`, all samples in a row.

    A packet's samples are values[first : first + n_channels · n_samples], channel by channel.
    time_stamp: scanner ticks. waveform_id: 0 ECG, 1 pulse, 2 respiration, 3 and 4 external.
    """

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "w", libver="latest")
        self._packets = self._dataset("packets", _PACKET, 256)
        self._values = self._dataset("values", np.dtype(np.uint32), 8192)
        self._file.swmr_mode = True

    def append(self, waveform: Waveform) -> None:
        """Write a waveform."""
        values = waveform.samples.reshape(-1)
        first, n = self._values.shape[0], self._packets.shape[0]
        self._values.resize(first + values.size, axis=0)
        self._values[first:] = values
        self._values.flush()
        self._packets.resize(n + 1, axis=0)
        self._packets[n] = (
            waveform.waveform_id,
            *waveform.samples.shape,
            first,
            waveform.sample_time_us,
            waveform.time_stamp,
            waveform.scan_counter,
            waveform.measurement_uid,
            waveform.flags,
        )
        # after its values: whoever sees the packet finds them
        self._packets.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _dataset(self, name: str, dtype: "np.dtype[np.generic]", chunk: int) -> h5py.Dataset:
        return self._file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(chunk,))
