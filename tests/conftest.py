"""Fixtures for every test: the real scans, and gateways that run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from tests.harness import Running, Scan, running


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real scans, beside the checkout or where MRMONITOR_DATA says."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("MRMONITOR_DATA", root.parent / "shared" / "data")) / "mrd"
    if not folder.is_dir():
        pytest.skip(f"no real scans at {folder}; set MRMONITOR_DATA")
    return folder


@pytest.fixture
def scan() -> Scan:
    return Scan()


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One live gateway for a module: a start costs seconds."""
    with running(tmp_path_factory.mktemp("gateway")) as it, pytest.MonkeyPatch.context() as patch:
        # a module tries more mistakes in a minute than are told one by one
        patch.setattr("realtime.refusals.MOST_TOLD", 1000)
        yield it


@pytest.fixture(autouse=True)
def _tests_stay_ordinary_work(monkeypatch):
    """A gateway within this process must not make the tests themselves go before all else."""
    monkeypatch.setattr("realtime.gateway.tune_gateway", lambda _: [])


@pytest.fixture(scope="session", autouse=True)
def _one_thread_a_process():
    """As the worker has it: two threads on two cores make small products ten times slower."""
    with threadpool_limits(limits=1):
        yield
