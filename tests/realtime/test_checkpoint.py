"""The checkpoint: a writer may die at any moment, one whole state of each stream is there."""

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest

from realtime.checkpoint import CheckpointError, CheckpointMemory
from realtime.mailbox import anonymous_memory
from realtime.pipeline import PipelineState, SliceState
from recon import Calibration
from recon.coil_maps import CoilMaps
from thermometry import start_dose


@dataclass(frozen=True)
class Thermometry:
    """What a method may keep: sums, a flag, and the baseline that it compares with."""

    sums: np.ndarray
    note: str = ""
    reference: np.ndarray | None = None


def calibration(value, n_pixels=64):
    return Calibration(CoilMaps(np.full((2, 1, 1, n_pixels), value, np.complex64)))


def slice_state(value, known=None, *, n_pixels=64):
    shape = (1, 1, n_pixels)
    return SliceState(
        {"focus": np.full(shape, value % 2, bool)},
        calibration=known,
        thermometry=Thermometry(np.full(shape, value, np.float32)),
        dose=start_dose(shape),
        previous_time_s=float(value),
    )


def moved(one, value):
    """The state after the next frame: what a frame changes, and nothing else."""
    sums = np.full_like(one.thermometry.sums, value)
    return replace(
        one, thermometry=replace(one.thermometry, sums=sums), previous_time_s=float(value)
    )


def only(one, stream=(0, 0, 0, 0)):
    return PipelineState({stream: one})


class Watched(CheckpointMemory):
    """Counts what it writes; `on_step` sees the file after each store and half-way in it."""

    def __init__(self, fd, **settings):
        super().__init__(fd, **settings)
        self.n_bytes = 0
        self.on_step = lambda: None

    def _store(self, start, part):
        half = len(part) // 2
        super()._store(start, part[:half])
        self.on_step()
        super()._store(start + half, part[half:])
        self.n_bytes += len(part)
        self.on_step()

    def _turn(self, place, valid):
        assert valid != self._rows["valid"][place]  # no entry is changed while it is the valid one
        self.on_step()
        super()._turn(place, valid)
        self.on_step()

    def written_by(self, state):
        before = self.n_bytes
        self.save(state)
        return self.n_bytes - before


def loaded(fd):
    """What the next worker finds."""
    return CheckpointMemory(fd).load()


def loaded_from(content):
    fd = anonymous_memory("copy", len(content))
    try:
        os.pwrite(fd, content, 0)
        return loaded(fd)
    finally:
        os.close(fd)


@pytest.fixture
def memory():
    fd = anonymous_memory("checkpoint", 0)
    yield fd
    os.close(fd)


def test_before_the_first_there_is_none(memory):
    assert loaded(memory) is None


def test_twelve_slices_with_large_arrays_come_back_as_they_were(memory):
    writer = CheckpointMemory(memory)
    rng = np.random.default_rng(1)
    slices = {}
    for n in range(12):
        maps = rng.standard_normal((2, 1, 128, 256)).astype(np.complex64)
        maps.flags.writeable = False
        slices[n, 1, 0, 2] = replace(
            slice_state(n, Calibration(CoilMaps(maps), is_ready=n > 3), n_pixels=1 << 15),
            is_refined=n > 5,
        )
    state = PipelineState(slices)
    writer.save(state)
    for n in range(12):
        state = PipelineState({**state.slices, (n, 1, 0, 2): moved(slices[n, 1, 0, 2], 100 + n)})
        writer.save(state)
    found = loaded(memory)
    assert list(found.slices) == list(slices)
    for n, (stream, one) in enumerate(found.slices.items()):
        expected = state.slices[stream]
        assert one.previous_time_s == 100 + n
        assert (one.is_refined, one.calibration.is_ready) == (n > 5, n > 3)
        assert np.array_equal(one.thermometry.sums, expected.thermometry.sums)
        assert np.array_equal(one.masks["focus"], expected.masks["focus"])
        assert np.array_equal(one.calibration.maps.weights, expected.calibration.maps.weights)
        assert not one.calibration.maps.weights.flags.writeable  # what is frozen stays so
        assert np.array_equal(one.dose.last_time_s, expected.dose.last_time_s, equal_nan=True)


