"""Shared memory between gateway and worker: frames one way, maps the other.

The gateway owns every slot that it has not assigned; the worker owns the one slot that it was
assigned until it answers. So no word is written by both and no lock is needed: a process killed at
any moment leaves nothing locked. The memory has no name, so it goes with its last owner.
"""

import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messages import READOUT, Acquisition, BeamLog, Pose, PowerLog, readout_row

_THERMAL = (
    "magnitude",
    "temperature_c",
    "temperature_std_c",
    "dose_cem43_min",
    "dose_low_cem43_min",
    "dose_high_cem43_min",
    "arrhenius_omega",
)
MAP_NAMES = {
    "mrgfus": _THERMAL,
    "imaging": ("magnitude",),
    "mrlinac": ("magnitude", "dose_gy"),
}
"""By therapy, the float32 maps of `messages.Maps` that a frame leaves."""
MASK_NAMES: dict[str, tuple[str, ...]] = {
    "mrgfus": ("valid",),
    "imaging": (),
    "mrlinac": ("target_mask",),
}
"""By therapy, its bool maps."""
BIT_NAMES: dict[str, tuple[str, ...]] = {
    "mrgfus": ("region_bits",),
    "imaging": (),
    "mrlinac": ("region_bits",),
}
"""By therapy, its uint16 maps."""
VERDICT_BYTES = 1 << 18
# To touch a page costs microseconds, and the gateway has other clients: the rest is touched as
# lines land.
TOUCHED_BYTES = 1 << 23
KEY_FIELDS = ("repetition", "slice", "contrast", "phase", "set")
"""Of a slot's row, in the order of `messages.FrameKey`."""
POWER_STEPS = 64  # the latest: more changes than a device makes while some frames are lost
BEAM_STEPS = 128  # the latest: half a minute of reports, four a second
WAVEFORM_BYTES = 1 << 17  # of one frame: half a minute of a four-channel ECG at 250 Hz

