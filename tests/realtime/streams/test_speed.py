from collections.abc import Callable
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
from ismrmrd.hdf5 import acquisition_dtype

from messages import Acquisition
from realtime.clock import MonotonicClock
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_acquisition, encode_header
from realtime.streams.recordings import open_recording

N_ROWS = 2000
N_READ_BY_THEM = 100


def best_us(work: Callable[[], int], *, n_runs: int = 3) -> float:
    """The least time for one item of the work, in µs: what other processes cost is not ours."""
    clock, times_us = MonotonicClock(), []
    for _ in range(n_runs):
        start_ns = clock.now_ns()
        n_items = work()
        times_us.append((clock.now_ns() - start_ns) / n_items / 1e3)
    return min(times_us)


@pytest.mark.slow
def test_a_readout_of_8_by_256_decodes_within_25_us(
    header_xml: bytes, make_acquisition: Callable[..., Acquisition]
) -> None:
    stream = b"".join(
        encode_acquisition(make_acquisition(n, n_coils=8, n_samples=256)) for n in range(500)
    )

    def decode() -> int:
        decoder, n_events = Decoder(), -1
        decoder.feed(encode_header(header_xml))
        for start in range(0, len(stream), 65536):
            decoder.feed(memoryview(stream)[start : start + 65536])
            n_events += sum(1 for _ in decoder.events())
        return n_events

    assert best_us(decode) <= 25


@pytest.mark.slow
def test_time_grows_with_the_bytes_however_they_are_cut(header_xml: bytes) -> None:
    text = encode_header(header_xml + b" " * 400_000)

    def feed(n_bytes: int) -> int:
        decoder = Decoder()
        for start in range(n_bytes):
            decoder.feed(text[start : start + 1])
        return n_bytes

    # Per byte: eight times the bytes must not take longer each. Copying the buffer would, 8 ×.
    assert best_us(lambda: feed(400_000)) < 3 * best_us(lambda: feed(50_000))


@pytest.mark.slow
def test_replay_reads_20_times_as_fast_as_the_ismrmrd_package(
    tmp_path: Path, header_xml: bytes, make_acquisition: Callable[..., Acquisition]
) -> None:
    acquisition = make_acquisition(0, n_coils=8, n_samples=256)
    rows = np.zeros(N_ROWS, acquisition_dtype)
    head = np.frombuffer(encode_acquisition(acquisition)[2:342], layout.ACQUISITION_HEADER)[0]
    for row in rows:
        row["head"], row["traj"] = head, np.zeros(0, np.float32)
        row["data"] = acquisition.samples.ravel().view(np.float32)
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["dataset/xml"] = [header_xml]
        file.create_dataset("dataset/data", data=rows, maxshape=(None,), chunks=(1,))

    ours_us = best_us(lambda: sum(1 for _ in open_recording(path).messages()))
    with ismrmrd.Dataset(str(path), mode="r") as dataset:

        def read_one_by_one() -> int:
            for index in range(N_READ_BY_THEM):
                dataset.read_acquisition(index)
            return N_READ_BY_THEM

        theirs_us = best_us(read_one_by_one)
    assert theirs_us / ours_us >= 20
