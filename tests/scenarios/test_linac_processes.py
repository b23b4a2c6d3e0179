"""Processes that die in mid-beam of an MR-linac: what the next one knows, and must not pretend."""

import csv
import json
import os
import signal
from itertools import groupby

import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.protocol import parse_protocol
from simulators.beam import plan_of, write_rt_set
from simulators.linac import Still, linac_scan
from simulators.mrd import close_message, header_message
from tests.harness import running
from tests.realtime.linac_treatment import protocol_with

pytestmark = pytest.mark.slow

N_TRAINING, KILLED = 8, 18
BEAM_FROM = 13  # at which frame the beam is on
# times that a busy machine can keep
PATIENT_TIMES = tuple(
    (f"{name} = {was}", f"{name} = {now}")
    for name, was, now in (
        ("frame_deadline_ms", "60.0", "4000.0"), ("lease_ms", "280.0", "30000.0"),
        ("stall_ms", "250.0", "20000.0"), ("max_gap_s", "0.3", "600.0"),
        ("latency_ms", "250.0", "500.0"),
    )
)  # fmt: skip


def protocol_beside(folder, scan):
    """A protocol with a plan, whose files lie in the folder."""
    beams = write_rt_set(plan_of(scan.scene.bodies[0], scan.scene.origin_mm), folder)
    quick = protocol_with(training_frames=N_TRAINING, gate_center='"reference"', swap=PATIENT_TIMES)
    files = f'plan = "plan.dcm"\nstructures = "structures.dcm"\nbeams = {json.dumps(beams)}'
    text = f'{quick.text}\n[dose]\n{files}\ntarget = "target"\n'
    (folder / "protocol.toml").write_text(text)
    return parse_protocol(text, folder=folder)


