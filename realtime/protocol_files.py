"""The files beside a protocol that it names: masks, an EPI reference, DICOM RT."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

import recon
from messages import MonitorError, ProtocolError
from realtime.epi_reference import load_epi_reference
from realtime.protocol_sections import Document
from realtime.rt.roi import Roi

if TYPE_CHECKING:
    from motion.dose import DosePlan

MAX_MASK_BYTES = 1 << 28  # 512³ in bool, the largest volume that a scanner sends in real time


def rt_files(document: Document) -> tuple[str, ...]:
    """Return the names of the RT files of [dose] and of the regions."""
    return tuple(name for _, name in _rt_keys(document))


def rt_contents(document: Document, folder: Path | None) -> Mapping[str, str]:
    """Return a hash of each RT file, by its name."""
    found = dict[str, str]()
    for key, name in _rt_keys(document):
        try:
            with beside(name, folder, key=key).open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            reason = error.strerror or error
            raise ProtocolError(f"{name!r} cannot be read: {reason}", key=key) from error
    return found


def _rt_keys(document: Document) -> list[tuple[str, str]]:
    """Return the key and the name of each RT file."""
    keys = list[tuple[str, str]]()
    if document.dose is not None:
        keys += [("dose.plan", document.dose.plan), ("dose.structures", document.dose.structures)]
        keys += [(f"dose.beams[{n}]", name) for n, name in enumerate(document.dose.beams)]
    return keys + [
        (f"region[{n}].structures", region.structures)
        for n, region in enumerate(document.region)
        if region.structures is not None
    ]


def read_rois(document: Document, folder: Path | None) -> Mapping[str, Roi]:
    """Return the ROI of each region that names one."""
    rois = dict[str, Roi]()
    for index, region in enumerate(document.region):
        if region.structures is None or region.roi is None:
            continue
        # pydicom takes a third of a second to import: only where it is wanted
        from realtime.rt.rtstruct import read_structures

        key = f"region[{index}].structures"
        try:
            found = read_structures(beside(region.structures, folder, key=key))
            rois[region.name] = found.roi(region.roi)
        except ProtocolError:
            raise
        except MonitorError as error:
            raise ProtocolError(str(error), key=key) from error
    return rois


def read_dose_plan(document: Document, folder: Path | None) -> "DosePlan | None":
    """Return the plan that [dose] names, None where it names none.

    Raises MonitorError, with file and attribute or by key, where they are not sound or disagree.
    """
    if document.dose is None or folder is None:
        return None
    # pydicom, as above
    from realtime.rt.delivery_plan import load_delivery

    try:
        return load_delivery(document.dose, folder)
    except ValueError as error:
        raise ProtocolError(str(error), key="dose") from error


def read_masks(document: Document, folder: Path | None) -> Mapping[str, NDArray[np.bool_]]:
    """Return the mask of each region that names a .npy file."""
    return {
        region.name: _read_mask(region.mask, folder, key=f"region[{index}].mask")
        for index, region in enumerate(document.region)
        if region.mask is not None
    }


def read_epi_reference(document: Document, folder: Path | None) -> recon.EpiReference | None:
    """Return the scan that [recon] epi_reference names."""
    name, key = document.recon.epi_reference, "recon.epi_reference"
    if name is None:
        return None
    try:
        return load_epi_reference(beside(name, folder, key=key))
    except MonitorError as error:
        raise ProtocolError(str(error), key=key) from error


def beside(name: str, folder: Path | None, *, key: str) -> Path:
    """Return the path of a file in the protocol's folder."""
    if folder is None:
        raise ProtocolError("a file needs a protocol that lies in a folder", key=key)
    path = (folder / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise ProtocolError(f"{name!r} leaves the protocol's folder", key=key)
    return path


def _read_mask(name: str, folder: Path | None, *, key: str) -> NDArray[np.bool_]:
    path = beside(name, folder, key=key)
    if path.suffix != ".npy":
        raise ProtocolError(f"{name!r} is not a .npy file", key=key)
    try:
        if path.stat().st_size > MAX_MASK_BYTES:
            raise ProtocolError(f"{name!r} has more than {MAX_MASK_BYTES} bytes", key=key)
        mask = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ProtocolError(f"{name!r} cannot be read: {error}", key=key) from error
    if not isinstance(mask, np.ndarray) or mask.dtype.kind not in "bu" or mask.ndim not in (2, 3):
        raise ProtocolError(f"{name!r} is no bool array (y, x) or (z, y, x)", key=key)
    inside: NDArray[np.bool_] = mask.astype(np.bool_)
    inside.flags.writeable = False
    return inside


def digest_of(
    document: Document,
    masks: Mapping[str, NDArray[np.bool_]],
    reference: recon.EpiReference | None,
    contents: Mapping[str, str],
) -> str:
    """Return the protocol's hash: 16 hex digits over all that it says and names.

    contents: hash of each RT file, by its name.
    """
    content = msgspec.json.encode(msgspec.to_builtins(document), order="deterministic")
    digest = hashlib.sha256(content)
    for name in sorted(masks):
        digest.update(repr((name, masks[name].shape)).encode())
        digest.update(masks[name].tobytes())
    if reference is not None:
        digest.update(reference.readouts.tobytes())
        digest.update(reference.samples.tobytes())
    for name in sorted(contents):
        digest.update(f"{name} {contents[name]}".encode())
    return digest.hexdigest()[:16]
