"""What a machine is too slow for is refused with figures and what would fit; iterations are chosen.

The clock is driven by the reconstruction: each frame takes what the machine of the test takes.
"""

import re
from dataclasses import replace

import pytest

from messages import Encoding, EncodingLimit, MonitorError, Pose, SessionHeader
from realtime import pipeline
from realtime.admission import admit, expected_late
from realtime.candidate import Candidate
from realtime.protocol import parse_protocol
from recon import CGSense
from tests.methods import PROTOCOL

N, N_COILS = 32, 4
FOV_MM = (64.0, 64.0, 5.0)


class Machine:
    """A clock, and a machine of a known speed: `ms(iterations, n_pixels, n_coils)` a frame."""

    def __init__(self, monkeypatch, ms):
        self.time_ns, self.n_frames = 0, 0
        reconstruct = pipeline.reconstruct

        def slow(built, *arguments):
            plan = built.reconstructor.plan
            n_pixels = plan.recon_matrix[0] * plan.recon_matrix[1]
            is_iterative = isinstance(built.reconstructor, CGSense)
            iterations = plan.settings.iterations if is_iterative else 0
            self.time_ns += int(ms(iterations, n_pixels, plan.n_coils) * 1e6)
            self.n_frames += 1
            return reconstruct(built, *arguments)

        monkeypatch.setattr(pipeline, "reconstruct", slow)

    def now_ns(self):
        return self.time_ns


