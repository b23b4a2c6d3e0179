import ctypes

import ismrmrd
import numpy as np
import pytest
from ismrmrd.acquisition import AcquisitionHeader, EncodingCounters
from ismrmrd.hdf5 import acquisition_header_dtype
from ismrmrd.waveform import WaveformHeader

from realtime.streams import mrd_layout as layout


@pytest.mark.parametrize(
    ("ours", "referee", "n_bytes"),
    [
        (layout.ACQUISITION_HEADER, AcquisitionHeader, 340),
        (layout.IMAGE_HEADER, ismrmrd.ImageHeader, 198),
        (layout.WAVEFORM_HEADER, WaveformHeader, 40),
        (layout.ENCODING_COUNTERS, EncodingCounters, 34),
    ],
)
def test_every_field_stands_where_the_ismrmrd_package_puts_it(
    ours: np.dtype, referee: type[ctypes.Structure], n_bytes: int
) -> None:
    theirs = {name: getattr(referee, name) for name, *_ in referee._fields_}
    assert set(ours.names) == set(theirs)
    for name in ours.names:
        dtype, offset = ours.fields[name][:2]
        assert (offset, dtype.itemsize) == (theirs[name].offset, theirs[name].size), name
    assert ours.itemsize == ctypes.sizeof(referee) == n_bytes


def test_hdf5_rows_of_the_usual_writers_need_no_conversion() -> None:
    assert acquisition_header_dtype == layout.ACQUISITION_HEADER


def test_the_quick_structures_agree_with_the_dtypes() -> None:
    rng = np.random.default_rng(1)
    raw = rng.integers(0, 120, 340, dtype=np.uint8).tobytes()  # no NaN among the floats
    record = np.frombuffer(raw, layout.ACQUISITION_HEADER)[0]
    head = layout.ReadoutHead._make(layout.READOUT_HEAD.unpack(raw))
    for name in layout.ReadoutHead._fields:
        if name.startswith("physiology"):
            expected = record["physiology_time_stamp"][int(name[-1]) - 1]
        elif name == "pose":
            assert head.pose == raw[182:242]
            continue
        elif name in layout.ENCODING_COUNTERS.names:
            expected = record["idx"][name]
        else:
            expected = record[name]
        assert getattr(head, name) == expected, name

    raw = rng.integers(0, 120, 40, dtype=np.uint8).tobytes()
    record = np.frombuffer(raw, layout.WAVEFORM_HEADER)[0]
    waveform = layout.WaveformHead._make(layout.WAVEFORM_HEAD.unpack(raw))
    for name in layout.WaveformHead._fields:
        assert getattr(waveform, name) == record[name], name

    raw = rng.integers(0, 120, 198, dtype=np.uint8).tobytes()
    record = np.frombuffer(raw, layout.IMAGE_HEADER)[0]
    assert layout.IMAGE_HEAD.unpack(raw) == (
        record["version"],
        record["data_type"],
        *record["matrix_size"],
        record["channels"],
    )
