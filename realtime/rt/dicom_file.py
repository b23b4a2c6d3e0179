"""DICOM files, strictly read: every error names the file and the attribute."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from messages import MonitorError

MAX_BYTES = 1 << 30  # the finest dose grids have 0.1 GB


def read_dicom(path: Path, modality: str) -> Dataset:
    """Return a file's data set. Raises MonitorError: no such file, not DICOM, another modality."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MonitorError(f"{path.name}: has more than {MAX_BYTES >> 20} MiB")
        dataset = pydicom.dcmread(path)
    except InvalidDicomError as error:
        raise MonitorError(f"{path.name}: is not a DICOM file") from error
    except OSError as error:
        raise MonitorError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    # pydicom lets through whatever a damaged file makes its parsers raise
    except (
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        NotImplementedError,
    ) as error:
        raise MonitorError(f"{path.name}: is damaged: {error}") from error
    found = dataset.get("Modality")
    if found != modality:
        raise MonitorError(f"{path.name}: Modality is {found}, expected {modality}")
    return dataset


def text_of(dataset: Dataset, keyword: str, *, file: str) -> str:
    """Return an attribute that must be there, as text."""
    return str(_value(dataset, keyword, file=file))


def number_of(dataset: Dataset, keyword: str, *, file: str) -> float:
    """Return an attribute that must be there, a finite number."""
    return numbers_of(dataset, keyword, 1, file=file)[0]


def numbers_of(dataset: Dataset, keyword: str, n: int | None, *, file: str) -> tuple[float, ...]:
    """Return an attribute of n finite numbers, or of any number of them where n is None."""
    value = _value(dataset, keyword, file=file)
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    try:
        numbers = tuple(float(str(one)) for one in several)
    except (TypeError, ValueError) as error:
        raise MonitorError(f"{file}: {keyword} is {value!r}, expected numbers") from error
    if (n is not None and len(numbers) != n) or not np.isfinite(numbers).all():
        expected = "finite numbers" if n is None else f"{n} finite number(s)"
        raise MonitorError(f"{file}: {keyword} is {_short(value)}, expected {expected}")
    return numbers


def items_of(dataset: Dataset, keyword: str, *, file: str) -> list[Dataset]:
    """Return the items of a sequence that must be there and hold at least one."""
    items = list(dataset.get(keyword) or ())
    if not items:
        raise MonitorError(f"{file}: {keyword} is missing or empty")
    return items


def _value(dataset: Dataset, keyword: str, *, file: str) -> object:
    try:
        value: object = dataset.get(keyword)
    except (ValueError, TypeError, OverflowError) as error:
        raise MonitorError(f"{file}: {keyword} cannot be read: {error}") from error
    if value is None or value == "":
        raise MonitorError(f"{file}: {keyword} is missing")
    return value


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 80 else f"{text[:77]}..."
