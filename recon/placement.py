"""Where a readout belongs: its row of the encoded matrix, and its samples along kx."""

from operator import itemgetter
from typing import NamedTuple

from messages import READOUT
from messages.acquisition import REVERSE
from recon.reconstruction_plan import ReconstructionPlan

_USED = (
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "center_sample",
    "n_samples",
    "discard_pre",
    "discard_post",
    "encoding_space_ref",
    "flags",
)
_NAMES = READOUT.names or ()
counters_of = itemgetter(*(_NAMES.index(name) for name in _USED))
"""Of a row of `READOUT` as a tuple: what `Counters` holds."""

Counters = tuple[int, int, int, int, int, int, int, int]


class Columns(NamedTuple):
    """`samples` (step -1: reversed) of a readout lie from `first` of a row on."""

    first: int
    samples: slice
    n_filled: int


class Placement:
    """The rows and columns of a plan's grid, in k-space order, for the counters of readouts."""

    def __init__(self, plan: ReconstructionPlan) -> None:
        self._plan = plan
        n_kx, n_ky, n_kz = plan.grid
        self._n_kx, self._n_ky, self._n_kz = n_kx, n_ky, n_kz
        self._line_shift = n_ky // 2 - plan.n_lines // 2
        self._partition_shift = n_kz // 2 - plan.n_partitions // 2
        # A reversed line of an echo train is stored backwards about the same centre_sample (real
        # converters write one number for both polarities); other reversed readouts are mirrored.
        self._is_train = plan.encoding.trajectory == "epi"

    def row(self, counters: Counters, number: int) -> tuple[int, int] | None:
        """Return (line, partition) on the grid; None where the grid leaves the row out.

        number: of the readout in its frame, for the words of the ValueError that a counter without
        a place in the encoded matrix gets.
        """
        plan = self._plan
        line = counters[0] + plan.line_offset
        partition = counters[1] + plan.partition_offset
        _within(line, plan.n_lines, counters[0], "kspace_encode_step_1", number)
        _within(partition, plan.n_partitions, counters[1], "kspace_encode_step_2", number)
        line += self._line_shift
        partition += self._partition_shift
        if not (0 <= line < self._n_ky and 0 <= partition < self._n_kz):
            return None
        return line, partition

    def columns(self, counters: Counters, n_held: int, number: int) -> Columns:
        """Return where the samples of a readout of `n_held` samples go along kx."""
        _, _, center, n_samples, discard_pre, discard_post, _, flags = counters
        _within(n_samples - 1, n_held, n_samples, "n_samples", number)
        n_left = n_samples - discard_pre - discard_post
        center -= discard_pre
        _within(center, n_left, center + discard_pre, "center_sample", number)
        if flags & REVERSE and not self._is_train:
            center = n_left - 1 - center
        n_kx = self._n_kx
        self._check_overhang(center, n_left, number)
        first = n_kx // 2 - center
        cut = max(-first, 0)
        n_filled = min(first + n_left, n_kx) - (first + cut)
        if flags & REVERSE:
            last = n_samples - discard_post - 1 - cut
            stop = last - n_filled
            taken = slice(last, stop if stop >= 0 else None, -1)
        else:
            taken = slice(discard_pre + cut, discard_pre + cut + n_filled)
        return Columns(first + cut, taken, n_filled)

    def _check_overhang(self, center: int, n_left: int, number: int) -> None:
        """Refuse a readout that the encoded matrix cannot hold.

        One sample may stick out and is left out: the mirror image of an even readout is off by one.
        """
        n_encoded = self._plan.encoded_matrix[0]
        first = n_encoded // 2 - center
        if first < -1 or first + n_left > n_encoded + 1:
            raise ValueError(
                f"readout {number}: center_sample puts its {n_left} samples at {first} to "
                f"{first + n_left - 1}, limit 0 to {n_encoded - 1} "
                "(encodedSpace x); where the header lies, recon.encoded_matrix overrides it"
            )


def _within(place: int, size: int, value: int, name: str, number: int) -> None:
    if not 0 <= place < size:
        low = value - place
        raise ValueError(f"readout {number}: {name} is {value}, limit {low} to {low + size - 1}")
