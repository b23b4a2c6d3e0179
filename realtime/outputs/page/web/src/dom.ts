// The page's own elements: found once by id, and written only where they change.

export function at<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id} in index.html`);
  return found as unknown as T;
}

export function show(id: string, text: string): void {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K, text = "", className = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

// Fit a canvas to its box in device pixels; true where its size changed.
export function fit(canvas: HTMLCanvasElement, width: number, height: number): boolean {
  const [nx, ny] = [width, height].map((one) => Math.max(1, Math.round(one * devicePixelRatio)));
  if (canvas.width === nx && canvas.height === ny) return false;
  canvas.width = nx!;
  canvas.height = ny!;
  return true;
}

export function context(canvas: HTMLCanvasElement | OffscreenCanvas): CanvasRenderingContext2D {
  return canvas.getContext("2d") as CanvasRenderingContext2D;
}
