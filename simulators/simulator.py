"""Plays a focused-ultrasound treatment, one readout at a time."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from simulators.anatomy import Anatomy
from simulators.bioheat import BioheatField
from simulators.coils import head_coils
from simulators.heating import HeatedPatch
from simulators.mrd import (
    FIRST_IN_REPETITION,
    FIRST_IN_SLICE,
    LAST_IN_MEASUREMENT,
    LAST_IN_REPETITION,
    LAST_IN_SLICE,
    NOISE_MEASUREMENT,
    acquisition_message,
)
from simulators.noise import Noise, noise_scan_scale, receiver_noise
from simulators.phantom import image
from simulators.readout import Readout
from simulators.sequence import header_xml
from simulators.treatment import Treatment
from simulators.truth import Truth

_COLDEST_C = 1e-4  # a rise below this changes no sample
_PATCH_HALF_WIDTH_MM = (18.0, 21.0)  # (x, y); the beam runs along y


class TreatmentSimulator:
    """Plays a treatment readout by readout; the caller decides when the power is on.

    The state moves with every readout, so heating within a frame blurs it. Nothing here looks at a
    clock: time is the scanner's, and the caller paces it.
    """

    def __init__(self, treatment: Treatment) -> None:
        self.treatment = treatment
        sequence = treatment.sequence
        ellipses, rad_per_c = treatment.anatomy, treatment.rad_per_c
        self._coils = head_coils(treatment.n_coils)
        self._rng = np.random.default_rng(treatment.seed)
        self._heat = BioheatField(treatment.source, treatment.tissue)
        self._anatomy = Anatomy(
            ellipses,
            self._coils,
            sequence,
            drift=treatment.drift,
            rad_per_c=rad_per_c,
            duration_s=treatment.n_frames * sequence.frame_time_s,
        )
        self._patch = HeatedPatch(
            ellipses,
            self._coils,
            sequence,
            drift=treatment.drift,
            rad_per_c=rad_per_c,
            center_mm=treatment.focus_mm,
            half_width_mm=_PATCH_HALF_WIDTH_MM,
        )
        self._patch_rise = self._heat.sampler(
            self._patch.x_mm - treatment.focus_mm[0], self._patch.y_mm - treatment.focus_mm[1]
        )
        self._truth = Truth(
            self._heat,
            sequence,
            ellipses,
            focus_mm=treatment.focus_mm,
            body_c=treatment.body_c,
            rad_per_c=rad_per_c,
        )
        self.truth = self._truth.log
        self._rate_c_per_s = treatment.rate_c_per_s
        self._noise = None if math.isinf(treatment.snr) else self._receiver_noise()
        # a second BLAS thread costs these small products 8 ms beside a busy worker
        self._one_thread = ThreadpoolController()
        self._head = sequence.head(treatment.n_coils)
        self._n_played = 0
        self._scan_counter = 0
        self._time_s = 0.0
        self._heated_s = 0.0
        self._was_stopped = False

    @property
    def time_s(self) -> float:
        """Scanner time of the last echo."""
        return self._time_s

    @property
    def next_echo_s(self) -> float:
        """Scanner time of the echo to come."""
        return self.treatment.sequence.echo_s(self._n_played)

    @property
    def is_finished(self) -> bool:
        """Whether every frame was played."""
        return self._n_played >= self.treatment.n_frames * self.treatment.sequence.matrix[1]

    @property
    def heated_s(self) -> float:
        """How long the power has been on."""
        return self._heated_s

    @property
    def wants_heat(self) -> bool:
        """Whether the plan calls for power now; a permit is still needed."""
        frame = self._n_played // self.treatment.sequence.matrix[1]
        is_due = frame >= self.treatment.n_baseline_frames
        is_over = self._was_stopped and not self.treatment.resumes
        return is_due and not is_over and self._heated_s < self.treatment.planned_heating_s - 1e-9

    def header(self) -> bytes:
        """Return the MRD header, XML."""
        return header_xml(
            self.treatment.sequence,
            n_coils=self.treatment.n_coils,
            n_frames=self.treatment.n_frames,
        )

    def noise_readouts(self) -> Iterator[Readout]:
        """Yield the noise scan that comes before the first frame; none where there is no noise."""
        sequence, n = self.treatment.sequence, self.treatment.n_noise_readouts
        if self._noise is None:
            return
        for index in range(n):
            t_s = (index - n) * sequence.sample_time_us * sequence.n_samples * 1e-6
            head = self._next_head(t_s)
            head["flags"] = NOISE_MEASUREMENT
            head["center_sample"] = 0
            head["sample_time_us"] = sequence.noise_sample_time_us
            samples = self._noise.draw(sequence.n_samples, self._rng, is_noise_scan=True)
            yield Readout(acquisition_message(head, samples), t_s, frame=-1)

    def next_readout(self, *, sonicating: bool, until_s: float = math.inf) -> Readout:
        """Play the next readout after heating, or not, since the echo before.

        until_s: scanner time at which the power goes off, should it fall into this interval.
        """
        if self.is_finished:
            raise ValueError(f"treatment has only {self.treatment.n_frames} frames")
        n_rows = self.treatment.sequence.matrix[1]
        frame, row = divmod(self._n_played, n_rows)
        with self._one_thread.limit(limits=1):
            self._advance_to(self.next_echo_s, off_s=until_s if sonicating else -math.inf)
            if row == n_rows // 2:
                self._truth.note_frame(self._time_s)
            samples = self._samples(row)
        head = self._next_head(self._time_s)
        head["idx"]["kspace_encode_step_1"] = row
        head["idx"]["repetition"] = frame
        head["flags"] = self._flags(frame, row)
        self._n_played += 1
        return Readout(
            acquisition_message(head, samples),
            self._time_s,
            frame,
            is_last_of_frame=row == n_rows - 1,
        )

    def _advance_to(self, end_s: float, *, off_s: float) -> None:
        start_s, off_s = self._time_s, min(off_s, end_s)
        treatment = self.treatment
        is_on = off_s > start_s
        if not is_on or off_s < end_s:
            self._was_stopped |= self._heated_s > 0 or is_on
        self.truth.note_power(start_s, watts=treatment.power_w if is_on else 0.0)
        if is_on:
            self._heat.advance(off_s - start_s, rate_c_per_s=self._rate_c_per_s)
            self._truth.note_state(off_s, step_s=off_s - start_s)
            self._heated_s += off_s - start_s
        if off_s < end_s:
            rest_start_s = max(off_s, start_s)
            self.truth.note_power(rest_start_s, watts=0.0)
            self._heat.advance(end_s - rest_start_s, rate_c_per_s=0.0)
            self._truth.note_state(end_s, step_s=end_s - rest_start_s)
        self._time_s = end_s

    def _samples(self, row: int) -> NDArray[np.complex64]:
        samples = self._anatomy.line(row, self._time_s)
        if self._heat.peak_c() > _COLDEST_C:
            rise_c = self._patch_rise(self._heat.in_plane())
            samples = samples + self._patch.line(row, self._time_s, rise_c=rise_c)
        if self._noise:
            samples = samples + self._noise.draw(samples.shape[1], self._rng)
        return samples

    def _next_head(self, t_s: float) -> NDArray[Any]:
        self._scan_counter += 1
        self._head["scan_counter"] = self._scan_counter
        self._head["acquisition_time_stamp"] = self.treatment.sequence.ticks(t_s)
        return self._head.copy()

    def _flags(self, frame: int, row: int) -> int:
        flags = 0
        if row == 0:
            flags |= FIRST_IN_SLICE | FIRST_IN_REPETITION
        if row == self.treatment.sequence.matrix[1] - 1:
            flags |= LAST_IN_SLICE | LAST_IN_REPETITION
            if frame == self.treatment.n_frames - 1:
                flags |= LAST_IN_MEASUREMENT
        return flags

    def _receiver_noise(self) -> Noise:
        treatment = self.treatment
        x_mm, y_mm = treatment.focus_mm
        signal = abs(complex(image(treatment.anatomy, np.array(x_mm), np.array(y_mm))))
        sequence = treatment.sequence
        return receiver_noise(
            self._coils,
            snr=treatment.snr,
            at_mm=treatment.focus_mm,
            signal=signal,
            n_averaged=sequence.n_samples * sequence.matrix[1],
            noise_scan_scale=noise_scan_scale(
                dwell_us=sequence.sample_time_us,
                noise_dwell_us=sequence.noise_sample_time_us,
                bandwidth=sequence.noise_bandwidth,
            ),
        )
