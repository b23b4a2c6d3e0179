"""Plays a sequence over tissue that breathes, warms, drifts and holds fat, as MRD messages."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.coils import head_coils
from simulators.mrd import PARALLEL_CALIBRATION, PHASE_CORRECTION
from simulators.noise import Noise, noise_scan_scale, receiver_noise
from simulators.phantom import image
from simulators.physiology import Physiology
from simulators.player import Player
from simulators.readout import Readout
from simulators.sequences.base import ScanSequence
from simulators.sequences.planned import PlannedReadout
from simulators.tissue.fat import fat_signal
from simulators.tissue.filled import Filled
from simulators.tissue.forward import Sums
from simulators.tissue.heated_box import HeatedBox
from simulators.tissue.points import Moment, Points
from simulators.tissue.tissue import Species, Tissue
from simulators.tissue.truth import Pixels, TissueTruth, point_truth

Real = NDArray[np.floating[Any]]
Map = NDArray[np.float32]
Complex = NDArray[np.complexfloating[Any, Any]]

_STEP_PX = 0.3719  # of the image's pixels; incommensurate
_COARSEST_MM = 0.75


class TissueScan:
    """A sequence, tissue and coils. Plays once or again: the same seed gives the same bytes.

    Everything that precesses does so during the readout too: fat and off-resonance are displaced
    along it, and along an echo train. Within one readout tissue stands still, and what heat does to
    T2* counts from its middle. Scaled as `Scan` is.

    snr: as in `Scan`, of the still tissue's water and fat together at snr_at_mm.
    pause_s: scanner time that passes between frames without being played.
    flip_deg: of a frame; None takes the ellipses' weights as they are, else each species' steady
        state multiplies them.
    """

    def __init__(
        self,
        sequence: ScanSequence,
        tissue: Tissue,
        *,
        n_coils: int = 8,
        snr: float = math.inf,
        snr_at_mm: tuple[float, float] = (0.0, 0.0),
        seed: int = 20260501,
        pause_s: float = 0.0,
        flip_deg: Callable[[int], float] | None = None,
        n_noise_readouts: int = 64,
        physiology: Physiology | None = None,
        compression_bits: int = 0,
    ) -> None:
        if sequence.n_partitions > 1 or len(sequence.slices_z_mm) > 1:
            raise ValueError("tissue is one slice, expected a sequence of one slice")
        self.sequence, self.tissue = sequence, tissue
        self._coils, self._pause_s, self._flip_deg = head_coils(n_coils), pause_s, flip_deg
        self.box = _box(tissue)
        step_mm = tuple(map(_step_mm, sequence.voxel_mm[:2]))
        self.points = [
            Points(
                part,
                tissue,
                step_mm=step_mm,  # type: ignore[arg-type]
                h1_frequency_hz=sequence.h1_frequency_hz,
                box=self.box,
            )
            for part in tissue.parts
        ]
        self._sums = [Sums(self._coils, points.x_mm) for points in self.points]
        self._player = Player(
            sequence=sequence,
            n_coils=n_coils,
            noise=None if math.isinf(snr) else self._receiver_noise(snr, snr_at_mm),
            n_noise_readouts=n_noise_readouts,
            physiology=physiology,
            compression_bits=compression_bits,
            seed=seed,
        )

    @property
    def n_coils(self) -> int:
        """Number of coils."""
        return self._coils.n_coils

    def header_xml(self) -> bytes:
        """Return the MRD header."""
        return self._player.header_xml()

    def readouts(self) -> Iterator[Readout]:
        """Yield the noise scan, then every readout in order of time."""
        yield from self._player.readouts(map(self._paused, self.sequence.readouts()), self.samples)

    def with_waveforms(self, readouts: Iterable[Readout]) -> Iterator[Readout]:
        """Yield readouts with the waveforms, where there are any, between them."""
        yield from self._player.with_waveforms(readouts)

    def messages(self) -> Iterator[bytes]:
        """Yield the MRD messages of the scan, waveforms included, without header and CLOSE."""
        for readout in self.with_waveforms(self.readouts()):
            yield readout.message

    def samples(self, planned: PlannedReadout) -> Complex:
        """Return the noiseless samples (coil, sample) of a readout at its own time t_s."""
        times_s = self._times_s(planned)
        total = np.zeros((self.n_coils, times_s.size), np.complex64)
        for points, sums in zip(self.points, self._sums, strict=True):
            moment, weights = points.at_time(planned.t_s), points.weights(planned.k_per_mm)
            tissue, hertz = self.tissue, self.sequence.h1_frequency_hz
            for filled, species, is_fat in (
                (points.filled_water, tissue.water, False),
                (points.filled_fat, tissue.fat, True),
            ):
                if filled is None:
                    continue
                value = self._species(filled, species, points, sums, moment, planned)
                if is_fat:
                    sign = tissue.phase_sign
                    value = value * fat_signal(times_s, h1_frequency_hz=hertz, sign=sign)
                total += value * weights.astype(np.float32)
        dx, dy, _ = self.sequence.voxel_mm
        return np.asarray((total * (np.exp(1j * planned.phase_rad) / (dx * dy))).astype("c8"))

    def center_time_s(self, frame: int, *, contrast: int = 0) -> float:
        """Return the mean scanner time of a frame's imaging readouts that pass the centre."""
        passes = [
            (float(np.hypot.reduce(each.k_per_mm, axis=1).min()), self._paused(each).t_s)
            for each in self.sequence.frame_readouts(frame, self.sequence.start_s(frame))
            if each.counter("contrast") == contrast
            and not each.flags & (PHASE_CORRECTION | PARALLEL_CALIBRATION)
        ]
        nearest = min(passes)[0]
        return float(np.mean([t_s for distance, t_s in passes if distance < nearest + 1e-9]))

    def truth(self, x_mm: Real, y_mm: Real, *, frame: int, contrast: int = 0) -> TissueTruth:
        """Return the tissue at points of space when a frame's k-space centre is played."""
        t_s = self.center_time_s(frame, contrast=contrast)
        return point_truth(
            self.tissue,
            x_mm,
            y_mm,
            t_s=t_s,
            frame=frame,
            h1_frequency_hz=self.sequence.h1_frequency_hz,
            rise_c=lambda x, y: self._rise_c(x, y, t_s),
        )

    def seen_rise_c(self, frame: int, *, contrast: int = 0) -> Real:
        """Return the rise (y, x) of water that the acquired extent of k-space shows on the pixels.

        docs/decisions/0008: the phase of an unfiltered inverse FFT of water as it is at the frame's
        k-space centre, against the same without heat; NaN where there is no water. Shifts along
        the readout and an echo train are not in it.
        """
        warm, cold, voxel_c = self._seen_water(frame, contrast)
        own_hz = self.tissue.water.alpha_ppm_per_c * 1e-6 * self.sequence.h1_frequency_hz
        cycles_per_c = self.tissue.phase_sign * own_hz * self.sequence.echo_times_s[contrast]
        wrapped = np.angle(warm * cold.conj()) / (2 * math.pi)
        turns = np.round(voxel_c * cycles_per_c - wrapped)
        return np.where(np.isnan(voxel_c), np.nan, (wrapped + np.nan_to_num(turns)) / cycles_per_c)

    def voxel_rise_c(self, frame: int, *, contrast: int = 0) -> Real:
        """Return the rise (y, x) averaged over each pixel's box, weighted by water; NaN outside."""
        return self._seen_water(frame, contrast)[2]

    def voxel_fat_fraction(self, frame: int, *, contrast: int = 0) -> Real:
        """Return the fat fraction (y, x) of each pixel's box, decay apart; NaN outside."""
        t_s = self.center_time_s(frame, contrast=contrast)
        nx, ny = self.sequence.matrix
        fats, amounts = np.zeros((ny, nx)), np.zeros((ny, nx))
        pixels = Pixels(self.sequence.matrix, self.sequence.fov_mm)
        for points in self.points:
            moment = points.at_time(t_s, exactly=True)
            for grid, is_fat in ((points.water, 0.0), (points.fat, 1.0)):
                if grid is not None:
                    amount = pixels.averaged(abs(grid), points, moment)
                    fats, amounts = fats + is_fat * amount, amounts + amount
        empty = np.full((ny, nx), np.nan)
        return np.asarray(np.divide(fats, amounts, out=empty, where=amounts > 0.05))

    def _seen_water(self, frame: int, contrast: int) -> tuple[Complex, Complex, Real]:
        """Return images of warm and of cold water, and the rise averaged over the pixels."""
        t_s = self.center_time_s(frame, contrast=contrast)
        echo_s = self.sequence.echo_times_s[contrast]
        nx, ny = self.sequence.matrix
        warm, cold = np.zeros((ny, nx), np.complex128), np.zeros((ny, nx), np.complex128)
        rises, amounts = np.zeros((ny, nx)), np.zeros((ny, nx))
        pixels = Pixels(self.sequence.matrix, self.sequence.fov_mm)
        for points in self.points:
            if points.water is None:
                continue
            moment = points.at_time(t_s, exactly=True)
            hz, factor = self.precession(self.tissue.water, points, moment, frame)
            sign = np.float32(self.tissue.phase_sign * echo_s)
            still = points.water * _turn(moment.hz * sign)
            turned = points.water * _turn(hz * sign)
            rise_c = np.zeros(points.water.shape, np.float32)
            if moment.rise_c is not None and factor is not None:
                turned[points.at] *= factor(echo_s)
                rise_c[points.at] = moment.rise_c
            warm += pixels.seen(turned, points, moment)
            cold += pixels.seen(still, points, moment)
            amount = abs(points.water)
            rises += pixels.averaged(amount * rise_c, points, moment)
            amounts += pixels.averaged(amount, points, moment)
        empty = np.full((ny, nx), np.nan)
        return warm, cold, np.divide(rises, amounts, out=empty, where=amounts > 0.05)

    def _rise_c(self, x_mm: Real, y_mm: Real, t_s: float) -> Real:
        if self.box is None:
            return np.zeros(x_mm.shape)
        return self.box.rise_c(x_mm, y_mm, t_s=t_s)

    def _species(
        self,
        filled: Filled,
        species: Species,
        points: Points,
        sums: Sums,
        moment: Moment,
        planned: PlannedReadout,
    ) -> Complex:
        times_s = self._times_s(planned)
        middle_s = float(times_s[planned.center_sample])
        hz, factor = self.precession(species, points, moment, planned.frame)
        hz = filled.of(hz)
        offset = float(hz.mean()) if hz.size else 0.0
        cycles = hz * np.float32(self.tissue.phase_sign * middle_s)
        if self.tissue.push is not None:
            cycles = cycles + filled.of(self._pushed_cycles(points, planned))
        seen = filled.values * _turn(cycles)
        if factor is not None:
            inside, of_box = points.in_box(filled)
            seen[inside] *= np.take(factor(middle_s).ravel(), of_box)
        since_s = self.tissue.phase_sign * (times_s - middle_s)
        value = sums.samples(
            filled,
            seen,
            hz - np.float32(offset),
            y_mm=moment.y_mm,
            across_mm=moment.across_mm,
            k_per_mm=planned.k_per_mm,
            cycles=since_s,
        )
        decay = np.exp(-times_s / species.t2_star_s) * self._steady(species, planned.frame)
        return np.asarray(value * (np.exp(2j * np.pi * offset * since_s) * decay).astype("c8"))

    def precession(
        self, species: Species, points: Points, moment: Moment, frame: int
    ) -> tuple[Map, Callable[[float], Map] | None]:
        """Return off-resonance (y, x) with heat's own, and heat's factor in the box `at` an echo.

        The factor is relative to tissue at rest; None where nothing is warm.
        """
        rise_c = moment.rise_c
        if rise_c is None:
            return moment.hz, None
        hz = moment.hz.copy()
        own = species.alpha_ppm_per_c * 1e-6 * self.sequence.h1_frequency_hz
        hz[points.at] += np.float32(own) * rise_c
        faster = (species.decay_per_s(rise_c) - 1 / species.t2_star_s).astype(np.float32)
        signal = species.magnitude(rise_c)
        if self._flip_deg is not None:
            rest, warm = (
                species.spoiled(
                    rise,
                    flip_rad=math.radians(self._flip_deg(frame)),
                    repetition_time_s=self.sequence.repetition_time_s,
                )
                for rise in (np.zeros(()), rise_c)
            )
            signal = signal * warm / rest
        magnitude = signal.astype(np.float32)
        return hz, lambda time_s: magnitude * np.exp(-np.float32(time_s) * faster)

    def _steady(self, species: Species, frame: int) -> float:
        if self._flip_deg is None:
            return 1.0
        return float(
            species.spoiled(
                np.zeros(()),
                flip_rad=math.radians(self._flip_deg(frame)),
                repetition_time_s=self.sequence.repetition_time_s,
            )
        )

    def _pushed_cycles(self, points: Points, planned: PlannedReadout) -> Map:
        push = self.tissue.push
        if push is None or not push.is_on(planned.frame):
            return np.zeros((points.y_mm.size, points.x_mm.size), np.float32)
        sign = -1 if planned.counter("set") % 2 else 1
        x, y = points.x_mm[None], points.y_mm[:, None]
        displaced_um = push.displacement_um(x, y, frame=planned.frame)
        turns = sign * self.tissue.phase_sign * push.rad_per_um / (2 * math.pi)
        return (turns * displaced_um).astype(np.float32)

    def _times_s(self, planned: PlannedReadout) -> Real:
        """Time of each sample since the excitation."""
        since_s, n = planned.since_excitation_s, len(planned.k_per_mm)
        if isinstance(since_s, np.ndarray):
            return since_s
        dwell_s = self.sequence.sample_time_us * 1e-6
        return since_s + (np.arange(n) - planned.center_sample) * dwell_s

    def _paused(self, planned: PlannedReadout) -> PlannedReadout:
        wait_s = planned.frame * self._pause_s
        stamp_s = None if planned.stamp_s is None else planned.stamp_s + wait_s
        return replace(planned, t_s=planned.t_s + wait_s, stamp_s=stamp_s)

    def _receiver_noise(self, snr: float, at_mm: tuple[float, float]) -> Noise:
        sequence, x, y = self.sequence, np.array(at_mm[0]), np.array(at_mm[1])
        signal = sum(
            abs(complex(image(ellipses, x, y)))
            for part in self.tissue.parts
            for ellipses in (part.water, part.fat)
        )
        if signal == 0:
            raise ValueError(f"snr_at_mm {at_mm}: there is no tissue, expected a point within it")
        nx, ny = sequence.matrix
        return receiver_noise(
            self._coils,
            snr=snr,
            at_mm=at_mm,
            signal=signal,
            n_averaged=nx * ny * sequence.oversampling,
            noise_scan_scale=noise_scan_scale(
                dwell_us=sequence.sample_time_us,
                noise_dwell_us=sequence.noise_sample_time_us,
                bandwidth=sequence.noise_bandwidth,
            ),
        )


def _box(tissue: Tissue) -> HeatedBox | None:
    if tissue.heat is None:
        return None
    warm_fat = tissue.warm_fat if tissue.fat_chi_ppm_per_c else None
    return HeatedBox(tissue.heat, moved=tissue.moved, warm_fat=warm_fat)


def _step_mm(pixel_mm: float) -> float:
    step_mm = pixel_mm * _STEP_PX
    while step_mm > _COARSEST_MM:
        step_mm /= math.sqrt(2)
    return step_mm


def _turn(cycles: Map) -> Complex:
    angle = cycles * np.float32(2 * math.pi)
    turn = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=turn.real)  # twice as fast as a complex exponential
    np.sin(angle, out=turn.imag)
    return turn
