"""`mrmonitor check`: a treatment protocol, strictly read."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.table import Table

from realtime.alerts.limits import region_name, rule_name
from realtime.cli.console import console, facts_table
from realtime.cli.first_readout import check_first_readout
from realtime.cli.protocol_check import check_blur, check_header
from realtime.protocol import Protocol, load_protocol
from realtime.protocol_files import read_dose_plan
from realtime.protocol_sections import Region
from realtime.streams.mrd_header import MAX_XML_BYTES, parse_header
from realtime.streams.recordings import open_recording

if TYPE_CHECKING:
    from motion.dose import DosePlan

_USED_BY_ALL = {"min_snr", "max_std_c", "heated_margin_px", "alpha_std_ppm_per_c"}
_USED_BY = {
    "hybrid": {"sparsity"},
    "multi-baseline": {"library_choice"},
    "pca": {"pca_components"},
    "referenceless": {"polynomial_order"},
    "referenceless-l1": {"polynomial_order", "sparsity"},
    "near-harmonic": {"polynomial_order"},
    "kspace-hybrid": {"sparsity"},
    "t1": {"t1_change_percent_per_c", "t1_change_std_percent_per_c"},
}
"""Keys that are shown though they are at their defaults."""


@click.command()
@click.argument("protocol")
@click.option("--header", type=click.Path(path_type=Path), help="A recording, or a header as .xml.")
def check(protocol: str, header: Path | None) -> None:
    """Read a treatment protocol strictly and say what it means.

    PROTOCOL is a file or the name of a shipped one; the files that it names are read too. With
    --header, echo time, field strength and regions in pixels are checked against that scan's
    header, and what its voxels and frame time hide of a hot spot; of a recording, the
    reconstruction is planned too and takes the first imaging readout. What comes after it is not
    looked at.
    """
    loaded = load_protocol(protocol)
    suits = () if header is None else _suits(loaded, header)
    out = console()
    out.print(facts_table(loaded.protocol.name, _general_rows(loaded)))
    click.echo("What is not shown above is at its default: docs/protocol.md.")
    if loaded.region:
        out.print(_regions(loaded))
    if loaded.limit:
        out.print(_limits(loaded))
    for text in suits:
        click.echo(f"{header}: {text}")


def _suits(protocol: Protocol, path: Path) -> tuple[str, ...]:
    """Say what of a header, or of a recording, suits; raise MonitorError where any does not."""
    if path.suffix == ".xml":
        with path.open("rb") as file:
            header = parse_header(file.read(MAX_XML_BYTES + 1))
        return check_header(protocol, header), *check_blur(protocol, header)
    recording = open_recording(path)
    header = parse_header(recording.header_xml)
    fits = check_first_readout(protocol, header, recording)
    return check_header(protocol, header), fits, *check_blur(protocol, header)


def _general_rows(protocol: Protocol) -> list[tuple[str, str]]:
    rows = [
        ("hash", protocol.hash),
        ("therapy", protocol.protocol.therapy),
        ("frame deadline", f"{protocol.protocol.frame_deadline_ms:g} ms"),
        ("lease", f"{protocol.protocol.lease_ms:g} ms"),
        ("stream", _fields(protocol.stream, leave_out=_plain(protocol.stream)) or "as by default"),
        ("reconstruction", _fields(protocol.recon, leave_out=_plain(protocol.recon))),
    ]
    thermometry = protocol.thermometry
    if thermometry is not None:
        used = _USED_BY.get(thermometry.method, set()) | _USED_BY_ALL
        used |= {"tissue", "dose_integration"} if thermometry.heat_model else set()
        plain = _plain(thermometry) - used
        rows.append(("thermometry", _fields(thermometry, leave_out=plain)))
    if protocol.motion is not None:
        rows.append(("motion", _fields(protocol.motion)))
    plan = read_dose_plan(protocol.document, protocol.folder)
    if plan is not None:
        rows.append(("dose", _delivery(plan)))
    return rows


def _delivery(plan: "DosePlan") -> str:
    """Say what the files of [dose] hold, which agree."""
    beams = ", ".join(f"beam {one.number} of {one.planned_mu:g} MU" for one in plan.clouds)
    followed = ", ".join(f"{one.name} ({one.role})" for one in plan.structures)
    gy = plan.prescription_gy
    prescribed = "nothing prescribed" if gy is None else f"{gy:g} Gy a fraction"
    return f"{beams}; {prescribed} to {plan.target}; counted for {followed}"


def _regions(protocol: Protocol) -> Table:
    table = Table("region", "role", "shape", title="Regions", title_justify="left")
    for region in protocol.region:
        table.add_row(region.name, region.role, _shape(region))
    return table


def _shape(region: Region) -> str:
    if region.mask is not None:
        return f"mask {region.mask}"
    said = {"name", "role", "shape"}
    return f"{region.shape}: {_fields(region, leave_out=said)}"


def _limits(protocol: Protocol) -> Table:
    table = Table("rule", "region", "limit", title="Limits", title_justify="left")
    for limit in protocol.limit:
        table.add_row(rule_name(limit), region_name(limit), _fields(limit, leave_out={"region"}))
    return table


def _fields(struct: msgspec.Struct, *, leave_out: set[str] | None = None) -> str:
    content = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return ", ".join(
        f"{name} {_value(value)}"
        for name, value in content.items()
        if value is not None and name not in (leave_out or set())
    )


def _plain(struct: msgspec.Struct) -> set[str]:
    """Return the keys that are at their defaults: what a protocol did not choose."""
    fields = msgspec.structs.fields(type(struct))
    return {one.name for one in fields if one.default == getattr(struct, one.name)}


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)
