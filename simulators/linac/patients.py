"""Patients of the MR-linac by name, and the sequences that see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulators.linac.anatomies import liver, lung, pelvis
from simulators.linac.bodies import Body
from simulators.linac.cine import PlayedCine, bent_cine
from simulators.linac.events import gas
from simulators.linac.film import Film
from simulators.linac.motion import CosFour, Drift, Motion, Vector
from simulators.linac.scan import LinacScan
from simulators.linac.scene import Course, Event, Gain, Scene
from simulators.sequences import (
    AlternatingCartesian,
    AlternatingRadial,
    Cartesian,
    Plane,
    Radial,
    ScanSequence,
    coronal,
    sagittal,
)

_SHARED: dict[str, object] = {
    "fov_mm": (380.0, 380.0),
    "slice_thickness_mm": 7.0,
    "h1_frequency_hz": 63.87e6,
}
_LINES = _SHARED | {
    "repetition_time_s": 0.00195,
    "echo_times_s": (0.0009,),
    "sample_time_us": 3.2,
}
_SPOKES = _SHARED | {
    "repetition_time_s": 0.0037,
    "echo_times_s": (0.0016,),
    "sample_time_us": 4.0,
    "spokes_per_frame": 34,
}
_FOLDED: dict[str, object] = {"acceleration": 2, "calibration": "interleaved"}

LINAC_SEQUENCES: dict[str, tuple[type[ScanSequence], type[ScanSequence], dict[str, object]]] = {
    "cartesian": (Cartesian, AlternatingCartesian, _LINES),
    "cartesian-r2": (Cartesian, AlternatingCartesian, _LINES | _FOLDED),
    "radial": (Radial, AlternatingRadial, _SPOKES),
}
"""By name: of one plane, of planes in turn, and their parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinacPatient:
    """bodies: made when asked for. motion: unless another is given. sequence: the one that fits.

    planes: by where the target rests in LPS.
    """

    bodies: Callable[[], Sequence[Body]]
    motion: Motion
    origin_mm: Vector
    planes: Callable[[Vector], tuple[Plane, ...]]
    events: tuple[Event, ...] = ()
    sequence: str = "cartesian-r2"
    n_frames: int = 240
    breath_s: float = 4.0

    def scene(
        self,
        *,
        motion: Motion | None = None,
        events: tuple[Event, ...] = (),
        film: Film | None = None,
        gain: Gain | None = Gain(),  # noqa: B008 - frozen
    ) -> Course:
        """Return his bodies, or a film in their place, and what happens to them."""
        course: dict[str, object] = {
            "gain": gain,
            "origin_mm": self.origin_mm,
            "breath_s": self.breath_s,
        }
        if film is None:
            course |= {"motion": motion or self.motion, "events": (*self.events, *events)}
            return Scene(bodies=self.bodies(), **course)  # type: ignore[arg-type]
        course["events"] = events
        if motion is None:
            return PlayedCine(film=film, **course)  # type: ignore[arg-type]
        return bent_cine(film, motion=motion, **course)

    def played_by(self, name: str | None = None, **chosen: object) -> ScanSequence:
        """Return a sequence of `LINAC_SEQUENCES` through the target's resting place.

        chosen: any parameter of the sequence.
        """
        of_one, in_turn, fixed = LINAC_SEQUENCES[name or self.sequence]
        left, back, up = (
            a + b for a, b in zip(self.origin_mm, self.bodies()[0].center_mm, strict=True)
        )
        planes = self.planes((left, back, up))
        kind = of_one if len(planes) == 1 else in_turn
        return kind(**({"n_frames": self.n_frames} | fixed | {"planes": planes} | chosen))  # type: ignore[arg-type]


def _across(origin: Vector) -> Callable[[Vector], tuple[Plane, ...]]:
    """Return one sagittal plane through the target, its middle at the anatomy's origin."""
    return lambda target: (sagittal((target[0], origin[1], origin[2])),)


def _both(origin: Vector) -> Callable[[Vector], tuple[Plane, ...]]:
    """Return a sagittal and a coronal plane that cross in the target."""
    return lambda target: (
        sagittal((target[0], origin[1], origin[2])),
        coronal((origin[0], target[1], origin[2])),
    )


_CHEST, _BELLY, _PELVIS = (-62.0, -11.0, 43.0), (-58.0, -8.0, -35.0), (3.0, -14.0, -120.0)
_LUNG_MOTION = CosFour(depth_mm=(0.8, -3.5, -14.0), depth_varies=0.12, period_varies=0.08)
_LIVER_MOTION = CosFour(
    depth_mm=(0.5, -4.0, -11.0), period_s=4.6, depth_varies=0.1, period_varies=0.08
)

LINAC_PATIENTS: dict[str, LinacPatient] = {
    "lung-sagittal": LinacPatient(
        bodies=lung, motion=_LUNG_MOTION, origin_mm=_CHEST, planes=_across(_CHEST)
    ),
    "liver-sagittal": LinacPatient(
        bodies=liver,
        motion=_LIVER_MOTION,
        origin_mm=_BELLY,
        planes=_across(_BELLY),
        breath_s=4.6,
    ),
    "prostate-sagittal": LinacPatient(
        bodies=pelvis,
        motion=Drift(),
        origin_mm=_PELVIS,
        planes=_across(_PELVIS),
        events=(gas(18.0),),
    ),
    "sagittal-coronal": LinacPatient(
        bodies=lung, motion=_LUNG_MOTION, origin_mm=_CHEST, planes=_both(_CHEST)
    ),
}


def linac_scan(
    name: str,
    *,
    sequence: str | None = None,
    motion: Motion | None = None,
    events: Sequence[Event] = (),
    film: Film | None = None,
    gain: Gain | None = Gain(),  # noqa: B008 - frozen
    n_coils: int = 8,
    snr: float = 40.0,
    seed: int = 20260501,
    has_waveforms: bool = False,
    compression_bits: int = 0,
    **of_sequence: object,
) -> LinacScan:
    """Return a patient of `LINAC_PATIENTS` in a sequence of `LINAC_SEQUENCES`.

    motion: instead of the patient's own; events: besides his own. film: shown instead of his
    bodies, bent by motion where that is given, else played. of_sequence: n_frames, matrix,
    spokes_per_frame and whatever else the sequence has.
    """
    patient = LINAC_PATIENTS[name]
    return LinacScan(
        patient.played_by(sequence, **of_sequence),
        patient.scene(motion=motion, events=tuple(events), film=film, gain=gain),
        n_coils=n_coils,
        snr=snr,
        seed=seed,
        has_waveforms=has_waveforms,
        compression_bits=compression_bits,
    )
