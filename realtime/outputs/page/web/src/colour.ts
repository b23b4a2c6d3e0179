// Codes to pixels by tables of 65536 entries: window and level cost one table, a frame one look-up each.

import { codeOf, type Codes, type Plane } from "./picture.ts";

export const COLDEST_C = 40;
export const HOTTEST_C = 70;
const N_CODES = 65536;
const HEAT_PART = 0.75;
const OPAQUE = 0xff000000;
const NO_MAGNITUDE = pack(90, 0, 110);
const HATCH = pack(60, 75, 110);
const FAINT_HATCH = pack(24, 30, 42); // where there is no signal anyway: it tells, and does not shout
const NO_SIGNAL = 20; // grey

export type Colour = [red: number, green: number, blue: number];

// Which part of the magnitude's range is shown, 0 to 1: `low` is black, `high` white.
export interface Window {
  low: number;
  high: number;
}

// dark red, orange, yellow, white
export function heat(temperatureC: number): Colour {
  const part = Math.min(Math.max((temperatureC - COLDEST_C) / (HOTTEST_C - COLDEST_C), 0), 1);
  return [
    120 + 135 * Math.min(1, part * 2.5),
    255 * Math.min(1, Math.max(0, part * 1.6 - 0.25)),
    255 * Math.max(0, part * 3 - 2),
  ];
}

export class Colours {
  #window: Window = { low: 0, high: 1 };
  #grey = new Uint32Array(N_CODES);
  #quarterGrey = new Uint32Array(N_CODES);
  #halfGrey = new Uint32Array(N_CODES);
  #hatch = new Uint32Array(N_CODES);
  #heat = new Uint32Array(N_CODES);
  #heatOf = "";

  constructor() {
    this.setWindow(this.#window);
  }

  get window(): Window {
    return this.#window;
  }

  setWindow(window: Window): void {
    this.#window = window;
    const width = Math.max(window.high - window.low, 1 / N_CODES);
    for (let code = 1; code < N_CODES; code++) {
      const part = ((code - 1) / (N_CODES - 2) - window.low) / width;
      const grey = 255 * Math.min(1, Math.max(0, part));
      this.#grey[code] = pack(grey, grey, grey);
      this.#quarterGrey[code] = greyPart(grey * (1 - HEAT_PART)) | OPAQUE;
      this.#halfGrey[code] = pack(grey * 0.5, grey * 0.5, grey * 0.5);
      this.#hatch[code] = grey < NO_SIGNAL ? FAINT_HATCH : HATCH;
    }
    for (const table of [this.#grey, this.#quarterGrey, this.#halfGrey]) table[0] = NO_MAGNITUDE;
  }

  // Fill `pixels` (ABGR). No temperature plane: the magnitude alone.
  paint(pixels: Uint32Array, magnitude: Codes, nx: number, temperature?: Codes, scale?: Plane): void {
    const grey = this.#grey;
    if (!temperature || !scale) {
      for (let at = 0; at < pixels.length; at++) pixels[at] = grey[magnitude[at]!]!;
      return;
    }
    this.#prepareHeat(scale);
    const [quarter, half, hatch, warm] = [this.#quarterGrey, this.#halfGrey, this.#hatch, this.#heat];
    for (let at = 0; at < pixels.length; at++) {
      const code = magnitude[at]!;
      const degrees = temperature[at]!;
      if (code === 0) pixels[at] = NO_MAGNITUDE;
      else if (degrees === 0) pixels[at] = ((at % nx) + Math.floor(at / nx)) % 4 === 0 ? hatch[code]! : half[code]!;
      // no carry from byte to byte: a quarter and three quarters never make more than 255
      else pixels[at] = warm[degrees] ? quarter[code]! + warm[degrees]! : grey[code]!;
    }
  }

  #prepareHeat(scale: Plane): void {
    const of = `${scale.offset} ${scale.step}`;
    if (of === this.#heatOf) return;
    this.#heatOf = of;
    this.#heat.fill(0);
    for (let code = Math.max(1, Math.ceil(codeOf(scale, COLDEST_C) - 1e-6)); code < N_CODES; code++) {
      const [red, green, blue] = heat(scale.offset + scale.step * (code - 1)).map((one) => Math.floor(one * HEAT_PART));
      this.#heat[code] = (blue! << 16) | (green! << 8) | red!;
    }
  }
}

function pack(red: number, green: number, blue: number): number {
  return (OPAQUE | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0;
}

function greyPart(grey: number): number {
  const byte = Math.floor(grey);
  return (byte << 16) | (byte << 8) | byte;
}
