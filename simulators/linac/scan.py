"""Plays a sequence over a patient in the beam who moves from readout to readout."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulators.linac.coils import body_coils
from simulators.linac.scene import Course
from simulators.linac.truth import LinacTruth, target_truth
from simulators.mrd import PARALLEL_CALIBRATION
from simulators.noise import Noise, noise_scan_scale, receiver_noise
from simulators.physiology import Physiology
from simulators.player import Player
from simulators.readout import Readout
from simulators.sequences.base import ScanSequence
from simulators.sequences.plane import sagittal
from simulators.sequences.planned import PlannedReadout

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Samples = NDArray[np.complex64]


class LinacScan:
    """A sequence, a scene and coils. Plays once or again: the same seed gives the same bytes.

    Infinitely thin slices at the sequence's planes (one sagittal through the scene's origin where
    it names none). Each readout sees the patient as he lies at its echo; scaled as `Scan` is.

    snr: as in `Scan`, where the target lies at time 0. has_waveforms: ECG, and as the breath how
    far the target is towards the feet.
    """

    def __init__(
        self,
        sequence: ScanSequence,
        scene: Course,
        *,
        n_coils: int = 8,
        snr: float = math.inf,
        seed: int = 20260501,
        n_noise_readouts: int = 64,
        has_waveforms: bool = False,
        compression_bits: int = 0,
    ) -> None:
        if sequence.n_partitions > 1:
            raise ValueError("a moving patient is seen in slices, expected no volume")
        if not sequence.planes:
            sequence = replace(sequence, planes=(sagittal(scene.origin_mm),))
        self.sequence, self.scene, self.n_coils = sequence, scene, n_coils
        self.coils = [
            body_coils(n_coils, plane, origin_mm=scene.origin_mm) for plane in sequence.planes
        ]
        self.views = [
            scene.view(sequence, index, waves_per_mm=coils.waves_per_mm)
            for index, coils in enumerate(self.coils)
        ]
        self._seed = seed
        self._passed_center_s = cache(self._mean_center_s)
        self._noise = None if math.isinf(snr) else self._receiver_noise(snr)
        self._player = Player(
            sequence=sequence,
            n_coils=n_coils,
            noise=self._noise,
            n_noise_readouts=n_noise_readouts,
            physiology=self._physiology() if has_waveforms else None,
            compression_bits=compression_bits,
            seed=seed,
        )

    def header_xml(self) -> bytes:
        """Return the MRD header."""
        return self._player.header_xml()

    def readouts(self) -> Iterator[Readout]:
        """Yield the noise scan, then every readout in order of time."""
        yield from self._player.readouts(self.sequence.readouts(), self._disturbed)

    def with_waveforms(self, readouts: Iterable[Readout]) -> Iterator[Readout]:
        """Yield readouts with the waveforms, where there are any, between them."""
        yield from self._player.with_waveforms(readouts)

    def messages(self) -> Iterator[bytes]:
        """Yield the MRD messages of the scan, waveforms included, without header and CLOSE."""
        for readout in self.with_waveforms(self.readouts()):
            yield readout.message

    def samples(self, planned: PlannedReadout) -> Samples:
        """Return the noiseless samples (coil, sample) of a planned readout."""
        index, t_s, (dx, dy, _) = planned.counter("slice"), planned.t_s, self.sequence.voxel_mm
        factor = np.exp(1j * planned.phase_rad) / (dx * dy)
        factor *= self.scene.signal(t_s, of_target=False)
        seen = (self.coils[index].weights @ self.views[index].waves(planned)) * factor
        if self.scene.gain is not None:
            seen *= self.scene.gain.factors(t_s, self.n_coils)[:, None]
        return np.asarray(seen.astype(np.complex64))

    def sensitivity(self, x_mm: Real, y_mm: Real, *, slice_index: int = 0) -> Complex:
        """Return the coils' sensitivities (coil, …) in a slice."""
        return self.coils[slice_index].sensitivity(x_mm, y_mm)

    def slice_of(self, frame: int) -> int:
        """Return the plane that a frame shows."""
        return frame % self.sequence.n_planes

    def center_time_s(self, frame: int) -> float:
        """Return the mean scanner time of a frame's readouts that pass nearest to k = 0."""
        return self._passed_center_s(frame)

    def truth(self, frame: int) -> LinacTruth:
        """Return the target as it is when a frame's k-space centre is played."""
        return target_truth(self, self.center_time_s(frame), self.slice_of(frame))

    def truth_at(self, t_s: float, *, slice_index: int = 0) -> LinacTruth:
        """Return the target at any scanner time."""
        return target_truth(self, t_s, slice_index)

    def target_displacement_lps_mm(
        self, t_s: Real | float, *, since_s: float | None = None
    ) -> Real:
        """Return where the target is (…, 3) against since_s, by default the first frame's centre.

        Exact at any scanner time, not only at those of the readouts.
        """
        rest = self.center_time_s(0) if since_s is None else since_s
        now = self.scene.displacement_mm(np.asarray(t_s, np.float64))
        return now - self.scene.displacement_mm(np.array(rest))

    def _disturbed(self, planned: PlannedReadout) -> Samples:
        samples, times = self.samples(planned), self.scene.noise_times(planned.t_s)
        if not times or self._noise is None:
            return samples
        rng = np.random.default_rng((self._seed, round(planned.t_s * 1e6)))
        return np.asarray(samples + np.float32(times) * self._noise.draw(samples.shape[1], rng))

    def _mean_center_s(self, frame: int) -> float:
        passes = [
            (float(np.hypot.reduce(each.k_per_mm, axis=1).min()), each.t_s)
            for each in self.sequence.frame_readouts(frame, self.sequence.start_s(frame))
            if not each.flags & PARALLEL_CALIBRATION
        ]
        nearest = min(passes)[0]
        return float(np.mean([t_s for distance, t_s in passes if distance < nearest + 1e-9]))

    def _physiology(self) -> Physiology:
        end_s = self.sequence.start_s(self.sequence.n_frames)
        down_mm = -self.scene.displacement_mm(np.arange(0.0, end_s, 0.05))[:, 2]
        if np.isnan(down_mm).any():
            return Physiology(breath_s=self.scene.breath_s)
        low, span = float(down_mm.min()), max(float(np.ptp(down_mm)), 1.0)

        def drive(t_s: float) -> float:
            return (-float(self.scene.displacement_mm(np.array(t_s))[2]) - low) / span

        return Physiology(breath_s=self.scene.breath_s, drive=drive)

    def _receiver_noise(self, snr: float) -> Noise:
        sequence, (x_mm, y_mm, signal) = self.sequence, self.views[0].spot()
        nx, ny = sequence.matrix
        return receiver_noise(
            self.coils[0],
            snr=snr,
            at_mm=(x_mm, y_mm),
            signal=signal,
            n_averaged=nx * ny * sequence.oversampling,
            noise_scan_scale=noise_scan_scale(
                dwell_us=sequence.sample_time_us,
                noise_dwell_us=sequence.noise_sample_time_us,
                bandwidth=sequence.noise_bandwidth,
            ),
        )
