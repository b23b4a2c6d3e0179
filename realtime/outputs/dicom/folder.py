"""DICOM objects as files."""

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from realtime.outputs.dicom.peer import UnreachableError
from realtime.outputs.dicom.study import kind_of


def write(folder: Path, instances: Sequence[Dataset]) -> list[str]:
    """Write objects, named by kind, contrast and instance number; return that none was refused.

    Each file is there whole or not at all; one that is there is replaced. Raises UnreachableError
    where the disk does not take them.
    """
    for one in instances:
        kind, contrast = kind_of(one)
        path = folder / f"{kind}-c{contrast}-{int(one.InstanceNumber):06d}.dcm"
        new = path.with_suffix(".new")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            one.save_as(new, enforce_file_format=True)
            new.replace(path)
        except OSError as error:
            raise UnreachableError(
                f"{folder}: cannot be written: {error.strerror or error}"
            ) from error
    return []
