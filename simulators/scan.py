"""Plays a sequence over a patient as MRD messages, each sample from closed form."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.coils import head_coils
from simulators.ellipsoids import Ellipsoid, cut, ellipsoid_samples
from simulators.mrd import PARALLEL_CALIBRATION, PHASE_CORRECTION
from simulators.noise import Noise, noise_scan_scale, receiver_noise
from simulators.patient import Patient
from simulators.phantom import image
from simulators.physiology import Physiology
from simulators.player import Player
from simulators.points import coil_samples, ellipse_samples
from simulators.readout import Readout
from simulators.sequences.base import ScanSequence
from simulators.sequences.planned import PlannedReadout
from simulators.spot import SpotPatch

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_REMEMBERED = 2048  # readouts; Cartesian and EPI frames repeat their positions


class Scan:
    """A sequence, a patient and coils. Plays once or again: the same seed gives the same bytes.

    Scaled so that on a full grid the plain inverse FFT gives the object's own values; anywhere
    else a sample is ∫ object · coil · exp(-2πi k·r) dr divided by the voxel's size.

    snr: |signal| / std of the noise's real part at the isocentre, optimally combined, when a full
        grid with the readout's oversampling is averaged; infinite for no noise and no noise scan.
    slices: the ellipses of each slice.
    physiology: waveforms to send between the readouts. compression_bits: pack the samples of every
        readout into so few bits; 0 sends them whole.
    """

    def __init__(
        self,
        sequence: ScanSequence,
        *,
        patient: Patient | None = None,
        n_coils: int = 8,
        snr: float = math.inf,
        n_noise_readouts: int = 64,
        physiology: Physiology | None = None,
        compression_bits: int = 0,
        seed: int = 20260501,
    ) -> None:
        self.sequence = sequence
        self.patient = patient or Patient()
        self._coils = head_coils(n_coils)
        self._is_volume = sequence.n_partitions > 1
        if self._is_volume:
            self._solids = _solids(self.patient)
        self.slices = [cut(self.patient.bodies, z_mm) for z_mm in sequence.slices_z_mm]
        self._patches = self._heated_patches()
        self._still = lru_cache(maxsize=_REMEMBERED)(self._still_samples)
        self._player = Player(
            sequence=sequence,
            n_coils=n_coils,
            noise=None if math.isinf(snr) else self._receiver_noise(snr),
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
        yield from self._player.readouts(self.sequence.readouts(), self.samples)

    def with_waveforms(self, readouts: Iterable[Readout]) -> Iterator[Readout]:
        """Yield readouts with the waveforms, where there are any, between them."""
        yield from self._player.with_waveforms(readouts)

    def messages(self) -> Iterator[bytes]:
        """Yield the MRD messages of the scan, waveforms included, without header and CLOSE."""
        for readout in self.with_waveforms(self.readouts()):
            yield readout.message

    def samples(self, planned: PlannedReadout) -> NDArray[np.complex64]:
        """Return the noiseless samples (coil, sample) of a planned readout."""
        field, since_s = self.patient.field, planned.since_excitation_s
        k_per_mm = field.shifted(planned.k_per_mm, since_s)
        index = planned.counter("slice")
        value = self._still(k_per_mm.tobytes(), index)
        if self._patches:
            peak_rad = self._peak_rad(planned)
            if peak_rad:
                value = value + self._patches[index].samples(k_per_mm, peak_rad=peak_rad)
        turn = field.turn(since_s, t_s=planned.t_s) * np.exp(1j * planned.phase_rad)
        factor = turn * (self._decay(planned.echo_time_s) / self._voxel_size)
        return np.asarray((value * factor).astype(np.complex64))

    def center_time_s(self, frame: int, *, slice_index: int = 0, contrast: int = 0) -> float:
        """Return the mean scanner time of a frame's imaging readouts that pass the centre.

        One line of a grid or an echo train, every spoke, every arm of a spiral.
        """
        passes = [
            (float(np.hypot.reduce(each.k_per_mm, axis=1).min()), each.t_s)
            for each in self.sequence.frame_readouts(frame, self.sequence.start_s(frame))
            if (each.counter("slice"), each.counter("contrast")) == (slice_index, contrast)
            and not each.flags & (PHASE_CORRECTION | PARALLEL_CALIBRATION)
        ]
        nearest = min(passes)[0]
        return float(np.mean([t_s for distance, t_s in passes if distance < nearest + 1e-9]))

    def truth(
        self,
        x_mm: Real,
        y_mm: Real,
        z_mm: float | None = None,
        *,
        frame: int = 0,
        slice_index: int = 0,
        contrast: int = 0,
    ) -> Complex:
        """Return the object at points that broadcast, as it is when a frame's centre is played.

        z_mm: of a volume; slices lie where the sequence puts them. Decay, field and heat are
        those of the echo time; what trajectories and undersampling make of it is not in here.
        """
        echo_time_s = self.sequence.echo_times_s[contrast]
        t_s = self.center_time_s(frame, slice_index=slice_index, contrast=contrast)
        ellipses = self.slices[slice_index] if z_mm is None else cut(self.patient.bodies, z_mm)
        turn = self.patient.field.image_turn(x_mm, y_mm, echo_time_s=echo_time_s, t_s=t_s)
        value = image(ellipses, x_mm, y_mm) * turn * self._decay(echo_time_s)
        rad_per_c = self._rad_per_c(echo_time_s)
        heat = np.exp(1j * rad_per_c * self.rise_c(x_mm, y_mm, frame=frame, t_s=t_s))
        return np.asarray(value * heat)

    def coil_image(self, x_mm: Real, y_mm: Real, z_mm: float | None = None, **of: int) -> Complex:
        """Return what each coil sees (coil, …) of `truth`, whose other arguments it takes."""
        return np.asarray(self._coils.sensitivity(x_mm, y_mm) * self.truth(x_mm, y_mm, z_mm, **of))

    def sensitivity(self, x_mm: Real, y_mm: Real) -> Complex:
        """Return the coils' sensitivities (coil, …); they do not change along z."""
        return self._coils.sensitivity(x_mm, y_mm)

    def rise_c(self, x_mm: Real, y_mm: Real, *, frame: int, t_s: float | None = None) -> Real:
        """Return the rise of temperature, by default when the frame's centre is played."""
        rise = self.patient.rise
        if rise is None:
            return np.zeros(np.broadcast_shapes(x_mm.shape, y_mm.shape))
        at_s = self.center_time_s(frame) if t_s is None else t_s
        return rise.peak_c(frame, at_s) * rise.shape(x_mm, y_mm)

    @property
    def _voxel_size(self) -> float:
        dx, dy, dz = self.sequence.voxel_mm
        return dx * dy * dz if self._is_volume else dx * dy

    def _still_samples(self, k_bytes: bytes, slice_index: int) -> NDArray[np.complex64]:
        k_per_mm = np.frombuffer(k_bytes, np.float64).reshape(-1, 3)

        def of_object(at: Real) -> Complex:
            if self._is_volume:
                return ellipsoid_samples(self._solids, at)
            return ellipse_samples(self.slices[slice_index], at)

        return coil_samples(self._coils, of_object, k_per_mm).astype(np.complex64)

    def _heated_patches(self) -> list[SpotPatch]:
        rise = self.patient.rise
        if rise is None:
            return []
        if self._is_volume:
            raise ValueError("heat is simulated in slices, not in a volume")
        return [SpotPatch(rise, ellipses, self._coils) for ellipses in self.slices]

    def _peak_rad(self, planned: PlannedReadout) -> float:
        rise, time_s = self.patient.rise, planned.echo_time_s
        if rise is None:
            return 0.0
        if rise.evolves:
            time_s = float(np.mean(planned.since_excitation_s))
        return rise.peak_c(planned.frame, planned.t_s) * self._rad_per_c(time_s)

    def _rad_per_c(self, echo_time_s: float) -> float:
        frequency_hz = self.sequence.h1_frequency_hz
        return self.patient.rad_per_c(h1_frequency_hz=frequency_hz, echo_time_s=echo_time_s)

    def _decay(self, echo_time_s: float) -> float:
        return math.exp(-echo_time_s / self.patient.t2_star_s)

    def _receiver_noise(self, snr: float) -> Noise:
        sequence, origin = self.sequence, np.zeros(())
        signal = abs(complex(image(cut(self.patient.bodies, 0.0), origin, origin)))
        nx, ny = sequence.matrix
        return receiver_noise(
            self._coils,
            snr=snr,
            at_mm=(0.0, 0.0),
            signal=signal,
            n_averaged=nx * ny * sequence.oversampling * sequence.n_partitions,
            noise_scan_scale=noise_scan_scale(
                dwell_us=sequence.sample_time_us,
                noise_dwell_us=sequence.noise_sample_time_us,
                bandwidth=sequence.noise_bandwidth,
            ),
        )


def _solids(patient: Patient) -> list[Ellipsoid]:
    solids = [body for body in patient.bodies if isinstance(body, Ellipsoid)]
    if len(solids) < len(patient.bodies):
        raise ValueError("a volume needs ellipsoids, not ellipses")
    return solids
