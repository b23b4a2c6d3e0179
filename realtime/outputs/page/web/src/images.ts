// All images of the page: a tile for each slice, contrast and layer; one of them may be enlarged.

import { Colours } from "./colour.ts";
import { at, show } from "./dom.ts";
import { hold, type Hand } from "./hand.ts";
import { doseLines, regionLines, targetLines, type Stroke } from "./overlay.ts";
import { valueAt, type Picture } from "./picture.ts";
import { Place } from "./place.ts";
import { Ring } from "./ring.ts";
import { drawScale } from "./scale.ts";
import { Tile, type Stamp } from "./tile.ts";
import type { FrameWord, Motion, Plan } from "./wire.ts";
import { amount, number } from "./words.ts";

const MOST_TILES = 64;
const LAYERS = ["temperature", "dose", "regions"] as const;

export class Images implements Hand {
  readonly place = new Place();
  readonly colours = new Colours();
  #tiles = new Map<string, Tile>();
  #pictures = new Map<string, { picture: Picture; z: number; drawnAt: Date }>();
  #large: string | null = null;
  #pointed: { key: string; x: number; y: number } | null = null;
  #frames = new Ring<FrameWord>(MOST_TILES);
  #plan: Plan | null = null;

  constructor() {
    for (const layer of LAYERS) at(`layer-${layer}`).addEventListener("change", () => this.redraw());
    at("reset-view").addEventListener("click", () => this.#reset());
    at("all-tiles").addEventListener("click", () => this.#enlarge(null));
    document.addEventListener("keydown", (event) => {
      if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey) return;
      if (event.key === "0") this.#reset();
      if (event.key === "Escape") this.#enlarge(null);
    });
    new ResizeObserver(() => this.redraw()).observe(at("tiles"));
  }

  // What was drawn last on the tile that stands for all: the enlarged, or the newest.
  get shown(): { picture: Picture; drawnAt: Date } | null {
    if (this.#large !== null) return this.#pictures.get(this.#large) ?? null;
    const all = [...this.#pictures.values()];
    return all.reduce<(typeof all)[0] | null>((a, b) => (a && a.picture.number > b.picture.number ? a : b), null);
  }

  clear(): void {
    this.#pictures.clear();
    this.#frames.clear();
    this.#tiles.clear();
    this.#large = null;
    at("tiles").replaceChildren();
  }

  know(plan: Plan | null): void {
    this.#plan = plan;
    this.redraw();
  }

  // The verdict's figures come apart from the picture; whichever is later draws the gate.
  heed(frame: FrameWord): void {
    if (!frame.motion) return;
    this.#frames.push(frame);
    for (const [key, { picture }] of this.#pictures) if (picture.frame_id === frame.frame_id) this.#draw(key);
  }

  take(picture: Picture): void {
    if (this.shown && this.shown.picture.run_id !== picture.run_id) this.clear();
    const nz = picture.planes.magnitude.shape[0];
    for (let z = 0; z < nz; z++) {
      const key = `${picture.slice} ${picture.contrast} ${z}`;
      if (!this.#tiles.has(key)) this.#add(key, picture, nz > 1 ? z : null);
      this.#pictures.set(key, { picture, z, drawnAt: new Date() });
      this.#draw(key);
    }
  }

  redraw(): void {
    for (const key of this.#pictures.keys()) this.#draw(key);
  }

  // How many images take turns: each has its own in so many frames.
  get nStreams(): number {
    return new Set([...this.#pictures.values()].map(({ picture }) => `${picture.slice} ${picture.contrast}`)).size;
  }

  // Each image tells for itself that it is none of now.
  stamp(told: (picture: Picture, drawnAt: Date) => Stamp): void {
    for (const [key, tile] of this.#tiles) {
      const known = this.#pictures.get(key);
      if (known) tile.stamp = told(known.picture, known.drawnAt);
    }
  }

  pointAt(key: string, x: number, y: number): void {
    this.#pointed = { key, x, y };
    this.#read();
  }

  pick(key: string): void {
    if (this.#tiles.size > 1) this.#enlarge(this.#large === key ? null : key);
  }

  #add(key: string, picture: Picture, z: number | null): void {
    if (this.#tiles.size >= MOST_TILES) return;
    const layer = z === null ? "" : ` layer ${z}`;
    const tile = new Tile(key, `slice ${picture.slice} contrast ${picture.contrast}${layer}`);
    this.#tiles.set(key, tile);
    hold(tile.image, key, this);
    const order = [...this.#tiles.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    at("tiles").replaceChildren(...order.map((one) => this.#tiles.get(one)!.figure));
    this.#arrange();
    this.redraw();
  }

  #enlarge(key: string | null): void {
    this.#large = key;
    this.#arrange();
    this.redraw();
  }

  #arrange(): void {
    const n = this.#tiles.size;
    const main = this.#large ?? [...this.#tiles.keys()][0];
    const tiles = at("tiles");
    tiles.dataset["layout"] = n === 1 ? "one" : this.#large ? "large" : "all";
    tiles.style.setProperty("--columns", String(Math.ceil(Math.sqrt(n))));
    at("all-tiles").hidden = this.#large === null;
    for (const [key, tile] of this.#tiles) {
      tile.figure.classList.toggle("main", key === this.#large);
      tile.image.id = key === main ? "picture" : "";
    }
  }

  #reset(): void {
    this.place.reset();
    this.colours.setWindow({ low: 0, high: 1 });
    this.redraw();
  }

  #motionOf(picture: Picture): Motion | null {
    return this.#frames.all().findLast((frame) => frame.frame_id === picture.frame_id)?.motion ?? null;
  }

  #draw(key: string): void {
    const tile = this.#tiles.get(key);
    const known = this.#pictures.get(key);
    if (!tile || !known) return;
    const { picture, z } = known;
    const isOn = (layer: (typeof LAYERS)[number]) => at<HTMLInputElement>(`layer-${layer}`).checked;
    const strokes: Stroke[] = [];
    const plan = this.#plan?.run_id === picture.run_id ? this.#plan : null; // another run's regions are others
    if (isOn("regions")) strokes.push(...regionLines(picture, z, plan));
    if (isOn("dose")) strokes.push(...doseLines(picture, z));
    if (isOn("regions")) strokes.push(...targetLines(picture, z, this.#motionOf(picture), plan));
    tile.draw(picture, z, this.colours, this.place, strokes, isOn("temperature"));
    document.body.classList.toggle("cold", !picture.planes["temperature_c"]);
    document.body.classList.toggle("still", !picture.planes["target"]);
    if (key === this.#pointed?.key) this.#read();
    drawScale(at("scale"));
  }

  #read(): void {
    const known = this.#pointed && this.#pictures.get(this.#pointed.key);
    if (!this.#pointed || !known) return;
    const { picture, z } = known;
    const [, ny, nx] = picture.planes.magnitude.shape;
    const [x, y] = [Math.floor(this.#pointed.x * nx), Math.floor(this.#pointed.y * ny)];
    if (x < 0 || y < 0 || x >= nx || y >= ny) return;
    const of = (name: string) => {
      const plane = picture.planes[name];
      return plane ? valueAt(plane, (z * ny + y) * nx + x) : undefined;
    };
    const parts: string[] = [];
    const [degrees, std, dose, gray] = ["temperature_c", "temperature_std_c", "dose_cem43_min", "dose_gy"].map(of);
    if (degrees === null) parts.push("temperature not known");
    else if (degrees !== undefined) parts.push(`${number(degrees, 1)} ± ${number(std, 2)} °C`);
    if (dose !== undefined) parts.push(dose === null ? "dose not known" : `${amount(dose)} CEM43 min`);
    if (gray != null) parts.push(`${number(gray, 2)} Gy`);
    parts.push(`magnitude ${of("magnitude")?.toPrecision(3) ?? "not known"}`, `x ${x}, y ${y}`);
    show("cursor", parts.join("  ·  "));
  }
}