def test_a_frame_costs_the_bytes_of_its_own_stream_and_no_calibration(memory):
    writer = Watched(memory)
    known = calibration(1, n_pixels=1 << 14)  # 256 KiB
    slices = {(n, 0, 0, 0): slice_state(n, known) for n in range(12)}
    assert writer.written_by(PipelineState(slices)) > 12 * known.maps.weights.nbytes
    slices[5, 0, 0, 0] = moved(slices[5, 0, 0, 0], 49)
    once_more = writer.written_by(PipelineState(slices))  # it lasts: now in an extent of its own
    assert known.maps.weights.nbytes < once_more < 2 * known.maps.weights.nbytes
    slices[5, 0, 0, 0] = moved(slices[5, 0, 0, 0], 50)
    one_frame = writer.written_by(PipelineState(slices))
    assert 64 * 4 < one_frame < 8192  # its sums at least; all that it has, dose and names included
    assert writer.written_by(PipelineState(slices)) == 0
    assert loaded(memory).slices[5, 0, 0, 0].calibration.maps.weights[0, 0, 0, 0] == 1


def test_another_calibration_is_written_and_then_no_more(memory):
    writer = Watched(memory)
    one = slice_state(0, calibration(1, n_pixels=1 << 14))
    first = writer.written_by(only(one))
    writer.written_by(only(moved(one, 1)))
    one = replace(one, calibration=calibration(2, n_pixels=1 << 14))
    assert first / 2 < writer.written_by(only(one)) < 2 * first
    writer.written_by(only(moved(one, 2)))
    assert writer.written_by(only(moved(one, 3))) < first / 10
    found = loaded(memory).slices[0, 0, 0, 0]
    assert (found.calibration.maps.weights == 2).all()
    assert found.previous_time_s == 3


def test_a_library_is_not_written_with_each_frame_and_comes_back_with_every_frame(memory):
    writer = Watched(memory)
    training = slice_state(0, calibration(1))
    writer.save(only(training))
    library = np.full((20, 1 << 12), 3, np.complex64)
    with_library = replace(training.thermometry, reference=library)
    one = replace(moved(training, 1), thermometry=with_library)
    assert writer.written_by(only(one)) > library.nbytes
    writer.save(only(moved(one, 2)))
    one = moved(one, 2)
    assert writer.written_by(only(one)) < library.nbytes / 50
    found = loaded(memory).slices[0, 0, 0, 0].thermometry
    assert (found.sums == 2).all()
    assert np.array_equal(found.reference, library)
    second = Watched(memory)
    resumed = second.load().slices[0, 0, 0, 0]
    assert second.written_by(only(moved(resumed, 3))) < library.nbytes / 50


def test_killed_at_any_store_a_stream_has_its_state_before_or_after(memory):
    """Three streams whose sizes and calibrations change; the maps' value tells which belongs."""
    writer = Watched(memory)
    snapshots = []
    writer.on_step = lambda: snapshots.append(os.pread(memory, os.fstat(memory).st_size, 0))
    rng = np.random.default_rng(2)
    now, pairs = {}, {}
    for value in range(1, 25):
        stream = (int(rng.integers(3)), 0, 0, 0)
        n_pixels = int(rng.choice([40, 3000]))
        before = now.get(stream)
        if before is None or value % 3 == 0:
            one = slice_state(value, calibration(value, n_pixels=n_pixels), n_pixels=n_pixels)
        else:
            one = moved(before, value)
        pairs[value] = one.calibration.maps.weights[0, 0, 0, 0].real
        previous = {key: kept.previous_time_s for key, kept in now.items()}
        now[stream] = one
        writer.save(PipelineState(dict(now)))
        values = {}
        for content in snapshots:
            found = loaded_from(content) or PipelineState()
            values = {}
            for key, kept in found.slices.items():
                whole = int(kept.previous_time_s)
                assert (kept.thermometry.sums == whole).all()
                assert (kept.calibration.maps.weights == pairs[whole]).all()
                values[key] = kept.previous_time_s
            assert values in (previous, {**previous, stream: value})
        assert values == {**previous, stream: value}
        snapshots.clear()


