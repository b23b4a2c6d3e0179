"""The frame around a treatment: a stream that stops is not a stream that ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """A region of the protocol; which pixels it is, `Maps.region_bits` tells frame by frame."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class LimitPlan:
    """A limit of the protocol that is a line in a chart: of one quantity of one region.

    region: or structure; empty where it is the whole frame. quantity: named as a verdict's own
        figure, with its unit. warn, stop: where people are told and where the permit is withdrawn,
        None where the limit has no such end. unit: for people.
    """

    rule: str
    region: str
    quantity: str
    warn: float | None
    stop: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class RunStart:
    """Everything known before the first frame.

    admission_ms: what the dry run measured. recon_iterations: of the reconstruction's method, as
        chosen at admission where the protocol leaves it a choice; None where it does not iterate.
    regions: in the protocol's order. limits: those that can be drawn. frame_interval_s: from frame
        to frame of one slice, by the header's TR; None where it does not tell.
    """

    run_id: str
    protocol_name: str
    protocol_hash: str
    therapy: str
    header_digest: str
    source: str
    started_utc: str
    machine: str
    versions: dict[str, str]
    image_shape: tuple[int, int, int]
    fov_mm: tuple[float, float, float]
    frame_deadline_ms: float
    lease_ms: float
    admission_ms: dict[str, float]
    recon_iterations: int | None = None
    regions: tuple[RegionPlan, ...] = ()
    limits: tuple[LimitPlan, ...] = ()
    frame_interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class RunStop:
    """Everything that only the end can tell.

    status: `completed` (the client closed), `cut` (the stream stopped without a close),
        `refused` (never admitted), `failed` (a fault ended it) or `killed` (with the monitor; the
        next one says so, and counts what had been written); reason says more.
    n_lost_readouts: those that the scanner counted and that never came.
    n_unused_readouts: those that are neither of an image nor go with one: other encoded spaces,
        navigators where the header lets none be expected.
    """

    run_id: str
    status: str
    reason: str
    ended_utc: str
    n_frames: int
    n_late: int
    n_fault: int
    n_incomplete: int
    n_readouts: int
    n_duplicate_readouts: int
    n_lost_readouts: int = 0
    n_unused_readouts: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The gateway is alive; `last_alert` lets a subscriber notice the alerts that it missed.

    last_alert: sequence number of the newest alert of this epoch, 0 before the first.
    preparing: what is done before the first frame of a session can be computed, in words; empty
        where nothing is.
    """

    last_alert: int
    permit_state: str
    run_id: str = ""
    preparing: str = ""
