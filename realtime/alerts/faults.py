"""The findings that no computed frame can make: they come from the gateway's clock and sockets."""

from messages import Finding
from realtime.alerts.limits import StaleFrame
from realtime.protocol import Protocol


def late_frame(*, age_ms: float, deadline_ms: float) -> Finding:
    """Return the finding on a frame without a verdict at its deadline."""
    text = f"no verdict after {age_ms:.0f} ms, deadline {deadline_ms:g}"
    return Finding("late-frame", "hold", text, "", age_ms, deadline_ms, "ms")


def late_result(frame_id: int) -> Finding:
    """Return the finding on a frame whose result came after it had been answered."""
    return Finding("late-frame", "hold", f"frame {frame_id} was measured after its deadline")


def fault(text: str) -> Finding:
    """Return the finding on a frame that could not be computed, or on a lost worker."""
    return Finding("fault", "hold", text)


def stream_lost(text: str) -> Finding:
    """Return the finding on a stream that broke off or fell silent before its end."""
    return Finding("stream-lost", "hold", text)


def lapsed(text: str) -> Finding:
    """Return the finding on a permit that lapsed because no valid verdict came: silence."""
    return Finding("lease-lapsed", "warn", text)


def not_finite(*, readout: int) -> Finding:
    """Return the finding on a readout whose samples are no numbers; `readout` counts from 1."""
    text = f"readout {readout}: samples hold NaN or infinity, expected finite numbers"
    return Finding("non-finite-data", "hold", text)


def unused(text: str) -> Finding:
    """Return the finding on readouts that come and are not used."""
    return Finding("readouts-unused", "inform", text)


def late_expected(text: str) -> Finding:
    """Return the finding on frames that will be late once, by the dry run."""
    return Finding("late-expected", "inform", text)


def time_stamps(text: str) -> Finding:
    """Return the finding on scanner ticks that are no clock, or a doubtful one."""
    return Finding("time-stamps", "inform", text)


def header_override(text: str) -> Finding:
    """Return the finding on a protocol whose override contradicts the header."""
    return Finding("header-override", "warn", text)


def permit_taken(text: str) -> Finding:
    """Return the finding on a treatment that begins while another one has the permit."""
    return Finding("permit-taken", "inform", text)


def client_refused(text: str) -> Finding:
    """Return the finding on a client that was sent away while another's treatment runs."""
    return Finding("client-refused", "inform", text)


def restarted(text: str) -> Finding:
    """Return the finding on a monitor that starts after one that was killed in a treatment."""
    return Finding("monitor-restarted", "hold", text)


def dose_taken_over(text: str) -> Finding:
    """Return the finding on a treatment that goes on with the dose that a killed run left."""
    return Finding("dose-taken-over", "warn", text)


def dose_not_taken_over(text: str) -> Finding:
    """Return the finding on a treatment after a killed run, whose dose it does not go on with."""
    return Finding("dose-not-taken-over", "warn", text)


def dose_not_kept(text: str) -> Finding:
    """Return the finding on a treatment whose dose would not outlive a killed monitor."""
    return Finding("dose-not-kept", "warn", text)


def memory(text: str) -> Finding:
    """Return the finding on a process that takes nearly all the memory that it may."""
    return Finding("memory", "warn", text)


def idle_acknowledgement(text: str) -> Finding:
    """Return the finding on an acknowledgement of what is not open: it changes nothing."""
    return Finding("acknowledgement", "inform", text)


def not_durable(text: str) -> Finding:
    """Return the finding on a journal that could not be written: alerts may not survive a crash."""
    return Finding("journal", "warn", text)


def output_lost(text: str) -> Finding:
    """Return the finding on an output, such as the live page, whose process has died."""
    return Finding("output-lost", "warn", text)


def too_old(protocol: Protocol, *, age_ms: float) -> Finding | None:
    """Find a verdict older than the protocol's stale-frame limit; the gateway knows its age."""
    limit = _stale_frame(protocol)
    if limit is None or limit.max_age_ms is None or age_ms < limit.max_age_ms:
        return None
    text = f"the verdict is {age_ms:.0f} ms old, limit {limit.max_age_ms:g}"
    return Finding("stale-frame", "hold", text, "", age_ms, limit.max_age_ms, "ms")


def skewed(protocol: Protocol, *, skew_s: float) -> Finding | None:
    """Find frames that come ever later by their own stamps: they wait on the way, or clocks part.

    skew_s: from stamp to arrival, less the least that any frame of the session took.
    """
    limit = _stale_frame(protocol)
    if limit is None or limit.max_skew_s is None or skew_s < limit.max_skew_s:
        return None
    text = (
        f"the frame came {skew_s:.2f} s later than its time stamp says, limit "
        f"{limit.max_skew_s:g}: it waited on its way, or scanner and monitor clocks run apart"
    )
    return Finding("stale-frame", "hold", text, "", skew_s, limit.max_skew_s, "s")


def _stale_frame(protocol: Protocol) -> StaleFrame | None:
    return next((limit for limit in protocol.limit if isinstance(limit, StaleFrame)), None)
