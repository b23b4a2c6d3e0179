"""What a session's fold works with and remembers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import recon
from messages import (
    BeamLog,
    Displacement,
    Forecast,
    Frame,
    GateReading,
    Image,
    Pose,
    PowerLog,
    Prediction,
    SessionHeader,
    TemperatureMap,
    ThermalDose,
)
from motion import Predictor, Tracker
from motion.dose import Accumulator, AccumulatorState
from motion.dose.tissue import Tissue
from motion.gating import Gate, GateState
from motion.navigator import Navigator, NavigatorState
from motion.surrogate import Surrogate, SurrogateState
from motion.surveillance import BreathPlan, BreathState
from realtime.alerts.history import History
from realtime.protocol import Protocol
from thermometry import (
    ArfiState,
    ArrheniusState,
    DoseState,
    Focus,
    Forecaster,
    ForecastState,
    ModelDose,
    Thermometer,
)
from thermometry.registration import Registration

Stream = tuple[int, int, int, int]  # slice, contrast, phase, set
LEAST_STEPS = 3
_NO_BEAM = BeamLog()


def stream_of(frame: Frame) -> Stream:
    """Return the image stream that a frame belongs to."""
    key = frame.key
    return key.slice, key.contrast, key.phase, key.set


@dataclass(frozen=True, slots=True)
class NoiseScan:
    """The noise readouts of a session, and the dwell times that relate them to imaging."""

    samples: NDArray[np.complex64]
    sample_time_us: float
    imaging_sample_time_us: float


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """What stays the same for the whole session.

    echo_times_s: by contrast. n_joined: how many contrasts one frame holds.
    readout_bandwidth_hz_per_px: of the image's pixels along x; NaN where not known.
    accumulator: of radiation dose; None where the protocol names no plan.
    """

    protocol: Protocol
    header: SessionHeader
    reconstructor: recon.Reconstructor
    echo_times_s: tuple[float, ...]
    h1_frequency_hz: float
    n_joined: int = 1
    readout_bandwidth_hz_per_px: float = math.nan
    accumulator: Accumulator | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Following:
    """What follows the target of one slice, and what it remembers.

    predictor, gate: None where nothing is gated. navigator: None where the centre of k-space is not
        followed between images; predicting_sooner: from what it says.
    registration: moves maps of temperature back with the tissue; None where there are none.
    breath_plan: what is watched of the breath.
    zones: float32 (y, x), by organ at risk, how much of each pixel the beam would hit around the
        target's reference place.
    """

    tracker: Tracker
    tracking: object
    predictor: Predictor | None = None
    predicting: object = None
    navigator: Navigator | None = None
    navigating: NavigatorState = field(default_factory=NavigatorState)
    predicting_sooner: object = None
    surrogate: Surrogate | None = None
    surrogating: SurrogateState = field(default_factory=SurrogateState)
    gate: Gate | None = None
    gating: GateState = field(default_factory=GateState)
    latency_s: float = 0.0
    registration: Registration | None = None
    breath_plan: BreathPlan = field(default_factory=BreathPlan)
    zones: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class MotionMemory:
    """What the rules of motion must know of the frames before.

    reference_frame, first_pose, first_volume_mm3: of the reference image. origin_mm: LPS, the
        target's displacement in that image, against the reference image of the session's first
        slice; n_origins: frames of training that told it. breath: state of the watch over it.
    times_s: of the last complete frames. held_since_s: scanner time of the first frame of those
        that were held one after another; None where the last was granted.
    is_reference_lost: the first image that this memory knows is not the session's first.
    """

    reference_frame: int | None = None
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    n_origins: int = 0
    first_pose: Pose | None = None
    first_volume_mm3: float | None = None
    breath: BreathState = field(default_factory=BreathState)
    times_s: tuple[float, ...] = ()
    held_since_s: float | None = None
    is_reference_lost: bool = False

    @property
    def frame_period_s(self) -> float | None:
        """What usually lies between two frames; None while that is not known."""
        steps = sorted(later - earlier for earlier, later in pairwise(self.times_s))
        return steps[len(steps) // 2] if len(steps) >= LEAST_STEPS else None


@dataclass(frozen=True, slots=True, eq=False)
class SliceState:
    """What is carried from frame to frame of one slice (and contrast, phase and set).

    is_refined: its calibration is as good as it gets. is_settled: a temperature has been measured
        against its baseline, so that the phase of its images may no longer change.
    forecaster: None where there is no target. power: all that the therapy device has said.
    pose: of its first image. region_bits: `masks` as one picture; None where there are none.
    """

    masks: Mapping[str, NDArray[np.bool_]]
    calibration: recon.Calibration | None = None
    thermometer: Thermometer | None = None
    thermometry: object = None
    dose: DoseState | None = None
    arrhenius: ArrheniusState | None = None
    previous_time_s: float | None = None
    is_refined: bool = False
    is_settled: bool = False
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)  # (z, y, x)
    history: History = field(default_factory=History)
    forecaster: Forecaster | None = None
    forecasts: ForecastState = ()
    power: PowerLog = field(default_factory=PowerLog)
    following: Following | None = None
    motion: MotionMemory = field(default_factory=MotionMemory)
    pose: Pose | None = None
    region_bits: NDArray[np.uint16] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StreamDose:
    """The dose of one image stream that a killed monitor left.

    pose: of its first image. modelled: along the heat models' courses, in the order of regions.
    """

    pose: Pose | None
    dose: DoseState | None
    arrhenius: ArrheniusState | None
    modelled: tuple[ModelDose, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Inherited:
    """All that is taken over; a stream that is not in it begins without dose, but interrupted."""

    streams: Mapping[Stream, StreamDose] = field(default_factory=dict)
    planes: Mapping[Stream, "PlaneDose"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PipelineState:
    """All that the worker remembers. Picklable: this is the checkpoint.

    arfi, focus: by slice, contrast and phase, the pairs of MR-ARFI and the focus that they last
        found. beam: all that the accelerator has said.
    place_lps_mm: the target's last known displacement in the patient, against the first image in
        which it was followed, whose pose is first_pose. delivery: radiation dose so
        far; None before the first frame. planes: of the pictures, by image stream.
    inherited: from a session of the same treatment; None in one that goes on with none.
    """

    slices: Mapping[Stream, SliceState] = field(default_factory=dict)
    is_interrupted: bool = False
    arfi: Mapping[tuple[int, int, int], ArfiState] = field(default_factory=dict)
    focus: Mapping[tuple[int, int, int], Focus] = field(default_factory=dict)
    beam: BeamLog = _NO_BEAM
    place_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    first_pose: Pose | None = None
    delivery: AccumulatorState | None = None
    planes: Mapping[Stream, "PlaneDose"] = field(default_factory=dict)
    inherited: Inherited | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlaneDose:
    """What the tissue of a picture has received; gy: float64 (pixel,), NaN outside the dose grid.

    float64, because thousands of small doses are added.
    """

    tissue: Tissue
    gy: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """An image with its temperature and dose; None where the therapy has none."""

    image: Image
    slice: SliceState
    temperature: TemperatureMap | None
    dose: ThermalDose | None
    forecast: Forecast | None = None
    followed: "Followed | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What motion says of an image: where the target is, will be, and whether the gate is open.

    prediction, gate: None while the tracker trains, and where a prediction is not wanted.
    by_surrogate_mm: (y, x), by belt or camera; None where there is none, or it knows too little.
    """

    displacement: Displacement
    prediction: Prediction | None = None
    gate: GateReading | None = None
    by_surrogate_mm: tuple[float, float] | None = None
