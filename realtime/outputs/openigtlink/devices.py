"""What of the monitor goes out under which name; 20 bytes is the protocol's longest."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial

import numpy as np

from messages import Alert, Maps, MotionReading
from realtime.outputs.openigtlink import encoder
from realtime.outputs.openigtlink.encoder import MOST_NAME_BYTES, Code
from realtime.outputs.openigtlink.place import shift_of, voxel_to_ras

PERMIT, ALERTS, DISPLACEMENT = "mrm permit", "mrm alerts", "mrm displacement"
_PICTURES = {  # beside magnitude; the first eight bytes differ, so that a name with a suffix does
    "temperature_c": "mrm temperature",
    "dose_cem43_min": "mrm dose",
    "target_mask": "mrm target",
    "dose_gy": "mrm radiation",
    "region_bits": "mrm regions",
}
_PRIORITIES = ("high", "medium", "low")
_MOST_ALERTS = 20

Key = tuple[str, str]  # kind of message, device


class Message:
    """One message, made when the first client takes it and then shared by all."""

    def __init__(self, kind: str, device: str, make: Callable[[], bytes]) -> None:
        self.key: Key = kind, device
        self._make = make

    @cached_property
    def content(self) -> bytes:
        """Its bytes."""
        return self._make()


def pictures(maps: Maps, *, utc_s: float) -> Iterator[Message]:
    """Give an IMAGE of each map: what is not valid is NaN, masks and region bits are uint16."""
    suffix = "".join(f".{n}" for n in (maps.key.slice, maps.key.contrast))
    suffix = "" if suffix == ".0.0" else suffix.removesuffix(".0")
    for field, name in {"magnitude": "mrm magnitude", **_PICTURES}.items():
        if getattr(maps, field) is not None:
            device = name[: MOST_NAME_BYTES - len(suffix)] + suffix
            yield Message("IMAGE", device, partial(_image, maps, field, device, utc_s))


def _image(maps: Maps, field: str, device: str, utc_s: float) -> bytes:
    voxels = getattr(maps, field)
    if voxels.dtype == np.bool_:
        voxels = voxels.astype(np.uint16)
    elif field == "temperature_c" and maps.valid is not None:
        voxels = np.where(maps.valid, voxels, np.float32(np.nan))
    return encoder.image(device, voxels, voxel_to_ras(maps), utc_s=utc_s)


def permit_status(
    state: str, reason: str, *, code: Code, lease_left_ms: float, utc_s: float
) -> Message:
    """Return the permit as STATUS; its sub code is what is left of the lease, in ms."""
    left_ms = round(lease_left_ms)
    return Message(
        "STATUS",
        PERMIT,
        lambda: encoder.status(PERMIT, code, state, reason, sub_code=left_ms, utc_s=utc_s),
    )


def text(device: str, content: str, *, utc_s: float) -> Message:
    """Return a STRING."""
    return Message("STRING", device, lambda: encoder.string(device, content, utc_s=utc_s))


def alert_list(alerts: Iterable[Alert]) -> str:
    """Return all alerts that stand, a line each, high ones first and newest first."""
    standing = sorted(
        alerts, key=lambda alert: (_PRIORITIES.index(alert.priority), -alert.alert_id)
    )
    lines = [f"{alert.priority} ({alert.state}): {alert.text}" for alert in standing[:_MOST_ALERTS]]
    if len(standing) > _MOST_ALERTS:
        lines.append(f"and {len(standing) - _MOST_ALERTS} more")
    return "\n".join(lines) or "no alert"


def displacement(motion: MotionReading, *, utc_s: float) -> Message | None:
    """Return the target's shift as TRANSFORM, None where it is not known or not believed."""
    if motion.displacement_lps_mm is None or motion.doubts:
        return None
    shift = shift_of(motion.displacement_lps_mm)
    return Message(
        "TRANSFORM",
        DISPLACEMENT,
        lambda: encoder.transform(DISPLACEMENT, shift, utc_s=utc_s),
    )


def displacement_status(doubt: str, *, utc_s: float) -> Message:
    """Return whether the TRANSFORM may be believed. doubt: why not, empty where it may."""
    code, name = (Code.NOT_FOUND, "NOT KNOWN") if doubt else (Code.OK, "KNOWN")
    return Message(
        "STATUS",
        DISPLACEMENT,
        lambda: encoder.status(DISPLACEMENT, code, name, doubt, utc_s=utc_s),
    )
