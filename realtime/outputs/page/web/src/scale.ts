// The colours of the temperature overlay, with their degrees.

import { COLDEST_C, heat, HOTTEST_C } from "./colour.ts";
import { context, fit } from "./dom.ts";

export function drawScale(canvas: HTMLCanvasElement): void {
  if (!fit(canvas, canvas.clientWidth, canvas.clientHeight)) return;
  const on = context(canvas);
  const { width } = canvas;
  const unit = devicePixelRatio;
  for (let x = 0; x < width; x++) {
    const [red, green, blue] = heat(COLDEST_C + ((HOTTEST_C - COLDEST_C) * x) / width);
    on.fillStyle = `rgb(${red} ${green} ${blue})`;
    on.fillRect(x, 0, 1, 10 * unit);
  }
  on.fillStyle = "#e6edf3";
  on.font = `${12 * unit}px system-ui, sans-serif`;
  for (let c = COLDEST_C; c <= HOTTEST_C; c += 10) {
    const isEnd = c === HOTTEST_C;
    on.textAlign = c === COLDEST_C ? "left" : isEnd ? "right" : "center";
    on.fillText(isEnd ? `≥${c} °C` : `${c}`, (width * (c - COLDEST_C)) / (HOTTEST_C - COLDEST_C), 22 * unit);
  }
}
