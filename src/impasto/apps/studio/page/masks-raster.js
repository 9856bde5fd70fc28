/**
 * Masks as arrays: one byte a pixel, row by row, 0 outside to 255 inside. Pure functions.
 *
 * Points are in pixels; the middle of the first pixel is (0.5, 0.5). A rectangle {x, y, w, h} is in
 * whole pixels; an empty one has w or h 0.
 *
 * @typedef {{x: number, y: number, w: number, h: number}} Rect
 * @typedef {{x: number, y: number, r: number}} Dab a round touch of the brush
 */

export const EMPTY = Object.freeze({ x: 0, y: 0, w: 0, h: 0 });

/** The part of a rectangle with these corners that lies in width x height. @returns {Rect} */
export function within(x0, y0, x1, y1, width, height) {
  const [left, top] = [Math.max(0, Math.floor(x0)), Math.max(0, Math.floor(y0))];
  const w = Math.min(width, Math.ceil(x1)) - left;
  const h = Math.min(height, Math.ceil(y1)) - top;
  return w > 0 && h > 0 ? { x: left, y: top, w, h } : EMPTY;
}

/** The smallest rectangle around two. @returns {Rect} */
export function union(a, b) {
  if (!a.w || !a.h) return b;
  if (!b.w || !b.h) return a;
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  return { x, y, w: Math.max(a.x + a.w, b.x + b.w) - x, h: Math.max(a.y + a.h, b.y + b.h) - y };
}

/**
 * Cover what lies between two dabs: `cover` becomes the greater of what it is and 255 where the
 * brush is full. The edge falls from full to nothing, smoothly, over `soft` of the radius, and over
 * a pixel at least.
 *
 * @param {Uint8Array} cover
 * @param {number} soft 0 to 1
 * @returns {Rect} what may have changed
 */
export function coverSegment(cover, width, height, a, b, soft) {
  const far = Math.max(a.r, b.r) + 1;
  const [xs, ys] = [[a.x, b.x], [a.y, b.y]];
  const rect = within(Math.min(...xs) - far, Math.min(...ys) - far, Math.max(...xs) + far, Math.max(...ys) + far, width, height);
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const inverse = dx || dy ? 1 / (dx * dx + dy * dy) : 0;
  for (let row = rect.y; row < rect.y + rect.h; row++) {
    const py = row + 0.5 - a.y;
    for (let column = rect.x, i = row * width + rect.x; column < rect.x + rect.w; column++, i++) {
      if (cover[i] === 255) continue;
      const px = column + 0.5 - a.x;
      let t = (px * dx + py * dy) * inverse;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const [ex, ey] = [px - t * dx, py - t * dy];
      const radius = a.r + t * (b.r - a.r);
      const near = radius + 0.5;
      const squared = ex * ex + ey * ey;
      if (squared >= near * near) continue;
      const value = falloff(near - Math.sqrt(squared), Math.max(1, soft * radius + 0.5));
      if (value > cover[i]) cover[i] = value;
    }
  }
  return rect;
}

/** 0 to 255 at `depth` pixels inside an edge that is `band` pixels wide. */
export function falloff(depth, band) {
  if (depth >= band) return 255;
  const t = depth / band;
  return (band > 1.5 ? t * t * (3 - 2 * t) : t) * 255 + 0.5;
}

/** mask = base where nothing is covered, `target` where all is: of a rectangle. */
export function blend(mask, base, cover, target, rect, width) {
  for (let row = rect.y; row < rect.y + rect.h; row++) {
    for (let i = row * width + rect.x, end = i + rect.w; i < end; i++) {
      const c = cover[i];
      if (c) mask[i] = c === 255 ? target : base[i] + ((target - base[i]) * c) / 255 + 0.5;
    }
  }
}

/** Copy a rectangle of one mask into another. */
export function copyRect(from, into, rect, width) {
  for (let row = rect.y; row < rect.y + rect.h; row++) {
    const start = row * width + rect.x;
    into.set(from.subarray(start, start + rect.w), start);
  }
}

/** Set a rectangle to a value. */
export function fillRect(mask, rect, width, value = 0) {
  for (let row = rect.y; row < rect.y + rect.h; row++) {
    const start = row * width + rect.x;
    mask.fill(value, start, start + rect.w);
  }
}

/**
 * Cover the inside of a polygon, which closes itself; where it crosses itself, all of it. Edges have
 * the part of each pixel that lies inside, from four lines a row.
 *
 * @returns {Rect} what may have changed
 */
export function coverPolygon(cover, width, height, points) {
  if (points.length < 3) return EMPTY;
  const [xs, ys] = [points.map((p) => p.x), points.map((p) => p.y)];
  const rect = within(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), width, height);
  const line = new Float32Array(width + 1);
  for (let row = rect.y; row < rect.y + rect.h; row++) {
    line.fill(0, rect.x, rect.x + rect.w + 1);
    for (let part = 0; part < 4; part++) addLine(line, spans(points, row + part / 4 + 0.125), rect);
    for (let column = rect.x; column < rect.x + rect.w; column++) {
      const value = Math.min(255, line[column] * 63.75 + 0.5) | 0;
      const i = row * width + column;
      if (value > cover[i]) cover[i] = value;
    }
  }
  return rect;
}

