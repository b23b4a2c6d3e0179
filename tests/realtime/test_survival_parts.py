"""The parts of survival by themselves: who is the same, what is ours, what is taken over."""

import os
from dataclasses import replace

import numpy as np
import pytest

from messages import Alert, MonitorError, Pose
from messages.codec import encode
from motion.dose import Accumulator, taken_over
from realtime import pipeline
from realtime.alerts.journal import Journal, Row, read_since
from realtime.alerts.spool import AlertSpool, read_spool
from realtime.pipeline_inheritance import with_inheritance
from realtime.pipeline_state import PipelineState, SliceState
from realtime.streams.mrd_decoder import Decoder
from realtime.survival.folder_lock import FolderLock
from realtime.survival.identity import treatment_digest
from realtime.survival.memory_folder import MemoryFolder
from realtime.survival.open_runs import OpenRun, OpenRuns
from realtime.survival.standing import standing
from simulators.linac import CosFour, linac_scan
from tests.harness import Scan, header_message
from tests.motion.dose.plans import along, log, played, ramp_plan
from tests.realtime.linac_treatment import protocol_with, treated
from thermometry import start_dose

UTC = "2026-01-01T00:00:00.000+00:00"
PATIENT = b"<subjectInformation><patientID>%s</patientID></subjectInformation><encoding>"


def asked(xml=None, **pose):
    """Header and first readout of the small scan, with another header or place."""
    scan, decoder = Scan(), Decoder()
    decoder.feed(header_message(xml or scan.header()) + scan.frame(0)[0])
    header, first = (event for event in decoder.events())
    return header.header, replace(first, pose=replace(first.pose, **pose))


def digest(run="r", protocol="p", xml=None, **pose):
    return treatment_digest(run, protocol, *asked(xml, **pose))


def with_patient(name):
    return Scan().header().replace(b"<encoding>", PATIENT % name, 1)


def test_the_same_scan_is_the_same_treatment_whatever_the_hour():
    xml = with_patient(b"1")
    again = xml.replace(
        b"<encoding>",
        b"<measurementInformation><measurementID>9</measurementID></measurementInformation>"
        b"<encoding>",
        1,
    )
    assert digest(xml=xml) == digest(xml=again)
    assert digest(position_mm=(0.0, 0.0, 0.001)) == digest()


@pytest.mark.parametrize(
    "other",
    [
        {"run": "s"},
        {"protocol": "q"},
        {"xml": with_patient(b"2")},
        {"xml": with_patient(b"")},
        {"xml": Scan(n_slices=2).header()},
        {"position_mm": (0.0, 0.0, 0.02)},
        {"patient_table_position": (0.0, 0.0, 1.0)},
        {"slice_dir": (0.0, 0.001, 1.0)},
    ],
)
def test_any_other_patient_protocol_geometry_or_place_is_another(other):
    base = {"xml": with_patient(b"1")} if "xml" in other and b"subject" in other["xml"] else {}
    assert digest(**{**base, **other}) != digest(**base)


def test_memory_is_ours_alone_and_a_file_is_made_new(tmp_path):
    memory = MemoryFolder(tmp_path / "out", root=tmp_path)
    name, fd = memory.create()
    path = memory.path / name
    assert path.stat().st_mode & 0o777 == 0o600
    assert memory.path.stat().st_mode & 0o777 == 0o700
    with pytest.raises(MonitorError, match="still runs"):
        memory.open(name)  # whoever may write it has it locked
    os.close(fd)
    os.close(memory.open(name))
    path.chmod(0o644)
    with pytest.raises(MonitorError, match="not ours alone"):
        memory.open(name)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MonitorError):
        memory.open(name)
    with pytest.raises(FileNotFoundError):
        memory.open("none.state")
    with pytest.raises(MonitorError, match="MiB free"):
        memory.create(room_bytes=1 << 60)
    memory.remove(name)
    memory.close()
    assert not memory.path.exists()


