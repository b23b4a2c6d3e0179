"""What a thermometer must know beforehand, and what it must do."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap

Shape = tuple[int, int, int]
LibraryChoice = Literal["image", "navigator"]


def phase_to_temperature_rad_per_c(
    echo_time_s: float, h1_frequency_hz: float, *, alpha_ppm_per_c: float, phase_sign: int
) -> float:
    """Phase change of one degree, in rad/°C: 2π · γ̄B0 · α · TE, times the scanner's sign.

    Negative for `phase_sign` = 1, because α is. h1_frequency_hz is γ̄B0 as the header gives it: the
    nominal field is off by up to 4 %, and so would be every temperature.
    Ishihara 1995, doi:10.1002/mrm.1910340606.
    """
    return phase_sign * 2.0 * math.pi * h1_frequency_hz * alpha_ppm_per_c * 1e-6 * echo_time_s


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ThermometryPlan:
    """Everything decided before the first image; valid in water-like tissue, not in fat.

    h1_frequency_hz: the header's own proton frequency, γ̄B0.
    phase_sign: 1 where a degree changes the phase by 2π·γ̄B0·α·TE as reconstructed, -1 where by
        the opposite.
    drift_order: polynomial order of the drift correction, 0 to 2; -1 for none.
    shape: (z, y, x).
    reference_mask: bool (z, y, x), where drift may be fitted; all true without a reference region.
    heated_mask: bool (z, y, x), the targets with a margin, left out of the drift fit.
    min_snr: least signal over the standard deviation of the noise's real part, so that a pixel at
        the limit has a phase noise of 1 / min_snr rad.
    max_std_c: pixels with a larger standard deviation are not valid.
    alpha_std_ppm_per_c: how uncertain α is; it travels into the standard deviation of every
        temperature, in proportion to the rise.
    echo_times_s: of all echoes of a joined train, by contrast; empty where frames hold one echo.
    flip_angles_deg: by contrast; repetition_time_s: NaN where the header gives none.
    t1_change_percent_per_c, t1_change_std_percent_per_c: of T1 with temperature, relative to its
        value at rest, and how uncertain that is; 0 where nobody says.
    voxel_mm: (z, y, x).
    readout_bandwidth_hz_per_px: of the image's pixels along x; NaN where not known.
    off_resonance_shift: whether the map is moved back along the readout by as much as
        off-resonance has moved it.
    pca_components, polynomial_order, sparsity: of the methods that have them.
    library_choice: how multi-baseline compares an image with its library.
    tissue: name in the table of heat properties.
    """

    echo_time_s: float
    h1_frequency_hz: float
    alpha_ppm_per_c: float
    phase_sign: int
    body_temperature_c: float
    baseline_frames: int
    drift_order: int
    shape: Shape
    reference_mask: NDArray[np.bool_]
    heated_mask: NDArray[np.bool_]
    min_snr: float = 5.0
    max_std_c: float = 5.0
    alpha_std_ppm_per_c: float = 0.0
    echo_times_s: tuple[float, ...] = ()
    flip_angles_deg: tuple[float, ...] = ()
    repetition_time_s: float = math.nan
    t1_change_percent_per_c: float = 0.0
    t1_change_std_percent_per_c: float = 0.0
    voxel_mm: tuple[float, float, float] = (5.0, 1.0, 1.0)
    readout_bandwidth_hz_per_px: float = math.nan
    off_resonance_shift: bool = False
    pca_components: int = 3
    polynomial_order: int = 4
    sparsity: float = 1.0
    library_choice: LibraryChoice = "image"
    tissue: str = "brain"

    def __post_init__(self) -> None:
        for name in ("echo_time_s", "h1_frequency_hz", "min_snr", "max_std_c"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, expected a number above 0")
        if not (math.isfinite(self.alpha_ppm_per_c) and self.alpha_ppm_per_c != 0):
            raise ValueError(f"alpha_ppm_per_c is {self.alpha_ppm_per_c}, expected a number not 0")
        if not math.isfinite(self.body_temperature_c):
            raise ValueError(f"body_temperature_c is {self.body_temperature_c}, expected a number")
        if self.phase_sign not in (-1, 1):
            raise ValueError(f"phase_sign is {self.phase_sign}, expected 1 or -1")
        if self.baseline_frames < 1:
            raise ValueError(f"baseline_frames is {self.baseline_frames}, expected 1 or more")
        if self.drift_order not in (-1, 0, 1, 2):
            raise ValueError(f"drift_order is {self.drift_order}, expected -1, 0, 1 or 2")
        for name in ("reference_mask", "heated_mask"):
            found = getattr(self, name).shape
            if found != self.shape:
                raise ValueError(f"{name} has shape {found}, images have {self.shape}")

    @property
    def rad_per_c(self) -> float:
        """Phase change of one degree, in rad/°C."""
        return phase_to_temperature_rad_per_c(
            self.echo_time_s,
            self.h1_frequency_hz,
            alpha_ppm_per_c=self.alpha_ppm_per_c,
            phase_sign=self.phase_sign,
        )


class Thermometer(Protocol):
    """A fold over images: one temperature map each.

    The state is frozen and picklable, so that a checkpoint is a pickle; its type is the method's
    own business, hence Any.
    """

    @property
    def plan(self) -> ThermometryPlan:
        """What was decided beforehand."""
        ...

    def start(self) -> Any:  # noqa: ANN401 - each method has a state of its own
        """State before the first image."""
        ...

    def step(self, state: Any, image: Image) -> tuple[Any, TemperatureMap]:  # noqa: ANN401
        """State and map after one more image; neither `state` nor `image` is modified."""
        ...
