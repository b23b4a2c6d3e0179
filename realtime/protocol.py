"""The treatment protocol: a TOML file, strictly read. Every error names the key at fault."""

import contextlib
import gc
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

import recon
import thermometry
from messages import ProtocolError
from realtime.alerts.limits import (
    LIMITS,
    DoseForecast,
    Limit,
    region_name,
    rule_name,
)
from realtime.protocol_files import (
    digest_of,
    read_epi_reference,
    read_masks,
    read_rois,
    rt_contents,
    rt_files,
)
from realtime.protocol_methods import refuse_unfit, refuse_unfit_window
from realtime.protocol_ranges import expected_number, value_at
from realtime.protocol_sections import Document, General, Motion, Recon, Region, Stream, Thermometry
from realtime.protocol_therapy import refuse_unanswerable, refuse_unsafe
from realtime.rt.roi import Roi
from thermometry.heat.tissue import TISSUES

AUTO = "auto"  # the method that the header's own sampling asks for
MAX_PROTOCOL_BYTES = 1 << 20  # the longest shipped protocol has 4 KB


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """A treatment protocol that has passed every check.

    mask_files: bool (z, y, x) or (y, x) of each region given by a file, read-only.
    epi_reference: the scan that [recon] epi_reference names. rois: of each region that names one.
    hash: 16 hex digits over the content (files included), blind to comments and order of keys.
    text, folder: the TOML as written, and where its relative paths start.
    iterations: the number that a recording was made with, which its replay takes again.
    """

    document: Document
    mask_files: Mapping[str, NDArray[np.bool_]]
    hash: str
    text: str
    folder: Path | None = field(default=None)
    epi_reference: recon.EpiReference | None = None
    rois: Mapping[str, Roi] = field(default_factory=dict)
    iterations: int | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files beside it that it names, relative to its folder."""
        named = [region.mask for region in self.region]
        named += [*rt_files(self.document), self.recon.epi_reference]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def protocol(self) -> General:
        """Section [protocol]."""
        return self.document.protocol

    @property
    def stream(self) -> Stream:
        """Section [stream]."""
        return self.document.stream

    @property
    def recon(self) -> Recon:
        """Section [recon]."""
        return self.document.recon

    @property
    def thermometry(self) -> Thermometry | None:
        """Section [thermometry], None where the therapy measures no temperature."""
        return self.document.thermometry

    @property
    def motion(self) -> Motion | None:
        """Section [motion], None where the therapy tracks nothing."""
        return self.document.motion

    @property
    def region(self) -> tuple[Region, ...]:
        """The regions, in the file's order."""
        return self.document.region

    @property
    def limit(self) -> tuple[Limit, ...]:
        """The limits, in the file's order."""
        return self.document.limit


def shipped_protocols() -> tuple[str, ...]:
    """Return the names of the protocols that come with the package."""
    files = resources.files("realtime.protocols").iterdir()
    return tuple(sorted(file.name[:-5] for file in files if file.name.endswith(".toml")))


def load_protocol(source: Path | str) -> Protocol:
    """Return the protocol in a file, or the shipped protocol of that name.

    Raises ProtocolError that names the key, or the line, at fault.
    """
    path = Path(source)
    if isinstance(source, str) and source in shipped_protocols():
        path = Path(str(resources.files("realtime.protocols"))) / f"{source}.toml"
    elif not path.is_file():
        known = ", ".join(shipped_protocols())
        raise ProtocolError(f"no such file, and none of the shipped: {known}", key=str(source))
    try:
        if path.stat().st_size > MAX_PROTOCOL_BYTES:
            raise ProtocolError(f"more than {MAX_PROTOCOL_BYTES} bytes", key=path.name)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"cannot be read: {error}", key=path.name) from error
    return parse_protocol(text, folder=path.resolve().parent)


def parse_protocol(text: str, *, folder: Path | None = None) -> Protocol:
    """Return the protocol in a TOML text.

    folder: where the relative paths of mask files start. Raises ProtocolError that names the key,
    or the line, at fault.
    """
    try:
        content = tomllib.loads(text)
    # TOMLDecodeError is a ValueError, and so is a number of five thousand digits
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not TOML: {error}", key="file") from error
    for path, number in _numbers(content, ""):
        if not math.isfinite(number):
            raise ProtocolError(f"is {number}, expected a finite number", key=path)
    try:
        with _without_collection():
            document = msgspec.convert(content, Document)
    except msgspec.ValidationError as error:
        raise _as_protocol_error(str(error), content) from error
    refuse_unsafe(document)
    _refuse_unknown_methods(document)
    _refuse_unknown_regions(document)
    refuse_unanswerable(document)
    masks = read_masks(document, folder)
    reference = read_epi_reference(document, folder)
    rois = read_rois(document, folder)
    digest = digest_of(document, masks, reference, rt_contents(document, folder))
    return Protocol(document, masks, digest, text, folder, reference, rois)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the garbage collector out: msgspec 0.22 crashes where one falls into a type's first use.

    It traverses the type's tables while they are half filled in.
    """
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def _numbers(value: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")


def _as_protocol_error(text: str, content: object) -> ProtocolError:
    """Turn msgspec's "what - at `$.where`" into the path of the key and what was expected."""
    what, _, where = text.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    named = re.match(r"Object (contains unknown|missing required) field `([^`]*)`$", what)
    ours = re.match(r"`([^`]*)`: (.*)$", what)
    if named is not None:
        path = f"{path}.{named[2]}".lstrip(".")
        what = "unknown key" if named[1] == "contains unknown" else "is missing"
    elif ours is not None:
        path, what = f"{path}.{ours[1]}".lstrip("."), ours[2]
    elif re.match(r"Expected `(float|int)` [<>]", what) is not None:
        value = value_at(content, path)
        is_said = f"is {value:g}, " if isinstance(value, int | float) else ""
        what = f"{is_said}expected {expected_number(path)}"
    elif path.endswith(".rule"):
        what += f", expected one of {', '.join(rule_name(kind) for kind in LIMITS)}"
    return ProtocolError(what, key=path or "file")


def _refuse_unknown_methods(document: Document) -> None:
    _refuse_unknown("recon.method", document.recon.method, (AUTO, *recon.METHODS))
    refuse_unfit_window(document.recon)
    if document.thermometry is not None:
        methods = tuple(thermometry.METHODS)
        _refuse_unknown("thermometry.method", document.thermometry.method, methods)
        _refuse_unknown("thermometry.tissue", document.thermometry.tissue, tuple(TISSUES))
        refuse_unfit(document.thermometry, recon_method=document.recon.method)


def _refuse_unknown(key: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise ProtocolError(f"unknown {name!r}, expected one of {', '.join(known)}", key=key)


def _refuse_unknown_regions(document: Document) -> None:
    names: list[str] = []
    for index, region in enumerate(document.region):
        if region.name in names:
            raise ProtocolError(f"{region.name!r} is named twice", key=f"region[{index}].name")
        names.append(region.name)
    seen: list[tuple[str, str]] = []
    for index, limit in enumerate(document.limit):
        name = region_name(limit)
        if name and not isinstance(limit, DoseForecast):  # whose structures are the plan's
            _refuse_unknown(f"limit[{index}].region", name, names)
        if (rule_name(limit), name) in seen:
            about = f" for {name!r}" if name else ""
            raise ProtocolError(f"a second {rule_name(limit)}{about}", key=f"limit[{index}]")
        seen.append((rule_name(limit), name))
