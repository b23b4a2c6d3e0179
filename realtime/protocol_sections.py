"""The sections of a treatment protocol: every key, its range and its default."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from realtime.alerts.limits import Limit
from recon.settings import (
    CoilMapMethod,
    DeviceName,
    EpiPhaseCorrection,
    EpiReverse,
    GradientDelay,
    ReconstructionSettings,
    TrajectorySource,
)
from thermometry.plan import LibraryChoice

Therapy = Literal["mrgfus", "mrlinac", "imaging"]
Role = Literal["target", "organ-at-risk", "reference", "body", "tracked"]
Milliseconds = Annotated[float, Meta(gt=0.0, le=60_000.0)]
Extent = Annotated[float, Meta(gt=0.0, le=10_000.0)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$")]
Pixels = Annotated[int, Meta(ge=1, le=4096)]
Iterations = Annotated[int, Meta(ge=1, le=1000)]
# not tuple[Iterations, Iterations]: beside a number with a range msgspec 0.22 takes a fixed tuple
# apart wrongly, and a garbage collection meanwhile ends the process
LeastAndMost = Annotated[tuple[Iterations, ...], Meta(min_length=2, max_length=2)]
Matrix = tuple[Pixels, Pixels, Pixels]


_PLAIN = ReconstructionSettings()  # whose defaults are those of the keys of the same name


class General(Struct, frozen=True, forbid_unknown_fields=True):
    """Section [protocol]."""

    name: Name
    therapy: Therapy
    frame_deadline_ms: Milliseconds
    lease_ms: Milliseconds

    def __post_init__(self) -> None:
        if self.lease_ms <= self.frame_deadline_ms:
            raise ValueError(
                f"`lease_ms`: is {self.lease_ms:g}, expected more than frame_deadline_ms "
                f"{self.frame_deadline_ms:g}, or the lease lapses before it can be renewed"
            )


class Stream(Struct, frozen=True, forbid_unknown_fields=True):
    """Section [stream].

    stall_ms: silence on an open stream after which the permit is held.
    result_type: of the images that go back to the client; FIRE displays int16 only.
    """

    time_stamp_unit: Literal["auto", "2.5ms", "ms", "us", "ns", "none"] = "auto"
    stall_ms: Milliseconds = 1000.0
    result_type: Literal["float32", "int16"] = "float32"


class Recon(Struct, frozen=True, forbid_unknown_fields=True):
    """Section [recon].

    method: a name in `recon.METHODS`, or "auto": by what the header says of its sampling.
    sampling, encoded_matrix, recon_matrix: override the header where it lies; (x, y, z).
    readouts_per_frame and what follows: see `recon.ReconstructionSettings`. window_readouts: each
    image is made of so many, the last ones; a new image comes after each readouts_per_frame.
    iterations: a number; or the least and the most, of which admission chooses what fits.
    epi_reference: a recording without phase encoding, in the protocol's folder.
    """

    method: str
    sampling: Literal["cartesian", "epi", "radial", "spiral"] | None = None
    encoded_matrix: Matrix | None = None
    recon_matrix: Matrix | None = None
    trajectory: TrajectorySource = _PLAIN.trajectory
    readouts_per_frame: Annotated[int, Meta(ge=1, le=65536)] | None = None
    window_readouts: Annotated[int, Meta(ge=1, le=65536)] | None = None
    iterations: Iterations | LeastAndMost = _PLAIN.iterations
    regularisation: Annotated[float, Meta(ge=0.0, le=1.0)] = _PLAIN.regularisation
    wavelet_weight: Annotated[float, Meta(ge=0.0, le=1.0)] = _PLAIN.wavelet_weight
    coil_maps: CoilMapMethod = _PLAIN.coil_maps
    gradient_delay: GradientDelay = _PLAIN.gradient_delay
    epi_phase_correction: EpiPhaseCorrection = _PLAIN.epi_phase_correction
    epi_b0_correction: bool = _PLAIN.epi_b0_correction
    epi_reverse: EpiReverse = _PLAIN.epi_reverse
    device: DeviceName = _PLAIN.device
    epi_reference: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.iterations, tuple) and self.iterations[0] > self.iterations[1]:
            least, most = self.iterations
            raise ValueError(f"`iterations`: is [{least}, {most}], expected the least number first")

    @property
    def most_iterations(self) -> int:
        """The number of iterations, the largest that may be chosen."""
        return self.iterations[1] if isinstance(self.iterations, tuple) else self.iterations


class Thermometry(Struct, frozen=True, forbid_unknown_fields=True):
    """Section [thermometry].

    min_snr, max_std_c: a pixel below this SNR, or above this standard deviation, is not valid.
    heated_margin_px: heat spreads; so far around the targets no drift reference is taken.
    sparsity: weight of the L1 term over the noise, of the methods that have one.
    t1_change_percent_per_c, its standard deviation: of T1 at rest, for method t1; 0: not given.
    """

    method: str
    baseline_frames: Annotated[int, Meta(ge=1, le=1000)]
    alpha_ppm_per_c: Annotated[float, Meta(ge=-0.02, lt=0.0)]
    phase_sign: Literal[1, -1]
    body_temperature_c: Annotated[float, Meta(ge=-20.0, le=60.0)]
    drift_order: Annotated[int, Meta(ge=-1, le=2)]
    echo_time_ms: Annotated[float, Meta(gt=0.0, le=1000.0)] | None = None
    field_strength_t: Annotated[float, Meta(gt=0.0, le=25.0)] | None = None
    min_snr: Annotated[float, Meta(ge=1.0, le=1000.0)] = 5.0
    max_std_c: Annotated[float, Meta(gt=0.0, le=50.0)] = 2.0
    heated_margin_px: Annotated[float, Meta(ge=0.0, le=1000.0)] = 6.0
    alpha_std_ppm_per_c: Annotated[float, Meta(ge=0.0, le=0.005)] = 0.0
    off_resonance_shift: bool = False
    pca_components: Annotated[int, Meta(ge=1, le=10)] = 3
    polynomial_order: Annotated[int, Meta(ge=0, le=8)] = 4
    sparsity: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0
    library_choice: LibraryChoice = "image"
    t1_change_percent_per_c: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0
    t1_change_std_percent_per_c: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0
    tissue: str = "brain"
    arfi_gradient_mt_per_m: Annotated[float, Meta(gt=0.0, le=1000.0)] | None = None
    arfi_encoding_ms: Annotated[float, Meta(gt=0.0, le=100.0)] | None = None
    heat_model: bool = False
    dose_integration: Literal["trapezoid", "log-linear", "model"] = "trapezoid"
    arrhenius: Literal["none", "skin-henriques", "coagulation", "liver-jacques"] = "skin-henriques"

    def __post_init__(self) -> None:
        if (self.arfi_gradient_mt_per_m is None) != (self.arfi_encoding_ms is None):
            raise ValueError(
                "`arfi_gradient_mt_per_m`: expected it and arfi_encoding_ms, or neither"
            )


class Motion(Struct, frozen=True, forbid_unknown_fields=True):
    """Section [motion].

    predictor, latency_ms, gate_margin_mm, max_outside_percent and what else is about the gate: for
        mrlinac; where temperature is measured the target is followed, and nothing is gated.
    latency_ms: from the image's k-space centre to the beam's reaction, which prediction bridges.
    training_frames: of the bank of templates, over some breaths. search_mm: farthest displacement.
    gate_center: around which place of the target the gating boundary lies.
    max_outside_probability_percent: that more than max_outside_percent of the area is outside.
    resume_margin_mm: the smaller margin that a closed gate asks for. min_on_ms: the gate opens only
        where it is expected to stay open so long. min_off_ms: how long it then stays closed.
    navigator: follow the target between images by the centre of k-space, radial only.
    """

    tracker: str
    predictor: str = "hold"
    latency_ms: Annotated[float, Meta(ge=0.0, le=5000.0)] | None = None
    gate_margin_mm: Extent | None = None
    max_outside_percent: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    training_frames: Annotated[int, Meta(ge=1, le=1000)] = 24
    search_mm: Extent = 35.0
    gate_center: Literal["reference", "end-exhale"] = "reference"
    max_outside_probability_percent: Annotated[float, Meta(gt=0.0, le=100.0)] = 50.0
    resume_margin_mm: Extent | None = None
    min_on_ms: Annotated[float, Meta(ge=0.0, le=5000.0)] = 0.0
    min_off_ms: Annotated[float, Meta(ge=0.0, le=60_000.0)] = 0.0
    navigator: bool = False


class Dose(Struct, frozen=True, forbid_unknown_fields=True):
    """Section [dose]: the plan whose delivery is followed. Files lie in the protocol's folder.

    plan: RTPLAN. structures: RTSTRUCT. beams: one RTDOSE for each beam, of one fraction's planned
        monitor units (or of all fractions: DoseSummationType and the plan tell).
    prescription_gy: of one fraction; the plan's own where it is not given.
    target: name of the structure that V95 and D98 are about.
    plan_at: where the plan's anatomy lies: as in the reference image, or with the target at the
        end-exhale place that the gate has learned.
    """

    plan: str
    structures: str
    beams: tuple[str, ...]
    target: str
    prescription_gy: Annotated[float, Meta(gt=0.0, le=200.0)] | None = None
    plan_at: Literal["reference", "end-exhale"] = "reference"


_PLACES = ("center_px", "center_mm", "radii_px", "radii_mm")


class Region(Struct, frozen=True, forbid_unknown_fields=True):
    """One [[region]]: an ellipse or rectangle by centre and half-axes, or a mask file.

    center_px, radii_px, radii_mm: (y, x); center_mm: (x, y, z) in patient LPS.
    slice: z index within the image; all slices where it is not given.
    role: "tracked" is followed instead of the targets, which move with it.
    moves: with the target, where motion is followed; targets do unless they are said not to.
    structures, roi: an RTSTRUCT file in the protocol's folder, and the name of one of its ROIs.
    """

    name: Name
    role: Role
    shape: Literal["ellipse", "rectangle", "mask"] | None = None
    center_px: tuple[float, float] | None = None
    center_mm: tuple[float, float, float] | None = None
    radii_px: tuple[Extent, Extent] | None = None
    radii_mm: tuple[Extent, Extent] | None = None
    mask: str | None = None
    structures: str | None = None
    roi: str | None = None
    moves: bool | None = None
    slice: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if (self.structures is None) != (self.roi is None):
            raise ValueError("`structures`: expected it and roi, or neither")
        if self.structures is not None:
            self._refuse_beside("structures", "shape", "mask", *_PLACES)
        elif self.mask is not None:
            self._check_mask()
        elif self.shape is None or self.shape == "mask":
            raise ValueError('`shape`: expected "ellipse" or "rectangle", or mask = "file.npy"')
        else:
            _exactly_one("center_px", self.center_px, "center_mm", self.center_mm)
            _exactly_one("radii_px", self.radii_px, "radii_mm", self.radii_mm)

    def _check_mask(self) -> None:
        if self.shape not in (None, "mask"):
            raise ValueError(f"`mask`: a region of shape {self.shape!r} takes no mask file")
        self._refuse_beside("mask", *_PLACES)

    def _refuse_beside(self, given: str, *others: str) -> None:
        for key in others:
            if getattr(self, key) is not None:
                raise ValueError(f"`{key}`: a region with {given} takes no {key}")


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a protocol file may say."""

    protocol: General
    recon: Recon
    stream: Stream = Stream()
    thermometry: Thermometry | None = None
    motion: Motion | None = None
    dose: Dose | None = None
    region: tuple[Region, ...] = ()
    limit: tuple[Limit, ...] = ()


def _exactly_one(first_key: str, first: object, second_key: str, second: object) -> None:
    if first is None and second is None:
        raise ValueError(f"`{first_key}`: is missing, expected it or {second_key}")
    if first is not None and second is not None:
        raise ValueError(f"`{second_key}`: stands beside {first_key}, expected one of the two")
