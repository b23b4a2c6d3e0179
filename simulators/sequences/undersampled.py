"""Whole frames first, then frames that leave lines out and are never filled."""

from dataclasses import dataclass

from simulators.sequences.cartesian import Cartesian, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Undersampled(Cartesian):
    """A gradient echo that plays every line at first, then every n-th.

    n_whole_frames: so many of the first frames hold every line. acceleration: of the later ones;
        the centre line is one of them.
    moves: the lines move by one from frame to frame.
    n_central_lines: about the centre of k-space, played in every frame whatever the acceleration.
    """

    n_whole_frames: int = 3
    moves: bool = False
    n_central_lines: int = 0

    def check(self) -> None:
        """Raise ValueError where the parameters contradict each other."""
        if self.calibration != "none":
            raise ValueError(f"calibration {self.calibration!r}: the whole frames calibrate")

    @property
    def parallel(self) -> tuple[int, int, str] | None:
        """Acceleration along both phase encodings and how the coils are calibrated."""
        return self.acceleration, 1, "other"

    def _lines(self, frame: int) -> list[Line]:
        center = self.matrix[1] // 2
        moved = frame if self.moves else 0
        step = 1 if frame < self.n_whole_frames else self.acceleration
        first_central = center - self.n_central_lines // 2
        central = range(first_central, first_central + self.n_central_lines)
        rows = range(self.first_row, self.matrix[1])
        played = [Line(row) for row in rows if (row - center - moved) % step == 0 or row in central]
        return self._in_segments(played)
