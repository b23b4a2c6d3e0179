"""What a running gateway is asked over its control port, but for missed alerts."""

from collections.abc import Sequence
from typing import Literal

from messages import MonitorError
from realtime.desk import Desk
from realtime.outputs.publisher import Acknowledge, PowerReport
from realtime.session import Session

Answer = tuple[Literal["done", "refused"], str]


def respond(
    request: Acknowledge | PowerReport,
    sessions: Sequence[Session],
    treated: Sequence[Session],
    desk: Desk,
    *,
    now_ns: int,
) -> Answer:
    """Return the answer to a request.

    treated: the session that the therapy device heats in, or all where none has the permit.
    """
    if isinstance(request, PowerReport):
        return _power(request, treated, now_ns=now_ns)
    running = [session.answers for session in sessions]
    if desk.acknowledge(request.alert_id, request.who, running):
        return "done", ""
    return "refused", f"no open alert {request.alert_id}"


def _power(report: PowerReport, treated: Sequence[Session], *, now_ns: int) -> Answer:
    if not treated:
        return "refused", "no treatment runs that could take the power; report it again in one"
    try:
        for session in treated:
            session.power(report.watts, report.time_s, now_ns=now_ns)
    except MonitorError as error:
        return "refused", str(error)
    return "done", ""
