"""The report's sections that tell a run again: its protocol's limits, its machine, its versions."""

from collections.abc import Iterable
from typing import Final

import msgspec

from messages import RunStart
from realtime.alerts.limits import Limit, region_name, rule_name
from realtime.outputs.report_blocks import Cell, Note, Section, Table
from realtime.outputs.report_record import RunRecord

_UNITS: Final = {
    "cem43_min": "CEM43 min", "ppm_per_c": "ppm/°C",
    "percent": "%", "sigma": "σ", "mm": "mm", "mm3": "mm³", "gy": "Gy",
    "ms": "ms", "c": "°C", "s": "s",
}  # fmt: skip
_SETTINGS: Final = {
    "recon": ("method",),
    "thermometry": (
        "method", "baseline_frames", "alpha_ppm_per_c", "alpha_std_ppm_per_c", "drift_order",
        "body_temperature_c", "min_snr",
    ),
    "motion": (
        "tracker", "predictor", "latency_ms", "gate_margin_mm", "max_outside_percent",
        "max_outside_probability_percent",
    ),
}  # fmt: skip
_NAMES_OF_ALL = ("region", "structure")


def protocol_words(start: RunStart) -> str:
    """Return protocol and machine in one line."""
    return f"protocol {start.protocol_name} ({start.therapy}) · {start.machine}"


def when_words(start: RunStart) -> str:
    """Return when the run began and where its data came from."""
    return f"{day_time(start.started_utc)} · {start.source}"


def day_time(iso: str) -> str:
    """Return a time as people write it: no T, no fraction of a second."""
    day, _, rest = iso.removesuffix("+00:00").partition("T")
    return f"{day} {rest.split('.')[0]} UTC" if rest else f"{iso} UTC"


def clock_time(iso: str) -> str:
    """Return the hour, minute and second of a time; empty where there is none."""
    return iso.partition("T")[2].removesuffix("+00:00").partition(".")[0]


def sections(run: RunRecord) -> list[Section]:
    """Return the protocol's limits, and what is needed to know the run again."""
    return [*_protocol(run), _run(run)]


def _protocol(run: RunRecord) -> list[Section]:
    if run.protocol is None:
        return []
    limits = [
        (rule_name(limit), region_name(limit) or "whole frame", limit_words(limit))
        for limit in run.protocol.limit
    ]
    methods = [
        (name, _words(getattr(run.protocol, name), chosen))
        for name, chosen in _SETTINGS.items()
        if getattr(run.protocol, name) is not None
    ]
    regions = ", ".join(f"{one.name} ({one.role})" for one in run.protocol.region)
    table = Table(limits, ("rule", "region", "limits"), widths=(0.2, 0.2, 0.6))
    said = f"Regions: {regions}. " if regions else ""
    said += "Rules that are always on (late frame, incomplete frame, fault) have no limit to set."
    how = Table(methods, widths=(0.2, 0.8))
    return [Section("Protocol", [how, *([table] if limits else []), Note(said)])]


def limit_words(limit: Limit) -> str:
    """Return a limit's settings as a person reads them; those that were left out are not told."""
    names = [one.name for one in msgspec.structs.fields(limit) if one.name not in _NAMES_OF_ALL]
    return _words(limit, names)


def _words(settings: object, names: Iterable[str]) -> str:
    values = {name: getattr(settings, name, None) for name in names}
    return ", ".join(_setting(name, one) for name, one in values.items() if one is not None)


def _setting(name: str, value: object) -> str:
    unit_name = next((one for one in _UNITS if name == one or name.endswith(f"_{one}")), "")
    words = name.removesuffix(unit_name).replace("_", " ").strip()
    amount = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        amount = " × ".join(f"{one:g}" for one in value)
    return f"{words} {amount} {_UNITS.get(unit_name, '')}".strip()


def _run(run: RunRecord) -> Section:
    start = run.start
    if start is None:
        said = "run.json is missing: nothing is known of the run."
        return Section("Run and machine", [Note(said)])
    stop = run.stop
    rows = [
        ("run", start.run_id),
        ("protocol", f"{start.protocol_name} ({start.therapy})"),
        ("protocol hash", Cell(start.protocol_hash, kind="code")),
        ("header digest", Cell(start.header_digest, kind="code")),
        ("source", start.source),
        ("started", day_time(start.started_utc)),
        ("ended", "–" if stop is None else f"{day_time(stop.ended_utc)}: {stop.reason}"),
        ("machine", start.machine),
        ("versions", ", ".join(f"{name} {value}" for name, value in start.versions.items())),
        ("image (z, y, x)", " × ".join(map(str, start.image_shape))),
        ("field of view (x, y, z)", " × ".join(f"{mm:g}" for mm in start.fov_mm) + " mm"),
        ("deadline, lease", f"{start.frame_deadline_ms:g} ms, {start.lease_ms:g} ms"),
        ("dry run", ", ".join(f"{name} {ms:.2f} ms" for name, ms in start.admission_ms.items())),
    ]
    if start.recon_iterations is not None:
        rows.append(("iterations", f"{start.recon_iterations} of each frame's reconstruction"))
    return Section("Run and machine", [Table(rows, widths=(0.22, 0.78))])
