"""Which alerts stood when a monitor was killed; pure."""

from collections.abc import Iterable

from messages import Alert, MonitorError
from messages.codec import decode
from realtime.alerts.journal import Row


def standing(rows: Iterable[Row]) -> tuple[Alert, ...]:
    """Return the latched alerts that no row withdraws, as last told; rows: of one epoch, in order.

    A row that cannot be read is passed over: what the others say must still be told.
    """
    living: dict[int, Alert] = {}
    for row in rows:
        try:
            _, alert = decode([row.topic.encode(), row.header])
        except MonitorError:
            continue
        if not isinstance(alert, Alert):
            continue
        if alert.state == "withdrawn":
            living.pop(alert.alert_id, None)
        elif alert.latched:
            living[alert.alert_id] = alert
    return tuple(living.values())