def test_a_folder_that_others_can_enter_is_refused(tmp_path):
    (tmp_path / f"mrmonitor-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(MonitorError, match="not ours alone"):
        MemoryFolder(tmp_path / "out", root=tmp_path)


def test_what_other_folders_left_goes_when_it_is_old_and_nobody_runs(tmp_path):
    old, new = (MemoryFolder(tmp_path / name, root=tmp_path) for name in ("old", "new"))
    os.close(old.create()[1])
    new.sweep(older_than_utc_s=1e12)
    assert old.path.exists()  # its monitor runs
    old.close()
    new.sweep(older_than_utc_s=0.0)
    assert old.path.exists()  # it is not old
    new.sweep(older_than_utc_s=1e12)
    assert not old.path.exists()
    new.close()


def test_markers_that_cannot_be_read_are_named_and_kept(tmp_path):
    runs = OpenRuns(tmp_path)
    run = OpenRun("e-001", "digest", "mrgfus", "a.state", "1", UTC)
    runs.write(run)
    whole = (tmp_path / "open-runs" / "e-001.json").read_bytes()
    bad = {
        "bad.json": b"{",
        "e-002.json": whole,  # another's
        "no-time.json": whole.replace(b"e-001", b"no-time").replace(UTC.encode(), b"yesterday"),
        "no-zone.json": whole.replace(b"e-001", b"no-zone").replace(b"+00:00", b""),
        "not-utf8.json": whole.replace(b"e-001", b"\xff"),
        "other.json": b'{"run_id": "e-001"}',
    }
    for name, text in bad.items():
        (tmp_path / "open-runs" / name).write_bytes(text)
    assert runs.read() == ([run], list(bad))
    runs.set_aside("bad.json")
    runs.remove("e-001")
    assert runs.read() == ([], list(bad)[1:])
    assert (tmp_path / "open-runs" / "bad.unreadable").read_text() == "{"


def row(sequence, state="raised", *, latched=True, alert_id=0):
    alert = Alert(alert_id, "drift.warn", "high", latched, state, f"alert {alert_id}")
    _, header = encode(alert, epoch="e", sequence=sequence)
    return Row("e", sequence, "alert", bytes(header), UTC)


def test_only_latched_alerts_that_nothing_withdrew_stood():
    rows = [row(1), row(2, alert_id=1), row(3, latched=False, alert_id=2), row(4, "withdrawn")]
    rows.append(Row("e", 5, "alert", b"no JSON", UTC))
    assert [one.alert_id for one in standing(rows)] == [1]


def test_a_spool_keeps_what_is_not_on_disk_and_survives_half_a_line(tmp_path):
    spool = AlertSpool(tmp_path, epoch="e")
    spool.add(row(1))
    spool.clear()
    spool.add(row(2))
    spool.add(row(3))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    assert [one.sequence for one in read_spool(path)] == [2]
    spool.close()
    assert path.exists()
    journal = Journal(tmp_path / "j.db", epoch="f")
    journal.recover([row(1), row(2)])
    journal.recover([row(2), row(3)])
    journal.close()
    assert [one.sequence for one in read_since(tmp_path / "j.db", "e", 0)] == [1, 2, 3]


def test_where_memory_has_no_room_for_a_spool_the_disk_alone_keeps_alerts(tmp_path):
    spool = AlertSpool(tmp_path / "none", epoch="e")
    spool.add(row(1))
    spool.clear()
    spool.close()


def test_nobody_else_can_lock_a_folder_of_runs(tmp_path):
    lock = FolderLock(tmp_path)
    assert (tmp_path / "monitor.lock").stat().st_mode & 0o077 == 0
    lock.close()


def test_a_line_that_memory_took_only_half_of_spoils_no_other(tmp_path, monkeypatch):
    spool, write = AlertSpool(tmp_path, epoch="e"), os.write
    spool.add(row(1))
    monkeypatch.setattr(os, "write", lambda fd, text: write(fd, text[: len(text) // 2]))
    spool.add(row(2))
    monkeypatch.setattr(os, "write", write)
    spool.add(row(3))
    (path,) = tmp_path.iterdir()
    assert [one.sequence for one in read_spool(path)] == [1, 3]
    spool.close()


def test_units_are_counted_on_and_what_came_meanwhile_is_unplaced():
    times, at_rest = np.arange(0.0, 5.01, 0.125), (0.0, 0.0, 0.0)
    accumulator = Accumulator(ramp_plan())
    told = log((0.0, 1, 0.0), (5.0, 1, 50.0))
    state, before = played(accumulator, along(times, lambda _: at_rest), [told] * len(times))
    state = taken_over(state)
    # the clock begins anew, the beam has gone on: 20 units came while nobody looked
    more = log((1.0, 1, 70.0), (2.0, 1, 80.0))
    for place in along(np.arange(0.0, 3.0, 0.125), lambda _: at_rest):
        state, after = accumulator.step(state, place, more)
    assert before[-1].mu == pytest.approx(50.0)
    assert after.mu == pytest.approx(80.0)
    assert after.so_far[0].mean_gy == pytest.approx(16.0, abs=1e-3)
    assert after.unplaced_mu == pytest.approx(20.0)
    assert after.interrupted
    assert not after.doubts


def test_a_count_that_begins_again_at_zero_takes_nothing_back_and_is_doubted():
    accumulator = Accumulator(ramp_plan())
    times = np.arange(0.0, 5.01, 0.125)
    told = log((0.0, 1, 0.0), (5.0, 1, 50.0))
    state, _ = played(accumulator, along(times, lambda _: (0.0, 0.0, 0.0)), [told] * len(times))
    state = taken_over(state)
    for place in along(np.arange(0.0, 3.0, 0.125), lambda _: (0.0, 0.0, 0.0)):
        state, after = accumulator.step(state, place, log((1.0, 1, 0.0), (2.0, 1, 10.0)))
    assert after.mu == pytest.approx(50.0)
    assert after.so_far[0].mean_gy == pytest.approx(10.0, abs=1e-3)
    assert any("fell" in doubt for doubt in after.doubts)


@pytest.mark.slow
def test_a_linac_session_that_goes_on_trains_anew_and_has_its_dose():
    motion = CosFour(depth_mm=(0.0, -2.0, -8.0), period_s=3.0)
    scan = linac_scan("lung-sagittal", motion=motion, n_frames=30)
    protocol = protocol_with(training_frames=12, gate_center='"reference"')
    first, _ = treated(scan, protocol)
    accumulator = Accumulator(ramp_plan())
    told = log((0.0, 1, 0.0), (5.0, 1, 50.0))
    places = along(np.arange(0.0, 5.01, 0.125), lambda _: (0.0, 0.0, 0.0))
    delivery, _ = played(accumulator, places, [told] * len(places))
    left = replace(first.state, delivery=delivery)

    class GoesOn(type(first)):
        def take(self, acquisition):
            if not self.verdicts and not self.state.slices:
                self.state = pipeline.inherit(left)
            return super().take(acquisition)

    second, _ = treated(scan, protocol, monitor=GoesOn(protocol, scan.header_xml()))
    found = [{one.rule for one in verdict.findings} for verdict in second.verdicts]
    # the new reference image is the session's own: it is not lost, and it is learned as at first
    assert not any("reference-lost" in rules for rules in found)
    assert [one.decision for one in second.verdicts] == [one.decision for one in first.verdicts]
    assert second.state.delivery.is_interrupted
    assert [one.mu for one in second.state.delivery.counters] == [50.0]


def test_another_place_or_number_of_pixels_takes_nothing_over():
    stream = (0, 0, 0, 0)
    dose = replace(start_dose((1, 4, 4)), dose_min=np.ones((1, 4, 4)), time_s=900.0)
    left = PipelineState(slices={stream: SliceState({}, dose=dose, pose=Pose())})
    inherited = pipeline.inherit(left).inherited

    def opened(pose, shape=(1, 4, 4), at=stream):
        fresh = SliceState({}, dose=start_dose(shape), pose=pose)
        return with_inheritance(fresh, inherited, at).dose

    here = opened(Pose())
    assert here.dose_min.min() == 1.0
    assert here.interrupted
    assert here.time_s == -np.inf  # the clock is another
    assert np.isnan(here.last_time_s).all()
    for other in (
        opened(Pose(position_mm=(0.0, 0.0, 0.02))),
        opened(Pose(), (1, 4, 5)),
        opened(Pose(), at=(1, 0, 0, 0)),
        opened(None),
    ):
        assert other.dose_min.max() == 0.0
        assert other.interrupted
    # nothing of it is forgotten by a second kill before the slice was imaged again
    again = pipeline.inherit(PipelineState(inherited=inherited)).inherited
    assert again.streams[stream].dose.dose_min.min() == 1.0
