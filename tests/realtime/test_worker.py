"""The line between gateway and worker under a flood of rings."""

import pytest

from tests.harness import Scan, close_message, frozen, running, small_protocol


@pytest.mark.slow
def test_an_order_is_not_lost_behind_rings_that_nobody_hears(tmp_path):
    """1024 readouts fill the line while the worker stands still; the next frame is computed."""
    scan = Scan(n_pixels=1024, n_coils=1, lines=tuple(range(1024)))
    with running(tmp_path, small_protocol(deadline_ms=15_000.0)) as gateway:
        client = gateway.connect()
        client.send(scan.opening())
        client.send_frame(scan, 0)
        mark = gateway.mark()
        frame = scan.frame(1)
        client.send(*frame[:4])
        gateway.mark()
        with frozen(gateway.gateway.worker_pid):
            client.send(*frame[4:], *scan.frame(2))
            gateway.events.wait(lambda t, n: gateway.gateway.sessions[0].n_readouts == 3072)
        verdict = gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 1, after=mark)
        assert verdict.outcome == "COMPUTED"
        # assigned at once, while the line still holds what nobody has heard
        verdict = gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 2, after=mark)
        assert verdict.outcome == "COMPUTED"
        client.send(close_message())
        client.read_to_end()
        client.hang_up()


@pytest.mark.slow
def test_a_deaf_worker_with_a_full_line_is_replaced_when_the_next_client_comes(tmp_path):
    scan = Scan(n_pixels=1024, n_coils=1, lines=tuple(range(1024)))
    small = Scan()
    with running(tmp_path, small_protocol(deadline_ms=15_000.0)) as gateway:
        first = gateway.connect()
        first.send(scan.opening())
        first.send_frame(scan, 0)
        mark = gateway.mark()
        pid = gateway.gateway.worker_pid
        frame = scan.frame(1)
        first.send(*frame[:4])
        gateway.mark()
        with frozen(pid):
            first.send(*frame[4:])
            first.hang_up()
            gateway.events.topic("run.stop", after=mark)
            mark = gateway.mark()
            second = gateway.connect()
            second.send(small.opening())
            for n in range(1000):  # each is answered; once the next worker is ready, computed
                second.send(*small.frame(n))
                verdict = gateway.events.wait(
                    lambda t, found, n=n: t == "verdict" and found.frame_id == n, after=mark
                )
                if verdict.outcome == "COMPUTED":
                    break
        assert verdict.outcome == "COMPUTED"
        assert gateway.gateway.worker_pid != pid
        second.send(close_message())
        second.read_to_end()
        second.hang_up()
        assert second.is_closed
