"""An echo train as one frame: each echo reconstructed by itself, all with one calibration."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, Image
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial, Reconstructor


@dataclass(slots=True, eq=False)
class PartialTrain(Partial):
    """An echo train half reconstructed: a partial frame of the same method for each echo."""

    echoes: tuple[Partial, ...]


class EchoTrain:
    """A method for frames that hold `n_echoes` echoes, told apart by their contrast.

    Coil maps and kernels come from the first echo, which has the most signal, and serve all: the
    phase between the echoes stays as it was measured. The image is that of the first echo; its
    `echoes` holds all.
    """

    def __init__(self, reconstructor: Reconstructor, n_echoes: int) -> None:
        if n_echoes < 1:
            raise ValueError(f"n_echoes is {n_echoes}, expected 1 or more")
        self._one = reconstructor
        self.n_echoes = n_echoes

    @property
    def plan(self) -> ReconstructionPlan:
        """The geometry it works for, the same for each echo."""
        return self._one.plan

    def start(
        self, calibration: Calibration | None = None, recycled: Partial | None = None
    ) -> PartialTrain:
        """Return an empty train, in the buffers of a used-up one where that is given."""
        used = (None,) * self.n_echoes if recycled is None else self._train(recycled).echoes
        return PartialTrain(0, tuple(self._one.start(calibration, one) for one in used))

    def absorb(
        self,
        partial: Partial,
        readouts: NDArray[Any],
        samples: NDArray[np.complex64],
        trajectory: NDArray[np.float32] | None = None,
    ) -> PartialTrain:
        """Return the train with more readouts in it, each in its own echo.

        Raises ValueError for a contrast that the train does not have.
        """
        train = self._train(partial)
        echoes = list(train.echoes)
        for contrast, rows in self._sorted(readouts):
            echoes[contrast] = self._one.absorb(
                echoes[contrast],
                readouts[rows],
                samples[rows],
                None if trajectory is None else trajectory[rows],
            )
        return PartialTrain(train.n_readouts + len(readouts), tuple(echoes))

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return what the first echo teaches."""
        first = self._echo_frames(frame)[0]
        return self._one.calibrate(self._train(partial).echoes[0], first, calibration)

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the first echo's image with all of them in `echoes`; complete where all are."""
        echoes, frames = self._train(partial).echoes, self._echo_frames(frame)
        images = tuple(
            self._one.finish(echo, one, calibration)
            for echo, one in zip(echoes, frames, strict=True)
        )
        is_complete = all(image.is_complete for image in images)
        return replace(images[0], echoes=images, is_complete=is_complete)

    def refine(self, calibration: Calibration) -> Calibration:
        """Return a better calibration, as the method makes it."""
        return self._one.refine(calibration)

    def operator(
        self, calibration: Calibration | None = None, sampled: Partial | None = None
    ) -> sigpy.linop.Linop:
        """Return the forward model of one echo; `sampled` is a train, whose first echo counts."""
        first = None if sampled is None else self._train(sampled).echoes[0]
        return self._one.operator(calibration, first)

    def _train(self, partial: Partial) -> PartialTrain:
        if not isinstance(partial, PartialTrain) or len(partial.echoes) != self.n_echoes:
            raise TypeError(f"{type(partial).__name__} is no partial train of {self.n_echoes}")
        return partial

    def _sorted(self, readouts: NDArray[Any]) -> Iterator[tuple[int, slice | NDArray[np.intp]]]:
        """Yield each contrast among the readouts, and where its rows are."""
        contrasts = readouts["contrast"]
        present = sorted(set(contrasts.tolist()))
        if present and not 0 <= present[0] <= present[-1] < self.n_echoes:
            wrong = present[0] if present[0] < 0 else present[-1]
            raise ValueError(f"contrast {wrong} of a train of {self.n_echoes} echoes")
        for contrast in present:
            yield contrast, _evenly(np.flatnonzero(contrasts == contrast))

    def _echo_frames(self, frame: Frame) -> list[Frame]:
        """Return the frame of each echo alone, whose contrast is the echo's."""
        found: dict[int, slice | NDArray[np.intp]] = dict(self._sorted(frame.readouts))
        frames = []
        for contrast in range(self.n_echoes):
            rows = found.get(contrast, slice(0, 0))
            frames.append(
                replace(
                    frame,
                    key=replace(frame.key, contrast=contrast),
                    readouts=frame.readouts[rows],
                    samples=frame.samples[rows],
                    trajectory=None if frame.trajectory is None else frame.trajectory[rows],
                )
            )
        return frames


def _evenly(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return rows that lie evenly as a slice: a view of the samples instead of a copy."""
    step = int(rows[1] - rows[0]) if rows.size > 1 else 1
    if np.all(np.diff(rows) == step):
        return slice(int(rows[0]), int(rows[-1]) + 1, step)
    return rows
