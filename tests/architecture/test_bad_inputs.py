"""docs/bad_inputs.md: every input that must not harm has a row, and each row a test."""

import re

import pytest

from tests.architecture.tables import check_tests, rows_of

INPUTS = (
    "65535 x 65535 header", "trajectory 65535", "0 samples or channels",
    "active > available channels", "discard_pre + post > samples",
    "encoding_space_ref out of range", "k-space index beyond the matrix",
    "matrix negative, NaN or huge", "field of view negative, NaN or huge", "TE missing or 0",
    "field strength missing", "non-UTF-8 XML", "DOCTYPE", "100 MB XML", "unknown id",
    "image before header", "second header", "CLOSE first", "missing LAST flags",
    "version mismatch", "NaN samples", "all-zero frame",
    "unknown key", "wrong unit", "lower above upper limit", "gate window 0", "non-finite number",
    "replay of a truncated file", "replay of a locked file", "replay of a wrong group",
    "replay of text", "replay of a zip", "replay of a 0-byte file",
    "HDF5 external link", "HDF5 soft link out", "HDF5 huge chunk", "gzip bomb (1000:1)",
    "../ path", "absolute path", "symlink", "port busy", "name clash",
    "WebSocket: 100 MB text", "WebSocket: wrong Origin", "WebSocket: binary where JSON is due",
    "WebSocket: acknowledgement storm",
    "ZeroMQ: garbage multipart", "ZeroMQ: wrong key", "ZeroMQ: 4 GB frame",
    "OpenIGTLink: body_size 2^63", "OpenIGTLink: bad CRC", "OpenIGTLink: mid-header close",
    "DICOM peer: association rejected", "DICOM peer: abort in mid-store",
)  # fmt: skip


@pytest.fixture(scope="module")
def rows(root):
    """What is said and which test shows it, by input."""
    return {row[0]: row[1:] for row in rows_of(root, "bad_inputs.md")}


@pytest.mark.parametrize("name", INPUTS)
def test_each_input_has_a_row(rows, name):
    assert name in rows


def test_each_row_says_something_and_names_a_test_that_exists(rows, root):
    for name, row in rows.items():
        assert len(row) == 2, name
        said, test = row
        assert said, name
        assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", test), f"{name}: {test}"
        check_tests(root, name, test)