def candidate(iterations="[3, 20]", *, deadline_ms=100.0, method="cg-sense", trajectory="radial"):
    text = PROTOCOL.format(method="single-baseline", n_baseline=2, more="")
    text = text.replace("frame_deadline_ms = 4000.0", f"frame_deadline_ms = {deadline_ms}")
    text = text.replace('method = "fft"', f'method = "{method}"\niterations = {iterations}')
    limit = EncodingLimit(0, 24, 0)
    encoding = Encoding((N, N, 1), (N, N, 1), FOV_MM, FOV_MM, trajectory, limit)
    if trajectory == "cartesian":
        encoding = replace(encoding, kspace_encoding_step_1=EncodingLimit(0, N - 1, N // 2))
    header = SessionHeader(b"", (encoding,), echo_times_s=(0.014,), h1_frequency_hz=127.7e6)
    return Candidate(parse_protocol(text), header, N_COILS, N, Pose())


def chosen(machine, scan, **asked):
    return admit(scan, machine, is_deadline_enforced=True, **asked)


def test_as_many_iterations_are_chosen_as_fit_seven_tenths_of_the_deadline(monkeypatch):
    machine = Machine(monkeypatch, lambda n, *_: 10 + 5 * n)  # 70 ms are twelve
    admission = chosen(machine, candidate())
    assert admission.iterations == 12
    assert admission.built.reconstructor.plan.settings.iterations == 12
    assert admission.took_ms["total"] == pytest.approx(70.0)
    assert admission.expected_late == ""


@pytest.mark.parametrize(("each_ms", "expected"), [(1, 20), (3, 20), (3.3, 18), (16, 3), (19, 3)])
def test_a_faster_machine_never_has_fewer_and_none_leaves_the_range(monkeypatch, each_ms, expected):
    machine = Machine(monkeypatch, lambda n, *_: 10 + each_ms * n)
    assert chosen(machine, candidate()).iterations == expected


def test_what_was_chosen_before_is_taken_again_however_slow_the_machine_is_now(monkeypatch):
    machine = Machine(monkeypatch, lambda n, *_: 10 + 5 * n)
    assert chosen(machine, candidate(), iterations=17).iterations == 17
    with pytest.raises(MonitorError, match="not admitted"):
        chosen(machine, candidate(), iterations=19)


def test_where_no_deadline_counts_the_most_are_taken_whatever_the_clock_says(monkeypatch):
    machine = Machine(monkeypatch, lambda n, *_: 1000 * n)
    admission = admit(candidate(), machine, is_deadline_enforced=False)
    assert admission.iterations == 20
    again = admit(candidate(), machine, is_deadline_enforced=False, iterations=7)
    assert again.built.reconstructor.plan.settings.iterations == again.iterations == 7


def test_a_method_that_does_not_iterate_has_no_iterations_to_tell(monkeypatch):
    machine = Machine(monkeypatch, lambda *_: 1)
    assert chosen(machine, candidate(method="nufft")).iterations is None
    assert chosen(machine, candidate(method="nufft"), iterations=9).iterations is None


def test_a_machine_too_slow_for_the_least_is_refused_with_the_figures(monkeypatch):
    """The trap: the least number is never undercut to be admitted."""
    machine = Machine(monkeypatch, lambda n, *_: 10 + 40 * n)
    with pytest.raises(MonitorError, match=r"takes 130\.0 ms here, 130\.0 ms at worst") as refused:
        chosen(machine, candidate())
    text = str(refused.value)
    assert 'recon.method = "nufft" (10.0 ms)' in text
    assert "frame_deadline_ms is 100 and would not hold" in text
    assert text.endswith("raise it to at least 186")  # 130 ms are seven tenths of it


def test_a_refusal_names_iterations_matrix_and_coils_that_would_fit(monkeypatch):
    def ms(n, n_pixels, n_coils):
        return n * 10 * (n_pixels / N**2) * (0.5 + 0.5 * n_coils / N_COILS)

    machine = Machine(monkeypatch, ms)
    with pytest.raises(MonitorError) as refused:
        chosen(machine, candidate("11"))  # 110 ms; 70 are the goal
    text = str(refused.value)
    assert "recon.iterations = 7 (70.0 ms)" in text
    assert "a matrix of 24 × 24 (16 × 16 takes 27.5 ms)" in text  # 32 × sqrt(7 / 11) = 25.5
    assert "of 4 coils" not in text  # half of them still take 82 ms


def test_what_is_proposed_is_admitted(monkeypatch):
    machine = Machine(monkeypatch, lambda n, *_: 10 + 10 * n)
    with pytest.raises(MonitorError) as refused:
        chosen(machine, candidate("16"))
    n = int(re.search(r"recon\.iterations = (\d+)", str(refused.value))[1])
    assert chosen(machine, candidate(str(n))).iterations == n == 6
    deadline_ms = int(re.search(r"at least (\d+)$", str(refused.value))[1])
    assert chosen(machine, candidate("16", deadline_ms=deadline_ms)).iterations == 16


def test_proposals_take_no_longer_than_a_person_waits(monkeypatch):
    """Frames of a minute: a worker that does not answer in time would count as hung."""
    machine = Machine(monkeypatch, lambda *_: 6000)
    with pytest.raises(MonitorError, match="not admitted") as refused:
        chosen(machine, candidate("5"))
    assert "What would" not in str(refused.value)
    assert machine.time_ns < 60e9


def test_one_frame_in_a_hundred_that_is_late_is_told_and_not_refused(monkeypatch):
    slow = iter([1] * 40 + [300] + [1] * 1000)
    machine = Machine(monkeypatch, lambda *_: next(slow))
    scan = candidate(method="fft", trajectory="cartesian")
    admission = chosen(machine, scan)
    assert admission.took_ms["worst"] == pytest.approx(300.0)
    assert "the slowest frame of the dry run took 300 ms" in admission.expected_late


def test_a_frame_that_learns_for_longer_than_the_deadline_is_told_before_it_comes():
    took = {"total": 13.0, "worst": 15.0, "open": 30.0, "learn": 140.0}
    text = expected_late(took, frame_deadline_ms=100.0)
    assert "the last frame of the baseline takes 140 ms" in text
    assert "first frame" not in text
    assert expected_late(took, frame_deadline_ms=150.0) == ""


def test_a_range_of_iterations_begins_with_the_least():
    with pytest.raises(MonitorError, match=r"recon\.iterations: is \[20, 3\], expected the least"):
        candidate("[20, 3]")
    with pytest.raises(MonitorError, match=r"recon\.iterations"):
        candidate("[0, 3]")
