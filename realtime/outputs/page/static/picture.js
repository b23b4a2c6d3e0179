// A frame's maps: read from one binary message, drawn on a canvas. Code 0 is never drawn as a value.

const COLDEST_C = 40;
const HOTTEST_C = 70;
const NO_MAGNITUDE = [90, 0, 110];

export function readPicture(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const planes = {};
  for (const plane of header.planes) {
    const size = plane.shape.reduce((a, b) => a * b, 1);
    planes[plane.name] = { ...plane, codes: new Uint16Array(data, 4 + length + plane.byte, size) };
  }
  return { ...header, planes };
}

export function drawPicture(canvas, picture) {
  const { magnitude, temperature_c: temperature, target } = picture.planes;
  const [nz, ny, nx] = magnitude.shape;
  const first = Math.floor(nz / 2) * ny * nx; // of a volume, its middle
  const image = new ImageData(nx, ny);
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      const at = first + y * nx + x;
      const colour = pixel(magnitude.codes[at], temperature && degrees(temperature, at), (x + y) % 4 === 0);
      if (target && target.codes[at] === 2 && isEdge(target, at, x, y, nx, ny)) colour.fill(0).splice(1, 2, 255, 255);
      image.data.set([...colour, 255], 4 * (y * nx + x));
    }
  }
  const [width, height] = [picture.fov_mm[0], picture.fov_mm[1]];
  const scale = 512 / Math.max(width, height);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const small = new OffscreenCanvas(nx, ny);
  small.getContext("2d").putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  canvas.ariaLabel = `image of frame ${picture.frame_id}`;
}

export function drawScale(canvas) {
  const context = canvas.getContext("2d");
  const { width } = canvas;
  for (let x = 0; x < width; x++) {
    const [r, g, b] = heat(COLDEST_C + (HOTTEST_C - COLDEST_C) * x / width);
    context.fillStyle = `rgb(${r} ${g} ${b})`;
    context.fillRect(x, 4, 1, 16);
  }
  context.fillStyle = "#e8ecf0";
  context.font = "14px system-ui, sans-serif";
  for (let c = COLDEST_C; c <= HOTTEST_C; c += 5) {
    const end = c === HOTTEST_C;
    context.textAlign = c === COLDEST_C ? "left" : end ? "right" : "center";
    context.fillText(end ? `≥ ${c} °C` : `${c}`, width * (c - COLDEST_C) / (HOTTEST_C - COLDEST_C), 38);
  }
}

// undefined where there is no such map is not null, which is a pixel that may not be believed
function degrees(plane, at) {
  const code = plane.codes[at];
  return code === 0 ? null : plane.offset + plane.step * (code - 1);
}

function pixel(code, temperature, isHatch) {
  if (code === 0) return [...NO_MAGNITUDE];
  const grey = (code - 1) / 65534 * 255;
  if (temperature === null) return isHatch ? [60, 75, 110] : [grey * 0.5, grey * 0.5, grey * 0.5];
  if (temperature === undefined || temperature < COLDEST_C) return [grey, grey, grey];
  return heat(temperature).map((one) => 0.25 * grey + 0.75 * one);
}

// dark red, orange, yellow, white
function heat(temperature) {
  const part = Math.min(Math.max((temperature - COLDEST_C) / (HOTTEST_C - COLDEST_C), 0), 1);
  return [120 + 135 * Math.min(1, part * 2.5), 255 * Math.min(1, Math.max(0, part * 1.6 - 0.25)),
    255 * Math.max(0, part * 3 - 2)];
}

function isEdge(plane, at, x, y, nx, ny) {
  const inside = (dy, dx) => plane.codes[at + dy * nx + dx] === 2;
  return x === 0 || y === 0 || x === nx - 1 || y === ny - 1
    || !inside(-1, 0) || !inside(1, 0) || !inside(0, -1) || !inside(0, 1);
}
