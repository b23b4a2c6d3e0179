// What pointer, wheel and keys do to an image: window and level, zoom and shift, the read-out.

import type { Colours } from "./colour.ts";
import type { Place } from "./place.ts";

const STEP = 1 / 128; // of the image, by an arrow key
const DRAG_PX = 4; // less is a click

export interface Hand {
  place: Place;
  colours: Colours;
  redraw(): void;
  pointAt(key: string, x: number, y: number): void;
  pick(key: string): void;
}

export function hold(canvas: HTMLCanvasElement, key: string, hand: Hand): void {
  let begun: { x: number; y: number; isDrag: boolean } | null = null;
  let [u, v] = [0.5, 0.5];
  const part = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const point = () => hand.pointAt(key, ...hand.place.imageAt(u, v));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    hand.place.zoomBy(Math.exp(-event.deltaY / 500), ...part(event));
    hand.redraw();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    begun = { x: event.clientX, y: event.clientY, isDrag: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    [u, v] = part(event);
    point();
    if (!begun) return;
    begun.isDrag ||= Math.hypot(event.clientX - begun.x, event.clientY - begun.y) > DRAG_PX;
    if (!begun.isDrag) return;
    const box = canvas.getBoundingClientRect();
    const [du, dv] = [event.movementX / box.width, event.movementY / box.height];
    if (event.shiftKey || event.buttons === 4) hand.place.moveBy(du, dv);
    else hand.colours.setWindow(windowed(hand.colours.window, du, dv));
    hand.redraw();
  });
  canvas.addEventListener("pointerup", () => {
    if (begun && !begun.isDrag) hand.pick(key);
    begun = null;
  });
  canvas.addEventListener("pointercancel", () => { begun = null; });
  canvas.addEventListener("keydown", (event) => {
    const arrow = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as const)[event.key as "ArrowUp"];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrow && event.shiftKey) hand.place.moveBy(-arrow[0] * 0.05, -arrow[1] * 0.05);
    else if (arrow) {
      [u, v] = [u + (arrow[0] * STEP) * hand.place.zoom, v + arrow[1] * STEP * hand.place.zoom].map((one) => Math.min(Math.max(one, 0), 1)) as [number, number];
      point();
    } else if (event.key === "+") hand.place.zoomBy(1.25);
    else if (event.key === "-") hand.place.zoomBy(0.8);
    else if (event.key === "Enter") hand.pick(key);
    else return;
    event.preventDefault();
    hand.redraw();
  });
}

// To the right: wider, so less contrast; upwards: brighter, as on a radiologist's station.
export function windowed(now: { low: number; high: number }, du: number, dv: number): { low: number; high: number } {
  const width = Math.min(Math.max((now.high - now.low) * Math.exp(2 * du), 0.02), 2);
  const level = Math.min(Math.max((now.high + now.low) / 2 + dv * (now.high - now.low), 0), 1);
  return { low: level - width / 2, high: level + width / 2 };
}
