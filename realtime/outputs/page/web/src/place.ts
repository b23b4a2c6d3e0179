// Where an image lies in its canvas: zoom and shift, the same for all images of the page.

const MOST_ZOOM = 12;

export class Place {
  zoom = 1;
  // the image's point, in parts of its width and height, that stands in the middle
  x = 0.5;
  y = 0.5;

  reset(): void {
    [this.zoom, this.x, this.y] = [1, 0.5, 0.5];
  }

  // Part of the canvas → part of the image.
  imageAt(u: number, v: number): [number, number] {
    return [this.x + (u - 0.5) / this.zoom, this.y + (v - 0.5) / this.zoom];
  }

  // What lies under (u, v) stays there.
  zoomBy(factor: number, u = 0.5, v = 0.5): void {
    const [x, y] = this.imageAt(u, v);
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    this.x = x - (u - 0.5) / this.zoom;
    this.y = y - (v - 0.5) / this.zoom;
    this.#keepInside();
  }

  moveBy(du: number, dv: number): void {
    this.x -= du / this.zoom;
    this.y -= dv / this.zoom;
    this.#keepInside();
  }

  #keepInside(): void {
    const margin = 0.5 / this.zoom;
    const keep = (one: number) => Math.min(Math.max(one, margin), 1 - margin);
    [this.x, this.y] = [keep(this.x), keep(this.y)];
  }
}
