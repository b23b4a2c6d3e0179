"""The log of beams: no unit is lost, nothing impossible is taken, a replay has the same."""

import math

import numpy as np
import pytest

from messages import BeamLog, MonitorError
from realtime.device_beam import BEAM_FILE, MOST_BEAMS, DeviceBeam
from realtime.device_log import APART_S
from realtime.mailbox import BEAM_STEPS, Layout, Mailbox, anonymous_memory
from realtime.requests import BeamReport, read_request


@pytest.fixture
def mailbox():
    layout = Layout(n_slots=1, n_readouts=1, n_coils=1, n_samples=1, n_pixels=1)
    mailbox = Mailbox(layout, anonymous_memory("test", layout.total_bytes))
    mailbox.slots[0]["time_s"] = 1.0
    return mailbox


def written(beam, mailbox, frame):
    mailbox.slots[0]["frame_id"] = frame
    beam.write(mailbox.slots[0])
    return mailbox.beam(0)


def rows(log):
    columns = (log.time_s, log.number, log.is_on, log.mu)
    return list(zip(*(one.tolist() for one in columns), strict=True))


def say(beam, number, is_on, mu, time_s, now_s=0.0):
    beam.take(BeamReport(number, is_on, mu, time_s), now_s=now_s)


def test_the_log_reaches_the_frame_as_it_was_said(mailbox):
    beam = DeviceBeam()
    said = [(1.0, 1, True, 0.0), (2.0, 1, False, 10.0), (2.5, 2, True, 0.0), (3.5, 2, True, 10.0)]
    for time_s, number, is_on, mu in said:
        say(beam, number, is_on, mu, time_s)
    log = written(beam, mailbox, 0)
    assert rows(log) == said
    assert log.is_beam_on
    assert log.delivered_mu(1, 1.5) == 5.0
    assert log.delivered_mu(2, 9.0) == 10.0


def test_what_is_asked_on_the_wire():
    text = b'{"type": "beam", "number": 3, "is_on": true, "mu": 12.5, "time_s": 1.25}'
    assert read_request(text) == BeamReport(3, True, 12.5, 1.25)
    timeless = text.replace(b', "time_s": 1.25', b"")
    assert read_request(timeless) == BeamReport(3, True, 12.5, None)


@pytest.mark.parametrize(
    "changed",
    [
        '"number": -1',
        '"number": 1.5',
        '"number": 4294967296',
        '"is_on": 1',
        '"mu": -0.1',
        '"mu": 1e6',
        '"mu": NaN',
        '"mu": null',
        '"time_s": -1.0',
        '"time_s": 1e12',
        '"dose": 1.0',
    ],
)
def test_a_report_out_of_range_is_no_request(changed):
    fields = {"number": "1", "is_on": "true", "mu": "1.0", "time_s": "1.0"}
    name, value = changed.replace('"', "").split(": ")
    fields[name] = value
    text = ", ".join(f'"{key}": {one}' for key, one in fields.items())
    with pytest.raises(ValueError):  # noqa: PT011 - the words are msgspec's
        read_request(f'{{"type": "beam", {text}}}'.encode())


def test_units_that_fall_are_refused_and_leave_no_trace(mailbox):
    beam = DeviceBeam()
    say(beam, 1, True, 5.0, 1.0)
    say(beam, 2, True, 1.0, 2.0)  # another beam counts for itself
    with pytest.raises(MonitorError, match=r"beam: mu of beam 1 is 4, it was 5:"):
        say(beam, 1, True, 4.0, 3.0)
    assert rows(written(beam, mailbox, 0)) == [(1.0, 1, True, 5.0), (2.0, 2, True, 1.0)]


def test_a_time_before_the_last_report_or_far_ahead_is_refused():
    beam = DeviceBeam()
    say(beam, 1, True, 5.0, 10.0, now_s=10.0)
    with pytest.raises(MonitorError, match=r"beam: time_s is 9, the report before was of 10"):
        say(beam, 1, True, 6.0, 9.0, now_s=10.0)
    with pytest.raises(MonitorError, match=r"beam: time_s is 100, expected at most 70\.0"):
        say(beam, 1, True, 6.0, 100.0, now_s=10.0)
    say(beam, 1, True, 6.0, None, now_s=9.99)  # its arrival is our own estimate: it comes after
    assert beam.latest.time_s == pytest.approx(10.0 + APART_S)


def test_two_reports_of_one_moment_keep_their_order_and_both_are_merged(mailbox):
    """Beam 1 ends and beam 2 begins at one moment, with a frame between the two reports."""
    beam = DeviceBeam()
    say(beam, 1, True, 0.0, 1.0)
    say(beam, 1, False, 10.0, 2.0)
    first = written(beam, mailbox, 0)
    say(beam, 2, True, 0.0, 2.0)
    last = written(beam, mailbox, 1)
    second = BeamLog(last.time_s[2:], last.number[2:], last.is_on[2:], last.mu[2:])
    both = first.merged(second)
    assert [one[1:] for one in rows(both)] == [(1, True, 0.0), (1, False, 10.0), (2, True, 0.0)]
    assert both.is_beam_on


