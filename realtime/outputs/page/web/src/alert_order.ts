// Which alert stands first, and what priority is heard.

import type { Alert, Priority } from "./wire.ts";

const URGENCY: Record<Priority, number> = { high: 0, medium: 1, low: 2 };

// By priority; within one, those that nobody has seen first, then the newest.
export function inOrder(alerts: Iterable<Alert>): Alert[] {
  const seen = (alert: Alert) => (alert.acknowledged_by ? 1 : 0);
  return [...alerts].sort((a, b) =>
    URGENCY[a.priority] - URGENCY[b.priority] || seen(a) - seen(b) || b.alert_id - a.alert_id);
}

export function isMoreUrgent(one: Priority | null, than: Priority | null): boolean {
  if (one === null) return false;
  return than === null || URGENCY[one] < URGENCY[than];
}

// The most urgent that nobody has acknowledged.
export function audible(alerts: Iterable<Alert>): Priority | null {
  let most: Priority | null = null;
  for (const alert of alerts) if (!alert.acknowledged_by && isMoreUrgent(alert.priority, most)) most = alert.priority;
  return most;
}
