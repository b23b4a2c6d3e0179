// One image on the page: its pixels on one canvas, its lines on another above.

import type { Colours } from "./colour.ts";
import { context, element, fit } from "./dom.ts";
import type { Stroke } from "./overlay.ts";
import { sliceOf, type Picture } from "./picture.ts";
import type { Place } from "./place.ts";

export interface Stamp {
  text: string;
  isOld: boolean;
}

export class Tile {
  readonly figure = element("figure", "", "tile");
  readonly image = element("canvas", "", "image");
  #lines = element("canvas", "", "lines");
  #caption = element("figcaption");
  #small = new OffscreenCanvas(1, 1);
  #pixels = new ImageData(1, 1);

  constructor(readonly key: string, title: string) {
    this.figure.dataset["stream"] = key;
    this.image.tabIndex = 0;
    this.image.setAttribute("role", "img");
    this.image.ariaLabel = "no image yet";
    this.#lines.ariaHidden = "true";
    this.#caption.textContent = title;
    this.figure.append(this.image, this.#lines, this.#caption);
  }

  set stamp({ text, isOld }: Stamp) {
    if (this.figure.dataset["stamp"] !== text) this.figure.dataset["stamp"] = text;
    this.figure.classList.toggle("old", isOld);
  }

  // Fill the box, keep the patient's proportions.
  layOut(picture: Picture): void {
    const box = this.figure.getBoundingClientRect();
    const scale = Math.min(box.width / picture.fov_mm[0], box.height / picture.fov_mm[1]);
    const [width, height] = [Math.floor(picture.fov_mm[0] * scale), Math.floor(picture.fov_mm[1] * scale)];
    for (const canvas of [this.image, this.#lines]) {
      if (!fit(canvas, width, height) && canvas.style.width) continue;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
  }

  draw(picture: Picture, z: number, colours: Colours, place: Place, strokes: Stroke[], isWarm: boolean): void {
    this.layOut(picture);
    const { magnitude, temperature_c: temperature } = picture.planes;
    const [, ny, nx] = magnitude.shape;
    if (this.#small.width !== nx || this.#small.height !== ny) {
      this.#small = new OffscreenCanvas(nx, ny);
      this.#pixels = new ImageData(nx, ny);
    }
    const pixels = new Uint32Array(this.#pixels.data.buffer);
    const warm = isWarm ? temperature : undefined;
    colours.paint(pixels, sliceOf(magnitude, z), nx, warm && sliceOf(warm, z), warm);
    (this.#small.getContext("2d") as OffscreenCanvasRenderingContext2D).putImageData(this.#pixels, 0, 0);
    const on = context(this.image);
    transform(on, this.image, place, nx, ny);
    on.imageSmoothingEnabled = false;
    on.drawImage(this.#small, 0, 0);
    drawLines(this.#lines, strokes, place, nx, ny);
    this.image.ariaLabel = `image of frame ${picture.frame_id}`;
    this.image.dataset["frameId"] = String(picture.frame_id);
  }
}

// From the image's pixels to the canvas's.
function transform(on: CanvasRenderingContext2D, canvas: HTMLCanvasElement, place: Place, nx: number, ny: number): void {
  const sx = (canvas.width / nx) * place.zoom;
  const sy = (canvas.height / ny) * place.zoom;
  on.setTransform(sx, 0, 0, sy, canvas.width / 2 - place.x * nx * sx, canvas.height / 2 - place.y * ny * sy);
}

function drawLines(canvas: HTMLCanvasElement, strokes: Stroke[], place: Place, nx: number, ny: number): void {
  const on = context(canvas);
  on.resetTransform();
  on.clearRect(0, 0, canvas.width, canvas.height);
  for (const stroke of strokes) {
    if (stroke.lines.length === 0) continue;
    transform(on, canvas, place, nx, ny);
    on.beginPath();
    chain(on, stroke.lines);
    on.resetTransform(); // a line is as wide however far one has zoomed
    on.setLineDash([]);
    on.lineWidth = (stroke.width + 2) * devicePixelRatio;
    on.strokeStyle = "rgb(0 0 0 / 55%)";
    on.stroke();
    on.setLineDash(stroke.dash.map((one) => one * devicePixelRatio));
    on.lineWidth = stroke.width * devicePixelRatio;
    on.strokeStyle = stroke.colour;
    on.stroke();
  }
  const placed: Box[] = [];
  for (const stroke of strokes) if (stroke.label && stroke.lines.length) label(on, stroke, canvas, place, nx, ny, placed);
}

// Join segments that meet, so that a dash runs along the line and not along each pixel.
function chain(on: CanvasRenderingContext2D, lines: number[]): void {
  const key = (x: number, y: number) => Math.round(x * 512) * 1e6 + Math.round(y * 512);
  const ends = new Map<number, number[]>();
  const note = (x: number, y: number, at: number) => {
    const k = key(x, y);
    const known = ends.get(k);
    if (known) known.push(at);
    else ends.set(k, [at]);
  };
  for (let at = 0; at < lines.length; at += 4) {
    note(lines[at]!, lines[at + 1]!, at);
    note(lines[at + 2]!, lines[at + 3]!, at);
  }
  const isDone = new Set<number>();
  for (let first = 0; first < lines.length; first += 4) {
    if (isDone.has(first)) continue;
    on.moveTo(lines[first]!, lines[first + 1]!);
    let [at, x, y]: [number | undefined, number, number] = [first, lines[first]!, lines[first + 1]!];
    while (at !== undefined) {
      isDone.add(at);
      const isForward: boolean = key(lines[at]!, lines[at + 1]!) === key(x, y);
      [x, y] = isForward ? [lines[at + 2]!, lines[at + 3]!] : [lines[at]!, lines[at + 1]!];
      on.lineTo(x, y);
      at = ends.get(key(x, y))?.find((one) => !isDone.has(one));
    }
  }
}

interface Box {
  left: number;
  right: number;
  base: number;
}

// Beside the outline's top; lower where another label stands.
function label(
  on: CanvasRenderingContext2D, stroke: Stroke, canvas: HTMLCanvasElement, place: Place, nx: number, ny: number, placed: Box[],
): void {
  let [right, top] = [-Infinity, Infinity];
  for (let n = 0; n < stroke.lines.length; n += 2) {
    right = Math.max(right, stroke.lines[n]!);
    top = Math.min(top, stroke.lines[n + 1]!);
  }
  const size = Math.max(12, Math.min(16, canvas.width / 40)) * devicePixelRatio;
  on.font = `600 ${size}px system-ui, sans-serif`;
  const isWide = on.measureText(stroke.label!).width < canvas.width / 2;
  const text = isWide ? stroke.label! : (stroke.name ?? stroke.label!);
  const width = on.measureText(text).width;
  const x = ((right / nx - place.x) * place.zoom + 0.5) * canvas.width + 4;
  const y = ((top / ny - place.y) * place.zoom + 0.5) * canvas.height;
  const left = Math.min(Math.max(x, 2), canvas.width - width - 2);
  let base = Math.min(Math.max(y, size), canvas.height - 4);
  const isHit = (one: Box) => left < one.right && left + width > one.left && Math.abs(base - one.base) < 1.15 * size;
  for (let hit = placed.find(isHit); hit; hit = placed.find(isHit)) base = hit.base + 1.2 * size;
  placed.push({ left, right: left + width, base });
  on.lineWidth = 3 * devicePixelRatio;
  on.strokeStyle = "rgb(0 0 0 / 75%)";
  on.setLineDash([]);
  on.strokeText(text, left, base);
  on.fillStyle = stroke.colour;
  on.fillText(text, left, base);
}