class Treatment:
    """A scanner that sends frame by frame, and an accelerator that reports after each."""

    def __init__(self, gateway, scan, frames):
        self.gateway, self._scan, self._frames = gateway, scan, frames
        self.client = gateway.connect()
        self.client.send(header_message(scan.header_xml()))
        self.next, self.mu = 0, 0.0

    def messages(self):
        """The next frame's readouts; the noise scan goes with the first."""
        self.next += 1
        return self._frames[self.next - 1]

    def play(self, messages=None):
        """Send a frame and return its verdict."""
        number = self.next - (messages is not None)
        mark = self.gateway.events.n_seen
        self.client.send(*(self.messages() if messages is None else messages))
        verdict = self.gateway.events.wait(
            lambda t, n: t == "verdict" and n.frame_id == number, after=mark
        )
        if number >= BEAM_FROM:
            self.report(number)
        return verdict

    def report(self, number):
        """Say that the beam is on, and a unit more."""
        self.mu += 1.0
        report = {"type": "beam", "number": 1, "is_on": True, "mu": self.mu}
        report["time_s"] = self._scan.center_time_s(number) - self._scan.center_time_s(0) + 0.01
        (answer,) = self.gateway.ask(json.dumps(report).encode())
        assert b"done" in b"".join(answer), answer

    def until_computed(self):
        """Play frames until one is computed."""
        while True:
            verdict = self.play()
            if verdict.outcome == "COMPUTED":
                return verdict

    def kill_worker(self):
        """End the worker in the middle of a frame; return the frame's verdict."""
        messages, mark = self.messages(), self.gateway.events.n_seen
        number = self.next - 1
        self.client.send(*messages[: len(messages) // 2])
        os.kill(self.gateway.gateway.worker_pid, signal.SIGKILL)
        fault = self.gateway.events.wait(
            lambda t, n: t == "verdict" and n.frame_id == number, after=mark
        )
        self.client.send(*messages[len(messages) // 2 :])
        return fault

    def acknowledge_all(self):
        """What a person does."""
        for alert_id in {one.alert_id for one in self.gateway.since(0, "alert")}:
            request = {"type": "acknowledge", "alert_id": alert_id, "who": "test"}
            self.gateway.ask(json.dumps(request).encode())


@pytest.fixture(scope="module")
def scan():
    return linac_scan("lung-sagittal", motion=Still(), n_frames=48)


@pytest.fixture(scope="module")
def frames(scan):
    by_frame = groupby(scan.readouts(), key=lambda one: max(one.frame, 0))
    return [[one.message for one in readouts] for _, readouts in by_frame]


@pytest.fixture
def treatment(tmp_path, scan, frames):
    protocol = protocol_beside(tmp_path, scan)
    with running(tmp_path / "runs", protocol, is_recording=True) as gateway:
        one = Treatment(gateway, scan, frames)
        yield one
        one.client.hang_up()


def test_a_worker_killed_twice_in_mid_beam(treatment):
    verdicts = [treatment.play() for _ in range(KILLED)]
    before = verdicts[-1]
    assert before.permit == "GRANTED", before.findings
    assert before.delivered.mu > 0
    for _ in range(2):
        fault = treatment.kill_worker()
        assert fault.outcome == "FAULT"
        assert fault.permit == "HELD"
        after = treatment.until_computed()
        assert after.permit == "HELD", "latched until a person has looked"
        # its checkpoint: the same reference, and no unit lost
        assert after.motion.reference_frame == before.motion.reference_frame
        assert after.baseline_frames == N_TRAINING
        assert after.delivered.interrupted
        assert after.delivered.mu >= before.delivered.mu
        assert {one.rule for one in after.findings} >= {"dose-interrupted"}
        treatment.acknowledge_all()
        for _ in range(3):  # two good frames clear an alert
            after = treatment.play()
        assert after.permit == "GRANTED"
        before = after
    assert treatment.play().delivered.mu == pytest.approx(treatment.mu - 1.0, abs=1.01)
    answered = [one.frame_id for one in treatment.gateway.since(0, "verdict")]
    assert len(answered) == len(set(answered))


def rows(path):
    with path.open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if not name.endswith("_ms")}
            for row in csv.DictReader(file)
        ]


def test_the_run_folder_s_process_dies_in_mid_beam(treatment, tmp_path):
    """The treatment goes on; the recording is another process's, and replays to the same."""
    for _ in range(KILLED):
        treatment.play()
    mark = treatment.gateway.mark()
    os.kill(treatment.gateway.gateway._scribe.pid, signal.SIGKILL)
    verdicts = [treatment.play() for _ in range(4)]
    assert [one.permit for one in verdicts] == ["GRANTED"] * 4
    treatment.gateway.events.wait(
        lambda t, n: t == "alert" and n.event == "journal.warn", after=mark
    )
    treatment.client.send(close_message())
    treatment.client.read_to_end()
    (run,) = [path.parent for path in (tmp_path / "runs").rglob("raw.mrd")]
    again = tmp_path / "again"
    done = CliRunner().invoke(
        main,
        ["replay", str(run / "raw.mrd"), "--protocol", str(tmp_path / "protocol.toml"),
         "--out", str(again), "--no-report"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    replayed = {int(one["frame"]): one for one in rows(again / "dose.csv")}
    for one in verdicts:
        assert float(replayed[one.frame_id]["mu"]) == one.delivered.mu


def test_a_simulator_killed_in_mid_frame_is_a_lost_stream(treatment):
    for _ in range(KILLED):
        last = treatment.play()
    assert last.permit == "GRANTED"
    mark, messages = treatment.gateway.mark(), treatment.messages()
    treatment.client.send(*messages[:10], messages[10][:100])
    treatment.client.hang_up()
    permit = treatment.gateway.events.wait(
        lambda t, n: t == "permit" and n.state == "HELD", after=mark
    )
    assert permit.reason
    treatment.gateway.events.topic("run.stop")
    (folder,) = treatment.gateway.gateway.folders
    assert len(rows(folder / "motion.csv")) >= KILLED
