"""What the monitor keeps of an MRD session header."""

from dataclasses import dataclass

ON_A_GRID = frozenset({"cartesian", "epi"})  # trajectories whose counters tell the place in k-space

Size = tuple[int, int, int]
Extent = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class EncodingLimit:
    """The range of one encoding counter; `center` is the k-space centre's index."""

    minimum: int
    maximum: int
    center: int


@dataclass(frozen=True, slots=True)
class EpiTiming:
    """The trapezoid of an EPI readout gradient, and when its samples are taken.

    delay_us: from the start of the ramp to the first sample.
    """

    ramp_up_us: float
    flat_top_us: float
    ramp_down_us: float
    delay_us: float
    n_samples: int
    dwell_us: float


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoded space and the image that it becomes. Sizes and extents are (x, y, z).

    A limit that the header does not give is None. The header may lie: real conversions give a
    maximum of 0 while the counter runs on.
    trajectory: cartesian, epi, radial, goldenangle, spiral or other, lower case.
    calibration_mode: of parallel imaging: embedded, interleaved, separate, external, other or "".
    epi: None where the header does not describe the readout gradient.
    """

    encoded_matrix: Size
    recon_matrix: Size
    encoded_fov_mm: Extent
    recon_fov_mm: Extent
    trajectory: str
    kspace_encoding_step_1: EncodingLimit | None = None
    kspace_encoding_step_2: EncodingLimit | None = None
    n_slices: int = 1
    n_contrasts: int = 1
    n_averages: int = 1
    n_segments: int = 1
    acceleration: tuple[int, int] = (1, 1)
    calibration_mode: str = ""
    epi: EpiTiming | None = None

    @property
    def is_on_grid(self) -> bool:
        """Whether the counters of a readout tell its place in k-space."""
        return self.trajectory in ON_A_GRID


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A session's MRD header: what is needed of it, and its own bytes.

    xml: the header as received, forwarded and stored byte for byte.
    echo_times_s, flip_angles_deg: indexed by contrast; empty where the header gives none.
    h1_frequency_hz, field_strength_t: None where the header gives none.
    """

    xml: bytes
    encodings: tuple[Encoding, ...]
    echo_times_s: tuple[float, ...] = ()
    flip_angles_deg: tuple[float, ...] = ()
    repetition_time_s: float | None = None
    h1_frequency_hz: float | None = None
    field_strength_t: float | None = None
    receiver_channels: int | None = None
    relative_receiver_noise_bandwidth: float | None = None
    system_vendor: str = ""
