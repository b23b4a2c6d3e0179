"""Faults 1 to 7 of the reference, and 21: what a scanner, or the line to it, can do."""

import socket

import numpy as np
import pytest

from simulators.mrd import acquisition_message
from tests.fault_proxy import BitFlip, LimitData, ResetPeer, Slicer, Timeout, proxied
from tests.faults.treatments import granted, raised, verdict_of
from tests.harness import Client, Running, Scan, close_message, running, small_protocol

SCAN = Scan()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("source"), small_protocol()) as it:
        yield it


def held_since(gateway: Running, mark: int) -> bool:
    permits = gateway.since(mark, "permit")
    return bool(permits) and permits[-1].state == "HELD"


def test_01_a_reset_source_is_held_told_and_never_resumed_by_itself(gateway: Running):
    with proxied(gateway.port) as proxy:
        first = granted(gateway, proxy.port)
        mark = gateway.mark()
        proxy.add(ResetPeer())
        first.send(*SCAN.frame(3)[:16])
        gateway.events.wait(lambda t, n: t == "permit" and n.state == "HELD", after=mark)
        lost = gateway.events.wait(raised("stream-lost.hold"), after=mark)
        assert lost.latched
        assert lost.priority == "high"
        gateway.events.topic("run.stop", after=mark)
        proxy.clear()
        first.read_to_end()
        first.hang_up()
        mark = gateway.mark()
        again = Client.to(proxy.port)  # it connects again, and all its frames are good
        again.send(SCAN.opening())
        for n in range(5):
            again.send_frame(SCAN, n)
        held = verdict_of(gateway, 4, mark)
        assert (held.outcome, held.decision, held.permit) == ("COMPUTED", "GRANTED", "HELD")
        assert {one.state for one in gateway.since(mark, "permit")} == {"HELD"}
        assert "not acknowledged" in gateway.since(mark, "permit")[-1].reason
        gateway.ask(b'{"type": "acknowledge", "alert_id": %d, "who": "test"}' % lost.alert_id)
        again.send_frame(SCAN, 5)
        assert verdict_of(gateway, 5, mark).permit == "GRANTED"
        again.hang_up()


def test_01_a_loss_is_not_forgotten_by_treatments_in_between(gateway: Running):
    """Whoever acknowledges nothing and begins again and again is held again and again."""
    lost = granted(gateway)
    mark = gateway.mark()
    lost.hang_up()
    gateway.events.topic("run.stop", after=mark)
    for _ in range(2):
        mark = gateway.mark()
        gateway.serves(SCAN, 4)
        gateway.events.wait(lambda t, n: t == "run.stop" and n.n_frames == 4, after=mark)
        assert {one.permit for one in gateway.since(mark, "verdict")} == {"HELD"}
    granted(gateway).hang_up()  # after an acknowledgement


def test_02_a_half_open_source_is_held_by_the_lease_and_told(tmp_path):
    protocol = small_protocol(deadline_ms=1000.0, lease_ms=1500.0)
    with running(tmp_path, protocol) as gateway, proxied(gateway.port) as proxy:
        client = granted(gateway, proxy.port)
        mark = gateway.mark()
        proxy.add(Timeout())  # the line is up and nothing comes through, not even the end
        client.send(*SCAN.frame(3))
        lapsed = gateway.events.wait(raised("lease-lapsed.warn"), after=mark)
        assert "no valid verdict" in lapsed.text
        assert held_since(gateway, mark)
        assert not gateway.since(mark, "verdict")
        proxy.clear()
        mark = gateway.mark()
        client.send_frame(SCAN, 4)  # whoever was only silent goes on
        gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
        gateway.events.wait(
            lambda t, n: t == "alert" and (n.event, n.state) == ("lease-lapsed.warn", "withdrawn"),
            after=mark,
        )
        client.hang_up()


def test_02_a_source_that_dies_half_open_within_a_frame_is_held_before_its_lease(tmp_path):
    protocol = small_protocol(stall_ms=200.0)
    with running(tmp_path, protocol) as gateway, proxied(gateway.port) as proxy:
        client = granted(gateway, proxy.port)
        mark = gateway.mark()
        begun = b"".join(SCAN.frame(3)[:20])
        n_bytes = proxy.n_bytes("passed") + len(begun)
        client.send(begun)
        proxy.wait(lambda it: it.n_bytes("passed") == n_bytes)
        proxy.add(Timeout())
        client.send(*SCAN.frame(3)[20:])
        client.connection.shutdown(socket.SHUT_WR)
        verdict = verdict_of(gateway, 3, mark)
        assert (verdict.outcome, verdict.permit) == ("COMPUTED", "HELD")
        assert "incomplete-frame" in [one.rule for one in verdict.findings]
        assert held_since(gateway, mark)
        client.hang_up()


def test_03_a_truncated_message_is_discarded_told_with_its_offset_and_held(gateway: Running):
    frame = b"".join(SCAN.frame(0))
    whole = len(SCAN.opening()) + 3 * len(frame)
    with proxied(gateway.port) as proxy:
        client = granted(gateway, proxy.port)
        mark = gateway.mark()
        proxy.add(LimitData(whole + 3 * len(SCAN.frame(0)[0]) + 400))  # within the fourth readout
        client.send(*SCAN.frame(3))
        lost = gateway.events.wait(raised("stream-lost.hold"), after=mark)
        assert "byte" in lost.text
        assert str(whole + 3 * len(SCAN.frame(0)[0])) in lost.text
        assert held_since(gateway, mark)
        stop = gateway.events.topic("run.stop", after=mark)
        assert stop.n_readouts == 3 * 32 + 3  # the cut one is none
        client.hang_up()


