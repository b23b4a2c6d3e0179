"""Betters a calibration beside the stream, on a thread of its own, one at a time."""

from concurrent.futures import Future, ThreadPoolExecutor

from realtime.pipeline import Pipeline, PipelineState, Stream, take_refined, to_refine
from recon import Calibration


class Refiner:
    """Between frames it takes what is ready and begins what is next.

    is_patient: wait for it, so that a replay at full speed gives the same bits each time.
    """

    def __init__(self, pipeline: Pipeline, *, is_patient: bool) -> None:
        self._pipeline = pipeline
        self._is_patient = is_patient
        self._executor: ThreadPoolExecutor | None = None
        self._pending: tuple[Stream, Calibration, Future[Calibration]] | None = None

    def between_frames(self, state: PipelineState) -> PipelineState:
        """Return the state, with a calibration that has become ready.

        Where a refinement fails (ValueError), the slice keeps the calibration that it has.
        """
        if self._pending is None:
            self._begin(state)
        if self._pending is None:
            return state
        stream, unrefined, future = self._pending
        if not (self._is_patient or future.done()):
            return state
        self._pending = None
        try:
            refined = future.result()
        except ValueError:  # numpy.linalg.LinAlgError is one
            refined = unrefined
        return take_refined(state, stream, refined)

    def close(self) -> None:
        """Let the thread end; what it still works on is lost."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _begin(self, state: PipelineState) -> None:
        found = to_refine(self._pipeline, state)
        if found is None:
            return
        stream, calibration = found
        # threads cost little, but a session that refines nothing needs none
        self._executor = self._executor or ThreadPoolExecutor(1, "refiner")
        self._pending = (
            stream,
            calibration,
            self._executor.submit(self._pipeline.reconstructor.refine, calibration),
        )
