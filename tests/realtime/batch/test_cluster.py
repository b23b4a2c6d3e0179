"""The same jobs on Dask, on loopback."""

import pytest

distributed = pytest.importorskip("distributed")

from messages import MonitorError  # noqa: E402 - after the extra that this needs
from realtime.batch.cluster import check_address  # noqa: E402
from tests.realtime.batch.small_archive import assert_same_run, command, recorded, table  # noqa: E402


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tls://a.b:8786"])
def test_addresses_that_may_be_spoken_to(address):
    check_address(address, is_unencrypted=False)


def test_an_unencrypted_address_elsewhere_wants_to_be_written():
    with pytest.raises(MonitorError, match="unencrypted; use tls://"):
        check_address("tcp://10.0.0.1:8786", is_unencrypted=False)
    check_address("tcp://10.0.0.1:8786", is_unencrypted=True)


@pytest.mark.parametrize(
    "address", ["", "8786", "http://127.0.0.1:8787", "inproc://a/1", "tcp://a"]
)
def test_what_is_no_address(address):
    with pytest.raises(MonitorError, match="expected tcp://HOST:PORT"):
        check_address(address, is_unencrypted=True)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed")
def test_a_cluster_gives_what_this_machine_gives(protocol, tmp_path):
    recorded(tmp_path / "archive" / "one.mrd", 3)
    (tmp_path / "archive" / "none.mrd").write_bytes(b"Doe^Jane")
    arguments = ["batch", tmp_path / "archive", f"--protocol={protocol}"]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        status, said = command(
            *arguments, f"--out={tmp_path / 'there'}", f"--scheduler={cluster.scheduler_address}"
        )
    assert status == 1, said
    rows = {row["state"]: row for row in table(tmp_path / "there")}
    assert rows["done"]["frames"] == "3"
    assert "is neither ISMRMRD HDF5 nor an MRD stream" in rows["failed"]["why"]
    replayed = tmp_path / "replayed"
    status, said = command(
        "replay", tmp_path / "archive" / "one.mrd", f"--protocol={protocol}", f"--out={replayed}",
        "--no-report", "--no-record",
    )  # fmt: skip
    assert status == 0, said
    assert_same_run(replayed, tmp_path / "there" / rows["done"]["run"])


@pytest.mark.slow
def test_workers_with_threads_and_no_scheduler_are_refused(protocol, tmp_path):
    recorded(tmp_path / "archive" / "one.mrd", 1)
    arguments = ["batch", tmp_path / "archive", f"--protocol={protocol}"]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        status, said = command(*arguments, f"--out={tmp_path / 'a'}", f"--scheduler={address}")
    assert status == 1
    assert "has 2 threads; start it with --nthreads 1" in said
