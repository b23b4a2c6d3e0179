from pathlib import Path

import pytest

from tests.harness import PROTOCOL


@pytest.fixture(scope="session")
def protocol(tmp_path_factory) -> Path:
    """A protocol file for these recordings."""
    path = tmp_path_factory.mktemp("protocol") / "small.toml"
    path.write_text(PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0))
    return path