def test_units_of_every_beam_before_the_clock_count_from_the_beginning(mailbox):
    """A monitor that is started anew in the middle of a fraction."""
    beam = DeviceBeam()
    say(beam, 1, True, 70.0, None, now_s=math.nan)
    say(beam, 1, False, 80.0, None, now_s=math.nan)
    say(beam, 2, True, 15.0, None, now_s=math.nan)
    mailbox.slots[0]["time_s"] = math.nan
    assert not written(beam, mailbox, 0).is_known
    mailbox.slots[0]["time_s"] = 1.5
    log = written(beam, mailbox, 1)
    assert log.delivered_mu(1, 1.0) == 80.0
    assert log.delivered_mu(2, 1.0) == 15.0
    assert log.time_s.tolist() == [0.0, APART_S]


def test_a_flood_between_two_frames_loses_no_unit(mailbox):
    """Three thousand edges of a pulsed beam, over four beams, before one frame."""
    beam, rng = DeviceBeam(), np.random.default_rng(3)
    times_s = np.sort(rng.uniform(1.0, 5.0, 3000))
    units = dict.fromkeys(range(1, 5), 0.0)
    truth = []
    for index, time_s in enumerate(times_s):
        number = 1 + index * 4 // times_s.size
        units[number] += float(rng.uniform(0, 0.2)) if index % 2 else 0.0
        truth.append((float(time_s), number, index % 2 == 0, units[number]))
        say(beam, number, index % 2 == 0, units[number], float(time_s))
    log = written(beam, mailbox, 0)
    assert log.time_s.size == BEAM_STEPS
    assert np.all(np.diff(log.time_s) > 0)
    whole = BeamLog(*(np.array(one) for one in zip(*truth, strict=True)))
    for number, total in units.items():
        assert log.delivered_mu(number, 9.0) == total
        for at_s in np.linspace(1.0, 5.0, 41):
            error = log.delivered_mu(number, at_s) - whole.delivered_mu(number, at_s)
            assert abs(error) < 0.02 * total
    assert log.is_beam_on == truth[-1][2]


def test_the_first_and_last_report_of_many_beams_survive_a_flood(mailbox):
    beam = DeviceBeam()
    for step in range(400):
        number = step % MOST_BEAMS
        say(beam, number, True, float(step), 1.0 + step, now_s=400.0)
    log = written(beam, mailbox, 0)
    for number in range(MOST_BEAMS):
        assert log.delivered_mu(number, 1e4) == max(range(number, 400, MOST_BEAMS))
    with pytest.raises(MonitorError, match=f"beam: number {MOST_BEAMS} is one more than"):
        say(beam, MOST_BEAMS, True, 0.0, 401.0, now_s=400.0)


def test_a_replay_gives_each_frame_what_it_had(mailbox, tmp_path):
    live = DeviceBeam()
    live.open(tmp_path)
    seen, frames = [], [0, 2, 3, 90]
    for frame in frames:  # frame 1 was lost: its reports come with frame 2
        for n in range(40):
            time_s = frame + n / 50 + 1 / 3
            say(live, 1 + frame % 2, n % 3 > 0, 10 * time_s, time_s, now_s=100.0)
        seen.append(rows(written(live, mailbox, frame)))
    live.close()
    live._recorder.close()
    again = DeviceBeam()
    again.open(None, recording=tmp_path / "raw.mrd")
    assert [rows(written(again, mailbox, frame)) for frame in frames] == seen
    assert (tmp_path / BEAM_FILE).read_text().startswith("time_s,number,is_on,mu,frame\n")


def test_what_comes_after_the_last_frame_is_kept_too_and_a_replay_keeps_it(mailbox, tmp_path):
    live = DeviceBeam()
    live.open(tmp_path)
    say(live, 1, True, 1.0, 1.0)
    seen = rows(written(live, mailbox, 7))
    say(live, 1, False, 3.0, 1.2)
    live.close()
    live._recorder.close()
    kept = (tmp_path / BEAM_FILE).read_text()
    assert kept.splitlines()[-1] == "1.2,1,0,3.0,8"
    again, other = DeviceBeam(), tmp_path / "again"
    other.mkdir()
    again.open(other, recording=tmp_path / "raw.mrd")
    assert rows(written(again, mailbox, 7)) == seen
    again.close()
    again._recorder.close()
    assert (other / BEAM_FILE).read_text() == kept


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "time_s,number,is_on,mu,frame\n1,1,2,0,0\n",
        "time_s,number,is_on,mu,frame\n1,1,1,inf,0\n",
        "time_s,number,is_on,mu\n1,1,1,0\n",
    ],
)
def test_a_file_of_beams_that_is_none_is_refused(tmp_path, text):
    (tmp_path / BEAM_FILE).write_text(text)
    with pytest.raises(MonitorError, match=r"beams\.csv"):
        DeviceBeam().open(None, recording=tmp_path / "raw.mrd")
