import { expect, test } from "vitest";
import { believe, Freshness } from "../src/freshness.ts";

test("nothing is fresh before the first proof of life", () => {
  const freshness = new Freshness();
  freshness.hear({ echo_ms: null, silent_ms: 0 });
  freshness.hear({ echo_ms: 100, silent_ms: null });
  expect(freshness.isStale(100, 500)).toBe(true);
});

test("a beat proves only the moment of its stamp, less the monitor's silence", () => {
  const freshness = new Freshness();
  freshness.hear({ echo_ms: 1000, silent_ms: 80 });
  expect(freshness.ageMs(1000)).toBe(80);
  expect(freshness.isStale(1369, 500)).toBe(false);
  expect(freshness.isStale(1371, 500)).toBe(true); // told within 500 ms, looks being 50 ms apart
});

test("an old beat that was held up on its way makes nothing older or younger", () => {
  const freshness = new Freshness();
  freshness.hear({ echo_ms: 1000, silent_ms: 0 });
  freshness.hear({ echo_ms: 400, silent_ms: 0 });
  expect(freshness.ageMs(1000)).toBe(0);
});

test("a line that is down proves nothing more, until a later beat", () => {
  const freshness = new Freshness();
  freshness.hear({ echo_ms: 1000, silent_ms: 0 });
  freshness.lose(1010, 500);
  expect(freshness.isStale(1010, 500)).toBe(true);
  freshness.hear({ echo_ms: 1990, silent_ms: 0 });
  expect(freshness.isStale(2000, 500)).toBe(false);
});

test("the age of a frame goes on while no beat comes", () => {
  const freshness = new Freshness();
  freshness.hear({ echo_ms: 1000, silent_ms: 0 });
  expect(freshness.ageOfMs(70, { now_ms: 100 }, 1200)).toBe(230);
  expect(freshness.ageOfMs(130, { now_ms: 100 }, 1200)).toBe(200);
});

test("the lease runs down by this browser's clock, and nothing stale is granted", () => {
  const granted = { state: "GRANTED", reason: "", left_ms: 400 };
  expect(believe(granted, 100, false)).toEqual({ isGranted: true, leftMs: 300, reason: "" });
  expect(believe(granted, 400, false).isGranted).toBe(false);
  expect(believe(granted, 400, false).reason).toBe("the lease lapsed");
  expect(believe(granted, 100, true)).toEqual({ isGranted: false, leftMs: 0, reason: "this page is not live" });
  expect(believe(null, 0, false).isGranted).toBe(false);
  expect(believe({ state: "HELD", reason: "too hot", left_ms: 0 }, 0, false).reason).toBe("too hot");
});
