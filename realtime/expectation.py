"""Which readouts make a frame whole: as many as the header says, or those that a frame showed."""

import math
from collections import Counter
from itertools import pairwise
from typing import Protocol

from messages import Encoding, EncodingLimit, HeaderError

Place = tuple[int, int, int, int]  # step 1, step 2, average, segment
Line = tuple[int, ...]  # step 1, step 2, and the average where there are several
# Radial spokes that sample the rim of k-space as densely as its rays are π/2 of the matrix; who has
# more of them in a frame says so.
_UNTOLD_PER_LINE = 4


class Filled(Protocol):
    """What is known of a frame that is still filling."""

    @property
    def landed(self) -> dict[Place, tuple[int, int]]:
        """Where its readouts stand."""
        ...

    @property
    def lines(self) -> set[Line]:
        """Its lines of k-space, each once."""
        ...

    @property
    def residues(self) -> Counter[int]:
        """How many of its lines stand on each remainder of step 1 by the acceleration."""
        ...


class Expectation:
    """What one frame of an encoded space must hold.

    Headers lie: a limit's maximum of 0 beside a matrix of 64 says nothing, partial Fourier may stop
    early, and what lies beyond a limit shows that the limit is wrong. Where the header is silent,
    the first frame that LAST_IN_SLICE ended without a gap is the pattern for those to come; a gap
    in it is a lost line and teaches nothing. Accelerated frames may begin at another line from one
    to the next, so there is one pattern for each beginning.

    readouts_per_frame: the protocol's word, above the header's.
    n_readouts: the most that is expected; n_lines, n_partitions, n_averages: what it is made of.
    """

    def __init__(self, encoding: Encoding, readouts_per_frame: int | None = None) -> None:
        self.encoding = encoding
        self.is_on_grid = encoding.is_on_grid
        self.readouts_per_frame = readouts_per_frame
        step_1, step_2 = encoding.kspace_encoding_step_1, encoding.kspace_encoding_step_2
        _, n_y, n_z = encoding.encoded_matrix
        has_limit = step_1 is not None and (step_1.maximum > 0 or n_y == 1)
        self.limit = step_1 if has_limit else None
        self.n_partitions = max(n_z if step_2 is None else _length(step_2), 1)
        if self.is_on_grid:
            self._refuse_beyond_the_matrix()
        self.n_averages = max(encoding.n_averages, 1)
        self.acceleration = encoding.acceleration
        self._counts: Counter[int] = Counter()
        self._patterns: dict[int, frozenset[Place]] = {}
        self._learned_count = 0
        self._settle()

    def _settle(self) -> None:
        """Work out the counts from what is believed of the header."""
        _, n_y, _ = self.encoding.encoded_matrix
        self.n_lines = n_y if self.limit is None else _length(self.limit)
        self.is_told = self.limit is not None or self.readouts_per_frame is not None
        self.n_readouts = self.n_lines * self.n_partitions * self.n_averages
        if self.readouts_per_frame is not None:
            self.n_readouts = self.readouts_per_frame
        elif self.is_on_grid and self.limit is not None:
            r_1, r_2 = self.acceleration
            first = self.limit.minimum
            for line in range(first, first + min(self.n_lines, r_1)):
                n_on = -(-(self.limit.maximum + 1 - line) // r_1)
                n_partitions = math.ceil(self.n_partitions / r_2)
                self._counts[line % r_1] = n_on * n_partitions * self.n_averages

    @property
    def capacity(self) -> int:
        """The most imaging readouts that one frame can hold."""
        _, n_y, n_z = self.encoding.encoded_matrix
        if not self.is_on_grid:
            per_line = 1 if self.is_told else _UNTOLD_PER_LINE
            return self.n_readouts * per_line
        most = max(n_y, self.n_lines) * max(n_z, self.n_partitions)
        whole = most * self.n_averages * max(self.encoding.n_segments, 1)
        return max(whole, self.readouts_per_frame or 0)

    @property
    def is_settled(self) -> bool:
        """Whether it is known what a whole frame is."""
        return self.is_told or bool(self._patterns) or self._learned_count > 0

    def is_met(self, frame: Filled) -> bool:
        """Whether everything expected has landed."""
        n_landed = len(frame.landed)
        if self.readouts_per_frame is not None:
            return n_landed >= self.readouts_per_frame
        if not self.is_on_grid:
            expected = self.n_readouts if self.is_told else self._learned_count
            return 0 < expected <= n_landed
        if self._patterns:
            pattern = self._patterns.get(self._beginning(frame))
            if pattern is not None:
                return pattern <= frame.landed.keys()
        if self._counts and self.acceleration != (1, 1):
            return self._is_lattice_whole(frame.residues)
        return len(frame.lines) >= self.n_readouts

    def line_of(self, place: Place) -> Line | None:
        """Return which line of k-space a readout is; None for an average that is not expected.

        The same line in another segment, or in averages of which the header is silent, fills no
        hole that a lost one has left.
        """
        step_1, step_2, average, _ = place
        if self.n_averages == 1:
            return step_1, step_2
        return (step_1, step_2, average) if average < self.n_averages else None

    def learn(self, frame: Filled) -> bool:
        """Take a frame that ended by itself as a pattern, unless that is known.

        Return whether the frame is whole, as far as anybody can tell.
        """
        if self.is_met(frame):
            return True
        is_accelerated = self.acceleration != (1, 1)
        if self.readouts_per_frame is not None or (self.is_told and not is_accelerated):
            return False
        if not self.is_on_grid:
            self._learned_count = self._learned_count or (0 if self.is_told else len(frame.landed))
            return self.is_met(frame)
        beginning = self._beginning(frame)
        lines = sorted({place[0] for place in frame.landed})
        gaps = (after - before for before, after in pairwise(lines))
        known = [{place[0] for place in one} for one in self._patterns.values()]
        step = self.acceleration[0]
        reaches = all(
            abs(lines[0] - min(one)) < step and abs(lines[-1] - max(one)) < step for one in known
        )
        if beginning in self._patterns or not reaches or any(gap > step for gap in gaps):
            return False
        self._patterns[beginning] = frozenset(frame.landed)
        return True

    def is_within(self, step_1: int) -> bool:
        """Whether the header's limits allow for this line."""
        limit = self.limit
        return not self.is_on_grid or limit is None or limit.minimum <= step_1 <= limit.maximum

    def grow(self) -> None:
        """Believe the limits of step 1 no longer: the whole matrix may come."""
        self.limit = None
        self._counts.clear()
        self._settle()

    def _is_lattice_whole(self, residues: Counter[int]) -> bool:
        """Whether every n-th line is there; a fully sampled frame is whole with all of them."""
        # calibration lines stand between the others, but not on more than half of a row of gaps
        begun = [one for one, n in residues.items() if 2 * n > self._counts[one]]
        return bool(begun) and all(residues[one] >= self._counts[one] for one in begun)

    def _beginning(self, frame: Filled) -> int:
        first = next(iter(frame.landed))
        return first[0] % self.acceleration[0]

    def _refuse_beyond_the_matrix(self) -> None:
        encoding = self.encoding
        limits = (encoding.kspace_encoding_step_1, encoding.kspace_encoding_step_2)
        sizes = encoding.encoded_matrix[1:]
        for step, (limit, size) in enumerate(zip(limits, sizes, strict=True), 1):
            if limit is not None and limit.maximum - limit.minimum >= size:
                raise HeaderError(
                    f"{limit.minimum} to {limit.maximum} does not fit the matrix of {size}; "
                    "the protocol's recon.encoded_matrix can set it right",
                    field=f"encoding[0].encodingLimits.kspace_encoding_step_{step}",
                )


def _length(limit: EncodingLimit) -> int:
    return limit.maximum - limit.minimum + 1
