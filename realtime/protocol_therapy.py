"""What each therapy asks of its protocol, and which limits it can answer."""

from collections.abc import Sequence

from messages import ProtocolError
from realtime.alerts.limits import (
    LIMITS_OF,
    Avoidance,
    DoseForecast,
    Fat,
    Limit,
    TemperatureMax,
    rule_name,
)
from realtime.protocol_sections import Document, Region

TELL_FAT = ("water-fat",)  # methods whose maps have a fat fraction


def refuse_unsafe(document: Document) -> None:
    """Raise ProtocolError, with the key at fault, where nothing would watch the therapy."""
    therapy = document.protocol.therapy
    _refuse_untracked(document)
    if therapy == "imaging":
        if document.thermometry is not None:
            raise ProtocolError("imaging measures no temperature", key="thermometry")
        if document.limit:
            raise ProtocolError("imaging judges nothing and never permits", key="limit")
    elif therapy == "mrlinac":
        _refuse_unsafe_linac(document)
    else:
        if document.thermometry is None:
            raise ProtocolError("is missing, mrgfus needs it", key="thermometry")
        _refuse_without_target(document.region, therapy)
        if not any(isinstance(limit, TemperatureMax) for limit in document.limit):
            raise ProtocolError('mrgfus needs one with rule = "temperature-max"', key="limit")
        _refuse_cold_stop(document.limit, document.thermometry.body_temperature_c)


def refuse_unanswerable(document: Document) -> None:
    """Raise ProtocolError for a limit on what is not measured: it would look kept, and be silent.

    A limit of the other therapy, fat without a method that tells it, a dose without a plan, and an
    avoidance boundary for what is no organ at risk.
    """
    therapy = document.protocol.therapy
    method = "none" if document.thermometry is None else document.thermometry.method
    organs = {region.name for region in document.region if region.role == "organ-at-risk"}
    for index, limit in enumerate(document.limit):
        key, name = f"limit[{index}].rule", rule_name(limit)
        if type(limit) not in LIMITS_OF[therapy]:
            other = next(one for one in LIMITS_OF if type(limit) in LIMITS_OF[one])
            raise ProtocolError(f"{name!r} is a limit of {other}, this is {therapy}", key=key)
        if isinstance(limit, Fat) and method not in TELL_FAT:
            known = ", ".join(TELL_FAT)
            raise ProtocolError(
                f"{name!r} needs a method that tells fat from water ({known}), "
                f"thermometry.method is {method!r}",
                key=key,
            )
        if isinstance(limit, DoseForecast) and document.dose is None:
            raise ProtocolError(f"{name!r} needs the plan that [dose] names", key=key)
        if isinstance(limit, Avoidance) and limit.region not in organs:
            raise ProtocolError(
                f'{limit.region!r} is not of role = "organ-at-risk"', key=f"limit[{index}].region"
            )


def _refuse_unsafe_linac(document: Document) -> None:
    settings = document.motion
    if settings is None:
        raise ProtocolError("is missing, mrlinac needs it", key="motion")
    if document.thermometry is not None:
        raise ProtocolError("mrlinac measures no temperature", key="thermometry")
    for key in ("latency_ms", "gate_margin_mm", "max_outside_percent"):
        if getattr(settings, key) is None:
            raise ProtocolError("is missing, mrlinac needs it", key=f"motion.{key}")
    dose = document.dose
    if dose is not None and dose.plan_at == "end-exhale" and settings.gate_center != dose.plan_at:
        raise ProtocolError(
            f'is "end-exhale", which is learned only where motion.gate_center is; it is '
            f"{settings.gate_center!r}",
            key="dose.plan_at",
        )
    margin_mm, resume_mm = settings.gate_margin_mm, settings.resume_margin_mm
    if margin_mm is not None and resume_mm is not None and resume_mm > margin_mm:
        raise ProtocolError(
            f"is {resume_mm:g}, expected at most gate_margin_mm {margin_mm:g}",
            key="motion.resume_margin_mm",
        )
    _refuse_without_target(document.region, "mrlinac")


def _refuse_untracked(document: Document) -> None:
    for index, region in enumerate(document.region):
        if region.role != "tracked":
            continue
        key = f"region[{index}].role"
        if document.thermometry is None:
            raise ProtocolError("mrlinac follows its targets themselves", key=key)
        if document.motion is None:
            raise ProtocolError('"tracked" needs [motion], which follows it', key=key)


def _refuse_without_target(regions: Sequence[Region], therapy: str) -> None:
    if all(region.role != "target" for region in regions):
        raise ProtocolError(f'{therapy} needs one with role = "target"', key="region")


def _refuse_cold_stop(limits: Sequence[Limit], body_temperature_c: float) -> None:
    for index, limit in enumerate(limits):
        if isinstance(limit, TemperatureMax) and limit.stop_above_c <= body_temperature_c:
            raise ProtocolError(
                f"is {limit.stop_above_c:g}, expected above body_temperature_c "
                f"{body_temperature_c:g}",
                key=f"limit[{index}].stop_above_c",
            )
