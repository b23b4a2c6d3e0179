"""Heatings whose sources are of no model's family, as a slow scanner would see them.

The truth is `simulators.bioheat`: sums of displaced Gaussian sources make flat tops, lobes, cones
and scattered spots, in tissues other than the monitor's. Each pixel is averaged over its box. A
frame takes each line of k-space from the heat of its moment, or is the mean over its duration.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from messages import FrameKey, PowerLog, TemperatureMap
from simulators.bioheat import BioheatField, GaussianSource, Tissue

Real = NDArray[np.float64]

N_PX, PIXEL_MM, SLICE_MM = 26, 1.3, 3.0
BODY_C = 37.0
STEP_S = 0.2
RAN_S = 84.0
WATTS = 40.0
BASELINE_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Lobe:
    """A Gaussian part of a source: fwhm (x, y, z) and centre (x, y) in mm, and its rate."""

    fwhm_mm: tuple[float, float, float]
    at_mm: tuple[float, float] = (0.0, 0.0)
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Heating:
    """A heating: the source's lobes, the tissue, for how long, and to which rise of the peak."""

    name: str
    lobes: tuple[Lobe, ...]
    tissue: Tissue
    on_s: float
    rise_c: float


_HEXAGON = [(2.0 * np.cos(a), 2.0 * np.sin(a)) for a in np.arange(6) * np.pi / 3]
HEATINGS = (
    Heating(
        "flat top",
        tuple(Lobe((2.4, 2.4, 6.0), at) for at in [(0.0, 0.0), *_HEXAGON]),
        Tissue(0.125, 0.004),
        16.0,
        19.0,
    ),
    Heating(
        "two lobes",
        (Lobe((2.6, 3.4, 7.0), (-1.7, 0.4)), Lobe((2.4, 2.8, 5.0), (2.1, -0.7), 0.75)),
        Tissue(0.145, 0.012),
        14.0,
        20.0,
    ),
    Heating(
        "beam cone",
        tuple(
            Lobe((2.2 + 0.5 * n, 4.0, 2.2 + 0.5 * n), (0.2 * n, 1.9 * n), 1 / (1 + 0.45 * n))
            for n in range(5)
        ),
        Tissue(0.134, 0.0),
        18.0,
        18.0,
    ),
    Heating(
        "four spots",
        tuple(Lobe((2.4, 2.4, 5.0), (x, y)) for x in (-2.3, 2.3) for y in (-2.3, 2.3)),
        Tissue(0.115, 0.018),
        20.0,
        19.0,
    ),
    Heating(
        "spike on a halo",
        (Lobe((2.2, 2.2, 7.0)), Lobe((9.0, 7.0, 12.0), (1.5, 1.0), 0.35)),
        Tissue(0.155, 0.009),
        12.0,
        18.5,
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened: time_s (step,), from the power's start; rise_c (step, y, x) of the voxels.

    tissue: as the monitor is told. steps: of the power, (from when on in s, watts).
    """

    name: str
    tissue: str
    steps: tuple[tuple[float, float], ...]
    time_s: Real
    rise_c: NDArray[np.float32]

    @property
    def off_s(self) -> float:
        """When the power ended."""
        return self.steps[-1][0]

    def mean_c(self, start_s: float, end_s: float) -> Real:
        """Return the mean rise (y, x) between two times; 0 before the power's start."""
        inside = (self.time_s >= start_s) & (self.time_s < end_s)
        return np.asarray(self.rise_c[inside].sum(0) * (STEP_S / (end_s - start_s)), np.float64)

    def encoded_c(self, start_s: float, end_s: float) -> Real:
        """Return what a Cartesian frame shows: each line of k-space from the heat of its moment."""
        lines_s = start_s + (np.arange(N_PX) + 0.5) / N_PX * (end_s - start_s)
        step = np.clip(np.round(lines_s / STEP_S).astype(int), 0, self.time_s.size - 1)
        spectra = np.fft.fftshift(np.fft.fft(self.rise_c[step], axis=1), axes=1)
        lines = spectra[np.arange(N_PX), np.arange(N_PX)] * (lines_s >= 0)[:, None]
        # a heat that grows turns no phase in a conjugate pair: the imaginary part is the encoding's
        return np.asarray(np.fft.ifft(np.fft.ifftshift(lines, axes=0), axis=0).real)

    def dose(self, until_s: float = np.inf) -> Real:
        """Return CEM43 (y, x) until a time, minutes."""
        temperature = BODY_C + self.rise_c[self.time_s <= until_s].astype(np.float64)
        rate = np.exp2(np.where(temperature >= 43, 1.0, 2.0) * (temperature - 43))
        return np.asarray(np.trapezoid(rate, dx=STEP_S, axis=0) / 60)


@cache
def happened(index: int) -> Course:
    """Return the course of a heating of HEATINGS; its middle lies on no pixel's centre."""
    heating = HEATINGS[index]
    off = (0.31 + 0.17 * index) % 1 - 0.5, (0.62 + 0.29 * index) % 1 - 0.5
    off_mm = off[0] * PIXEL_MM, off[1] * PIXEL_MM
    axis = (np.arange(N_PX) - N_PX // 2) * PIXEL_MM
    times = np.arange(0, RAN_S, STEP_S)
    total = np.zeros((times.size, N_PX, N_PX), np.float32)
    for lobe in heating.lobes:
        field = BioheatField(GaussianSource(lobe.fwhm_mm), heating.tissue, period_mm=56.0)
        x_mm, y_mm = axis - lobe.at_mm[0] - off_mm[0], axis - lobe.at_mm[1] - off_mm[1]
        sampler = field.sampler(x_mm, y_mm, box_mm=(PIXEL_MM, PIXEL_MM))
        for step, time_s in enumerate(times):
            if step:
                is_on = time_s <= heating.on_s + 1e-9
                field.advance(STEP_S, rate_c_per_s=lobe.rate if is_on else 0.0)
            total[step] += sampler(field.in_plane())
    steps = ((0.0, WATTS), (heating.on_s, 0.0))
    rises = total * np.float32(heating.rise_c / total.max())
    return Course(heating.name, "brain", steps, times, rises)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One treatment as the monitor gets it: its frames' maps, and the power log."""

    maps: tuple[TemperatureMap, ...]
    power: PowerLog


def seen(
    course: Course,
    *,
    frame_s: float,
    std_c: float,
    rng: np.random.Generator,
    until_s: float,
    is_cartesian: bool = True,
) -> Seen:
    """Return the maps of a treatment, power on at a random phase of the frame time.

    until_s: scanner time of the last frame, from the power's start.
    """
    lead_s = frame_s * (2 + rng.random())
    centres = np.arange(0.5, (until_s + lead_s) / frame_s) * frame_s - lead_s
    centres = centres[centres + frame_s / 2 <= until_s]
    shape = (1, N_PX, N_PX)
    common_std = std_c / np.sqrt(BASELINE_FRAMES)
    common = rng.normal(0, common_std, shape)
    total_std = np.hypot(std_c, common_std)
    maps = []
    for frame_id, centre in enumerate(centres):
        show = course.encoded_c if is_cartesian else course.mean_c
        mean = show(centre - frame_s / 2, centre + frame_s / 2)
        rise = mean + common + rng.normal(0, std_c, shape)
        maps.append(
            TemperatureMap(
                frame_id,
                FrameKey(repetition=frame_id),
                float(centre),
                (BODY_C + rise).astype(np.float32),
                np.full(shape, total_std, np.float32),
                np.full(shape, common_std, np.float32),
                np.ones(shape, np.bool_),
                is_baseline=False,
                baseline_frames=BASELINE_FRAMES,
            )
        )
    steps = ((-lead_s, 0.0), *course.steps)
    power = PowerLog(*(np.array(column) for column in zip(*steps, strict=True)))
    return Seen(tuple(maps), power)
