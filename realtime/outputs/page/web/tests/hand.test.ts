import { expect, test } from "vitest";
import { windowed } from "../src/hand.ts";
import { Place } from "../src/place.ts";

test("what lies under the pointer stays there while one zooms", () => {
  const place = new Place();
  const before = place.imageAt(0.7, 0.4);
  place.zoomBy(3, 0.7, 0.4);
  expect(place.imageAt(0.7, 0.4)[0]).toBeCloseTo(before[0], 9);
  expect(place.imageAt(0.7, 0.4)[1]).toBeCloseTo(before[1], 9);
});

test("the image never leaves its canvas", () => {
  const place = new Place();
  place.moveBy(5, 5);
  expect(place.imageAt(0, 0)).toEqual([0, 0]);
  place.zoomBy(4);
  place.moveBy(-50, 50);
  expect(place.imageAt(1, 0)[0]).toBeCloseTo(1, 9);
  expect(place.imageAt(1, 0)[1]).toBeCloseTo(0, 9);
  place.zoomBy(0.001);
  expect([place.zoom, place.x, place.y]).toEqual([1, 0.5, 0.5]);
});

test("a drag to the right widens the window, one upwards brightens", () => {
  const wide = windowed({ low: 0, high: 1 }, 0.2, 0);
  expect(wide.high - wide.low).toBeGreaterThan(1);
  const bright = windowed({ low: 0, high: 1 }, 0, -0.1);
  expect(bright.high).toBeLessThan(1);
});
