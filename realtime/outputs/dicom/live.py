"""Chooses among the frames of running treatments those that become DICOM."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np

from messages import Maps, RunStart, RunStop
from messages.codec import Noun
from realtime.outputs.dicom.choice import Choice
from realtime.outputs.dicom.delivery import Delivery
from realtime.outputs.dicom.frame import frame_instances
from realtime.outputs.dicom.study import Study, study_of


@dataclass(slots=True)
class _Run:
    study: Study
    choice: Choice[Maps] = field(repr=False)


class Live:
    """Hears runs and hands their chosen frames to the deliveries.

    Everything belongs to a pseudonym of the run: a monitor serves many patients, and a name that
    it was given at its start would stand on all of them.
    """

    def __init__(self, deliveries: Sequence[Delivery], *, every: int) -> None:
        self._deliveries, self._every = deliveries, every
        self._runs: dict[str, _Run] = {}
        self.n_strange = 0
        """Frames of runs whose start was not heard: of whom, and when, cannot be said."""

    def hear(self, noun: Noun) -> None:
        """Take an event; those that are no pictures and no ends of a run are passed over."""
        if isinstance(noun, RunStart):
            self._runs[noun.run_id] = _Run(study_of(noun), Choice(self._every))
        elif isinstance(noun, RunStop):
            self._end(noun.run_id)
        elif isinstance(noun, Maps):
            run = self._runs.get(noun.run_id)
            if run is None:
                self.n_strange += 1
            elif run.choice.take((noun.key.slice, noun.key.contrast), noun):
                self._send(noun, run.study)

    def end(self) -> None:
        """Take every run as over: the monitor is ending."""
        for run_id in list(self._runs):
            self._end(run_id)

    def _end(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            for maps in run.choice.rest():
                self._send(maps, run.study)

    def _send(self, maps: Maps, study: Study) -> None:
        make, n_bytes = partial(frame_instances, maps, study), _bytes_of(maps)
        for one in self._deliveries:
            one.submit(study.start.run_id, make, n_bytes=n_bytes)


def _bytes_of(maps: Maps) -> int:
    arrays = (getattr(maps, one.name) for one in fields(maps))
    return sum(one.nbytes for one in arrays if isinstance(one, np.ndarray))