/** Intervals [from, to] in which a horizontal line lies inside, by the winding rule. */
function spans(points, y) {
  const crossings = [];
  for (let i = 0; i < points.length; i++) {
    const [p, q] = [points[i], points[(i + 1) % points.length]];
    if (p.y <= y !== q.y <= y) crossings.push({ x: p.x + ((y - p.y) * (q.x - p.x)) / (q.y - p.y), turn: p.y < q.y ? 1 : -1 });
  }
  crossings.sort((p, q) => p.x - q.x);
  const found = [];
  let turns = 0;
  for (const { x, turn } of crossings) {
    if (turns === 0) found.push([x, x]);
    turns += turn;
    found.at(-1)[1] = x;
  }
  return found;
}

function addLine(line, intervals, rect) {
  for (const [from, to] of intervals) {
    const [left, right] = [Math.max(from, rect.x), Math.min(to, rect.x + rect.w)];
    if (right <= left) continue;
    const [first, last] = [Math.floor(left), Math.min(Math.floor(right), rect.x + rect.w - 1)];
    if (first === last) {
      line[first] += right - left;
      continue;
    }
    line[first] += first + 1 - left;
    for (let column = first + 1; column < last; column++) line[column] += 1;
    line[last] += right - last;
  }
}

/**
 * Cover what hangs together with a pixel: what is not yet as full as `target` (255 or 0).
 *
 * @returns {Rect} what has changed; empty where the pixel is as it should be
 */
export function coverFlood(cover, mask, width, height, x, y, target) {
  const open = target === 255 ? (value) => value < 250 : (value) => value > 5;
  const seed = y * width + x;
  if (x < 0 || y < 0 || x >= width || y >= height || !open(mask[seed])) return EMPTY;
  let rect = EMPTY;
  const stack = [seed];
  while (stack.length) {
    const at = stack.pop();
    if (cover[at] || !open(mask[at])) continue;
    const start = at - (at % width);
    let [from, to] = [at, at];
    while (from > start && !cover[from - 1] && open(mask[from - 1])) from--;
    while (to < start + width - 1 && !cover[to + 1] && open(mask[to + 1])) to++;
    cover.fill(255, from, to + 1);
    rect = union(rect, { x: from - start, y: start / width, w: to - from + 1, h: 1 });
    for (const next of [from - width, from + width]) {
      if (next < 0 || next >= cover.length) continue;
      for (let i = next, end = next + to - from; i <= end; i++) {
        if (open(mask[i]) && !cover[i] && (i === end || !open(mask[i + 1]) || cover[i + 1])) stack.push(i);
      }
    }
  }
  return rect;
}

/**
 * Soften a rectangle of a mask by two box filters of `radius` pixels, as if it went on at its edges.
 *
 * @returns {Rect} what has changed
 */
export function feather(cover, width, height, rect, radius) {
  if (radius < 1 || !rect.w) return rect;
  const grown = within(rect.x - 2 * radius, rect.y - 2 * radius, rect.x + rect.w + 2 * radius, rect.y + rect.h + 2 * radius, width, height);
  const line = new Float32Array(Math.max(grown.w, grown.h));
  for (let time = 0; time < 2; time++) {
    for (let row = 0; row < grown.h; row++) boxLine(cover, (grown.y + row) * width + grown.x, 1, grown.w, radius, line);
    for (let column = 0; column < grown.w; column++) boxLine(cover, grown.y * width + grown.x + column, width, grown.h, radius, line);
  }
  return grown;
}

function boxLine(values, start, step, count, radius, line) {
  const at = (i) => values[start + step * (i < 0 ? 0 : i >= count ? count - 1 : i)];
  let sum = 0;
  for (let i = -radius; i <= radius; i++) sum += at(i);
  const scale = 1 / (2 * radius + 1);
  for (let i = 0; i < count; i++) {
    line[i] = sum * scale;
    sum += at(i + radius + 1) - at(i - radius);
  }
  for (let i = 0; i < count; i++) values[start + step * i] = line[i] + 0.5;
}

/** The part of the picture that is inside, 0 to 1. */
export function share(mask) {
  let sum = 0;
  for (let i = 0; i < mask.length; i++) sum += mask[i];
  return sum / (255 * mask.length);
}

/** Brightness of RGBA pixels on black: a mask of a picture. */
export function fromPixels(pixels) {
  const mask = new Uint8Array(pixels.length / 4);
  for (let i = 0, j = 0; i < mask.length; i++, j += 4) {
    const grey = 0.2126 * pixels[j] + 0.7152 * pixels[j + 1] + 0.0722 * pixels[j + 2];
    mask[i] = (grey * pixels[j + 3]) / 255 + 0.5;
  }
  return mask;
}
