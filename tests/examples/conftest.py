import pytest

from tests.harness import running


@pytest.fixture(scope="package")
def shared_gateway(tmp_path_factory):
    """One live gateway for all examples."""
    with running(tmp_path_factory.mktemp("gateway")) as it:
        yield it