def test_an_array_that_was_written_over_is_never_taken(memory):
    writer = CheckpointMemory(memory)
    slices = {(n, 0, 0, 0): slice_state(n, calibration(n, n_pixels=1 << 12)) for n in range(3)}
    writer.save(PipelineState(slices))
    slices = {stream: moved(one, 7) for stream, one in slices.items()}
    writer.save(PipelineState(slices))
    (lasting,) = writer._arrays[1, 0, 0, 0].values()
    writer._store(lasting.extent.start, memoryview(np.int64(99).tobytes()))
    assert [stream[0] for stream in loaded(memory).slices] == [0, 2]


def test_training_writes_each_image_twice_at_most(memory):
    """The library grows by an image a frame; those before it stay where they are."""
    writer, n_bytes = Watched(memory), 1 << 15
    one, images = slice_state(0), ()
    for n in range(20):
        image = np.full(n_bytes // 4, n, np.float32)
        images = (*images, image)
        one = moved(replace(one, thermometry=replace(one.thermometry, reference=images)), n)
        assert writer.written_by(only(one)) < 2.5 * n_bytes
    found = loaded(memory).slices[0, 0, 0, 0].thermometry.reference
    assert [int(image[0]) for image in found] == list(range(20))


def test_pairs_of_arfi_come_back_too(memory):
    writer = Watched(memory)
    writer.save(replace(only(slice_state(1)), arfi={(0, 0, 0): "first pair"}))
    later = replace(only(slice_state(2)), arfi={(0, 0, 0): "second pair"})
    writer.save(later)
    found = loaded(memory)
    assert found.arfi == later.arfi
    assert list(found.slices) == [(0, 0, 0, 0)]
    assert writer.written_by(later) == 0


def test_the_next_writer_goes_on_where_the_last_one_was_killed(memory):
    known = calibration(1, n_pixels=1 << 14)
    slices = {(n, 0, 0, 0): slice_state(n, known) for n in range(3)}
    first = CheckpointMemory(memory)
    first.save(PipelineState(slices))
    first.save(PipelineState({stream: moved(one, stream[0]) for stream, one in slices.items()}))
    second = Watched(memory)
    slices = dict(second.load().slices)
    slices[1, 0, 0, 0] = moved(slices[1, 0, 0, 0], 7)
    slices[8, 0, 0, 0] = slice_state(8)
    assert second.written_by(PipelineState(slices)) < known.maps.weights.nbytes
    found = loaded(memory).slices
    assert {stream[0]: one.previous_time_s for stream, one in found.items()} == {
        0: 0,
        1: 7,
        2: 2,
        8: 8,
    }
    assert found[1, 0, 0, 0].calibration.maps.weights[0, 0, 0, 0] == 1


def test_the_file_does_not_grow_with_the_frames(memory):
    writer = CheckpointMemory(memory)
    slices = {(n, 0, 0, 0): slice_state(n, calibration(n), n_pixels=3000) for n in range(4)}
    sizes = []
    for frame in range(40):
        stream = (frame % 4, 0, 0, 0)
        slices[stream] = moved(slices[stream], frame)
        writer.save(PipelineState(dict(slices)))
        sizes.append(os.fstat(memory).st_size)
    assert sizes[8] == sizes[-1]


def test_what_does_not_fit_is_an_error_and_leaves_what_was_kept(memory):
    writer = CheckpointMemory(memory, max_bytes=1 << 20)
    one, large = slice_state(1), slice_state(2, n_pixels=1 << 16)
    writer.save(only(one, (4, 0, 0, 0)))
    state = PipelineState({(4, 0, 0, 0): large, (5, 0, 0, 0): slice_state(5)})
    with pytest.raises(CheckpointError, match=r"slice 4, .* needs \d+ KiB beside .* at most"):
        writer.save(state)
    found = loaded(memory).slices
    assert found[4, 0, 0, 0].previous_time_s == 1
    assert found[5, 0, 0, 0].previous_time_s == 5  # the others are kept all the same
    with pytest.raises(CheckpointError):  # and it is told each time
        writer.save(state)


def test_memory_that_cannot_be_had_is_an_error_too(memory, monkeypatch):
    writer = CheckpointMemory(memory)

    def refuse(start, part):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_store", refuse)
    with pytest.raises(CheckpointError, match="No space left"):
        writer.save(only(slice_state(1)))
    assert loaded(memory) is None
