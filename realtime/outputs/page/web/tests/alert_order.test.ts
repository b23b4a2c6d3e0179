import { expect, test } from "vitest";
import { audible, inOrder, isMoreUrgent } from "../src/alert_order.ts";
import type { Alert, Priority } from "../src/wire.ts";

const alert = (alert_id: number, priority: Priority, acknowledged_by = ""): Alert =>
  ({ alert_id, priority, acknowledged_by, event: "x", latched: false, state: "raised", text: "" });

test("priority first, then what nobody has seen, then the newest", () => {
  const all = [alert(1, "low"), alert(2, "high", "Ada"), alert(3, "medium"), alert(4, "high"), alert(5, "high")];
  expect(inOrder(all).map((one) => one.alert_id)).toEqual([5, 4, 2, 3, 1]);
});

test("what is heard is the most urgent that nobody has acknowledged", () => {
  expect(audible([])).toBeNull();
  expect(audible([alert(1, "low"), alert(2, "high", "Ada"), alert(3, "medium")])).toBe("medium");
});

test("only a higher priority is more urgent", () => {
  expect(isMoreUrgent("high", "medium")).toBe(true);
  expect(isMoreUrgent("medium", "medium")).toBe(false);
  expect(isMoreUrgent("low", null)).toBe(true);
  expect(isMoreUrgent(null, "low")).toBe(false);
});