_POWER_STEP = np.dtype([("time_s", np.float64), ("watts", np.float64)])
_BEAM_STEP = np.dtype(
    [("time_s", np.float64), ("number", np.int64), ("is_on", np.bool_), ("mu", np.float64)]
)
_SLOT = np.dtype(
    [
        ("n_landed", np.int64),
        ("is_closed", np.int64),
        ("is_complete", np.int64),
        ("frame_id", np.int64),
        ("repetition", np.int64),
        ("slice", np.int64),
        ("contrast", np.int64),
        ("phase", np.int64),
        ("set", np.int64),
        ("ticks", np.int64),
        ("physiology_ticks", np.int64, (3,)),
        ("received_ns", np.int64),
        ("time_s", np.float64),
        ("n_power", np.int64),
        ("power", _POWER_STEP, (POWER_STEPS,)),
        ("n_beam", np.int64),
        ("beam", _BEAM_STEP, (BEAM_STEPS,)),
        ("pose", np.float64, (5, 3)),
        ("waveform_length", np.int64),
    ]
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the shared memory is cut.

    n_readouts: rows of a frame, navigators and calibration lines among them. n_pixels: the most
    that an image can have. n_trajectory_dimensions: 0 where the scanner sends no trajectory.
    therapy: which maps there are.
    """

    n_slots: int
    n_readouts: int
    n_coils: int
    n_samples: int
    n_pixels: int
    n_trajectory_dimensions: int = 0
    therapy: str = "mrgfus"

    @property
    def slot_bytes(self) -> int:
        """Bytes of one frame's samples and trajectory."""
        of_a_sample = self.n_coils * 8 + self.n_trajectory_dimensions * 4
        return self.n_readouts * self.n_samples * of_a_sample

    def sections(self) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
        """Name, dtype and shape of each array, in order."""
        slots = self.n_slots
        return [
            ("slots", _SLOT, (slots,)),
            ("verdict_length", np.dtype(np.int64), (2,)),
            ("verdict", np.dtype(np.uint8), (2, VERDICT_BYTES)),
            ("readouts", READOUT, (slots, self.n_readouts)),
            (
                "samples",
                np.dtype(np.complex64),
                (slots, self.n_readouts, self.n_coils, self.n_samples),
            ),
            (
                "trajectory",
                np.dtype(np.float32),
                (slots, self.n_readouts, self.n_samples, self.n_trajectory_dimensions),
            ),
            ("waveforms", np.dtype(np.uint8), (slots, WAVEFORM_BYTES)),
            ("maps", np.dtype(np.float32), (2, len(MAP_NAMES[self.therapy]), self.n_pixels)),
            ("masks", np.dtype(np.bool_), (2, len(MASK_NAMES[self.therapy]), self.n_pixels)),
            ("bits", np.dtype(np.uint16), (2, len(BIT_NAMES[self.therapy]), self.n_pixels)),
        ]

    @property
    def total_bytes(self) -> int:
        """Size of the whole."""
        return sum(_padded(dtype, shape) for _, dtype, shape in self.sections())


class Mailbox:
    """The arrays of one shared memory. Both processes make one over the same file descriptor."""

    def __init__(self, layout: Layout, fd: int) -> None:
        self.layout = layout
        self._memory = mmap.mmap(fd, layout.total_bytes)
        arrays: dict[str, NDArray[Any]] = {}
        offset = 0
        for name, dtype, shape in layout.sections():
            flat = np.frombuffer(self._memory, dtype, count=int(np.prod(shape)), offset=offset)
            arrays[name] = flat.reshape(shape)
            offset += _padded(dtype, shape)
        self.slots = arrays["slots"]
        self.readouts = arrays["readouts"]
        self.samples = arrays["samples"]
        self.trajectory = arrays["trajectory"]
        self.waveforms = arrays["waveforms"]
        self.verdict_length = arrays["verdict_length"]
        self.verdict = arrays["verdict"]
        self.maps = arrays["maps"]
        self.masks = arrays["masks"]
        self.bits = arrays["bits"]

    def touch(self) -> None:
        """Write the first pages once, so that they need not be found while a frame is under way.

        At most TOUCHED_BYTES, whatever a header claims: a gateway that clears gigabytes answers
        nobody meanwhile, and memory that no readout comes for is never taken.
        """
        left = TOUCHED_BYTES
        for array in (self.verdict, self.maps, self.samples, self.trajectory):
            flat = array.reshape(-1)
            flat[: left // array.itemsize] = 0
            left = max(left - array.nbytes, 0)

    def images(self, result: int, shape: tuple[int, int, int]) -> dict[str, NDArray[Any]]:
        """Return views of one result's maps, (z, y, x), by their names."""
        n_pixels, therapy = int(np.prod(shape)), self.layout.therapy
        kinds = (
            (MAP_NAMES[therapy], self.maps),
            (MASK_NAMES[therapy], self.masks),
            (BIT_NAMES[therapy], self.bits),
        )
        return {
            name: rows[result, index, :n_pixels].reshape(shape)
            for names, rows in kinds
            for index, name in enumerate(names)
        }

    def pose(self, slot: int) -> Pose:
        """Return where the slice of a slot's frame lies."""
        vectors = self.slots[slot]["pose"].tolist()
        return Pose(*(tuple(vector) for vector in vectors))

    def power(self, slot: int) -> PowerLog:
        """Return what the therapy device had said of its power by a slot's frame."""
        return PowerLog(**self._said(slot, "power"))

    def beam(self, slot: int) -> BeamLog:
        """Return what the accelerator had said of its beams by a slot's frame."""
        return BeamLog(**self._said(slot, "beam"))

    def _said(self, slot: int, name: str) -> dict[str, NDArray[Any]]:
        row = self.slots[slot]
        steps = row[name][: int(row[f"n_{name}"])]
        return {field: steps[field].copy() for field in steps.dtype.names}

    def scatter(self, slot: int, row: int, acquisition: Acquisition) -> None:
        """Put one readout into its frame's slot, and only then count it as landed.

        Its time is written when the frame closes, once the unit of the scanner's clock is known.
        """
        samples = acquisition.samples
        # one assignment costs a third of one for each field
        self.readouts[slot, row] = readout_row(acquisition)
        self.samples[slot, row, :, : samples.shape[1]] = samples
        if self.layout.n_trajectory_dimensions:
            trajectory = acquisition.trajectory
            rows = self.trajectory[slot, row]
            if trajectory.shape[1] == self.layout.n_trajectory_dimensions:
                rows[: len(trajectory)] = trajectory
            else:
                rows.fill(0)  # navigators and calibration lines have none
        self.slots[slot]["n_landed"] = row + 1

    def write_waveforms(self, slot: int, packed: bytes) -> None:
        """Put what came of signals since the last frame beside a slot's frame."""
        self.waveforms[slot, : len(packed)] = np.frombuffer(packed, np.uint8)
        self.slots[slot]["waveform_length"] = len(packed)

    def read_waveforms(self, slot: int) -> bytes:
        """Return what `write_waveforms` put there."""
        return self.waveforms[slot, : int(self.slots[slot]["waveform_length"])].tobytes()

    def write_verdict(self, index: int, text: bytes) -> None:
        """Put an encoded verdict into result `index` (0 or 1)."""
        if len(text) > VERDICT_BYTES:
            raise ValueError(f"verdict of {len(text)} bytes, room for {VERDICT_BYTES}")
        self.verdict[index, : len(text)] = np.frombuffer(text, np.uint8)
        self.verdict_length[index] = len(text)

    def read_verdict(self, index: int) -> bytes:
        """Return the encoded verdict of result `index`."""
        return self.verdict[index, : int(self.verdict_length[index])].tobytes()


def anonymous_memory(name: str, n_bytes: int) -> int:
    """Return a file descriptor of `n_bytes` of memory that has no name in the file system."""
    fd = os.memfd_create(name)
    os.ftruncate(fd, n_bytes)
    return fd


def _padded(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    n_bytes = dtype.itemsize * int(np.prod(shape))
    return -(-n_bytes // 64) * 64