def test_04_corrupted_bytes_are_refused_and_never_guessed_at(gateway: Running):
    """After a message that makes no sense nothing is looked for that might make some."""
    with proxied(gateway.port, seed=3) as proxy:
        client = granted(gateway, proxy.port)
        mark = gateway.mark()
        proxy.add(Slicer(1000), BitFlip(40))
        client.send(*SCAN.frame(3), *SCAN.frame(4))
        gateway.events.wait(raised("stream-lost.hold"), after=mark)
        proxy.clear()
        client.send(*SCAN.frame(5), close_message())
        client.read_to_end()
        client.hang_up()
        stop = gateway.events.topic("run.stop", after=mark)
        assert stop.status in ("failed", "cut")
        assert held_since(gateway, mark)
        later = [one.frame_id for one in gateway.since(mark, "verdict")]
        assert 5 not in later
        assert not [one for one in gateway.since(mark, "verdict") if one.permit == "GRANTED"]


def test_05_duplicates_and_lines_out_of_order_are_dropped_counted_and_harmless(gateway: Running):
    client = granted(gateway)
    mark = gateway.mark()
    lines = SCAN.frame(3)
    shuffled = [lines[n] for n in (1, 0, 3, 2, *range(5, 31), 4)]
    client.send(*shuffled, lines[7], lines[7], lines[31])
    verdict = verdict_of(gateway, 3, mark)
    assert (verdict.outcome, verdict.permit) == ("COMPUTED", "GRANTED")
    client.send(lines[31], lines[30])  # late copies open no frame
    client.send_frame(SCAN, 4)
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    stop = gateway.events.topic("run.stop", after=mark)
    assert (stop.n_frames, stop.n_incomplete, stop.n_duplicate_readouts) == (5, 0, 4)


def test_06_a_frame_with_missing_lines_measures_nothing_and_holds(gateway: Running):
    client = granted(gateway)
    mark = gateway.mark()
    client.send(*(line for n, line in enumerate(SCAN.frame(3)) if n != 11))
    verdict = verdict_of(gateway, 3, mark)
    assert verdict.permit == "HELD"
    assert "incomplete-frame" in [one.rule for one in verdict.findings]
    assert all(one.temperature_max_c is None for one in verdict.regions)
    maps = gateway.events.wait(lambda t, n: t == "map" and n.frame_id == 3, after=mark)
    assert not maps.valid.any()
    client.send_frame(SCAN, 4)
    assert verdict_of(gateway, 4, mark).permit == "GRANTED"
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    assert gateway.events.topic("run.stop", after=mark).n_incomplete == 1


SPOILT = {
    "nan": lambda k: np.where(np.arange(k.shape[-1]) == 40, np.nan, k),
    "infinite": lambda k: np.where(np.arange(k.shape[-1]) == 40, np.inf, k),
    "all zero": np.zeros_like,
    "noise alone": lambda k: k - k + np.random.default_rng(1).normal(size=k.shape),
    "almost no signal": lambda k: k * 1e-3 + np.random.default_rng(2).normal(size=k.shape),
}


@pytest.mark.parametrize("damage", SPOILT)
def test_19_a_frame_that_shows_nothing_is_never_shown_as_normal(gateway: Running, damage: str):
    client = granted(gateway)
    mark = gateway.mark()
    kspace = SPOILT[damage](SCAN.kspace(3)).astype(np.complex64)
    client.send(*(acquisition_message(SCAN.head(3, n), kspace[n]) for n in SCAN.lines))
    verdict = verdict_of(gateway, 3, mark)
    assert verdict.permit == "HELD"
    holds = [one.rule for one in verdict.findings if one.severity == "hold"]
    assert holds, verdict.findings
    maps = gateway.events.wait(lambda t, n: t == "map" and n.frame_id == 3, after=mark)
    assert np.isnan(maps.temperature_c[~maps.valid]).all()
    focus = verdict.regions[0]
    assert focus.n_valid < focus.n_pixels or "noise" in holds or "temperature-max" in holds
    client.hang_up()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position": (0.0, 0.0, 12.0)}, "baseline-invalid"),
        ({"patient_table_position": (0.0, 0.0, 30.0)}, "baseline-invalid"),
    ],
    ids=["slice", "table"],
)
def test_21_a_geometry_that_changes_in_mid_run_needs_a_new_baseline(
    gateway: Running, change: dict, told: str
):
    client = granted(gateway)
    mark = gateway.mark()
    for n in (3, 4):
        client.send(*moved(n, change))
        verdict = verdict_of(gateway, n, mark)
        assert verdict.permit == "HELD"
        assert told in [one.rule for one in verdict.findings]
    alert = gateway.events.wait(raised(f"{told}.hold"), after=mark)
    assert alert.latched
    client.hang_up()


def moved(frame: int, change: dict) -> list[bytes]:
    kspace = SCAN.kspace(frame)
    messages = []
    for line in SCAN.lines:
        head = SCAN.head(frame, line)
        for name, value in change.items():
            head[name] = value
        messages.append(acquisition_message(head, kspace[line]))
    return messages


def test_21_another_matrix_in_mid_run_ends_the_session_and_holds(gateway: Running):
    client = granted(gateway)
    mark = gateway.mark()
    client.send(*Scan(n_coils=3).frame(3))
    lost = gateway.events.wait(raised("stream-lost.hold"), after=mark)
    assert "active_channels is 3" in lost.text
    assert held_since(gateway, mark)
    client.read_to_end()
    client.hang_up()
