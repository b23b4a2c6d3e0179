"""What the doctor finds, and what it says of latency."""

import json
import os
import resource
import socket

import pytest
from click.testing import CliRunner

from realtime.cli import doctor_install, doctor_machine, doctor_rehearsal, main


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(doctor_rehearsal, "LASTS_NS", 20_000_000)
    monkeypatch.setattr(doctor_install, "_N_SYNCS", 3)


def examined(folder):
    result = CliRunner().invoke(main, ["doctor", f"--out={folder}", "--json"])
    told = json.loads(result.stdout)
    return {one["what"]: one for one in told["findings"]}, told["what_limits_latency"], result


def test_this_machine_is_found_fit(tmp_path):
    result = CliRunner().invoke(main, ["doctor", f"--out={tmp_path}"])
    assert result.exit_code == 0, result.output
    assert "memfd works" in result.output
    assert "What will limit latency here:" in result.output


def test_where_nothing_can_be_written_it_fails(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    found, _, result = examined(file / "runs")
    assert result.exit_code == 1
    assert "run folders" in result.stderr
    assert found["run folders"]["state"] == "fail"


def test_what_is_wanting_is_told_with_what_it_costs(tmp_path, monkeypatch):
    groups = tmp_path / "cgroup"
    groups.mkdir()
    (groups / "cpu.max").write_text("150000 100000\n")
    huge_pages = tmp_path / "enabled"
    huge_pages.write_text("[always] madvise never\n")
    monkeypatch.setattr(doctor_machine, "_GROUPS", groups)
    monkeypatch.setattr(doctor_machine, "_HUGE_PAGES", huge_pages)
    monkeypatch.setattr(doctor_machine, "governor", lambda: "powersave")
    monkeypatch.setattr(doctor_machine, "may_lock_memory", lambda: False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    found, limits, result = examined(tmp_path)
    assert result.exit_code == 0
    assert "1.5 cores" in found["container"]["text"]
    wanting = ("cores", "container", "huge pages", "locked memory", "frequency governor")
    assert [found[what]["state"] for what in wanting] == ["warn"] * 5
    assert all(found[what]["costs"] in limits for what in wanting)


def test_a_group_without_a_limit_is_no_ration(tmp_path, monkeypatch):
    (tmp_path / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(doctor_machine, "_GROUPS", tmp_path)
    assert doctor_machine._rationed_cores() is None


def test_other_work_that_puts_us_off_is_what_limits(monkeypatch):
    late = doctor_rehearsal.Spread(0.1, 8.0, 31.0)
    monkeypatch.setattr(doctor_rehearsal, "wake_lateness", lambda _: late)
    monkeypatch.setattr(doctor_rehearsal, "may_go_first", lambda: False)
    wakes, _ = doctor_rehearsal.rehearsed()
    assert wakes.state == "warn"
    assert "31 ms" in wakes.costs


def test_only_the_way_in_which_serve_will_run_is_judged(monkeypatch):
    spreads = iter(
        [doctor_rehearsal.Spread(0.1, 8.0, 31.0), doctor_rehearsal.Spread(0.0, 0.1, 0.2)]
    )
    monkeypatch.setattr(doctor_rehearsal, "wake_lateness", lambda _: next(spreads))
    monkeypatch.setattr(doctor_rehearsal, "may_go_first", lambda: True)
    monkeypatch.setattr(doctor_rehearsal, "_first", doctor_rehearsal.wake_lateness)
    assert [one.state for one in doctor_rehearsal.rehearsed()] == ["ok"] * 3


def test_the_priority_is_given_back():
    before = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    doctor_rehearsal.rehearsed()
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before


def test_a_port_that_is_taken_is_told_with_what_it_is_for(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setattr(doctor_install, "_PORTS", {port: "metrics"})
        assert f"{port} (metrics)" in doctor_install._ports().text


def test_every_package_that_the_project_names_is_looked_at():
    text = doctor_install._packages().text
    assert all(f"{name} " in text for name in ("mr-therapy-monitor", "numpy", "pyzmq", "uvicorn"))
    extras = doctor_install._extras().text
    assert "mrd2" in extras
    assert "dev" not in extras


def test_a_missing_package_is_what_it_cannot_do_without(monkeypatch):
    monkeypatch.setattr(doctor_install, "_required", lambda extra="": ["no-such-package"])
    found = doctor_install._packages()
    assert (found.state, found.text) == ("fail", "not installed: no-such-package")


def test_few_open_files_are_told(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert doctor_machine._descriptors().state == "warn"
