/**
 * Where a picture lies in a pane. Pure functions.
 *
 * A view holds for any picture and pane, so that two panes of different pictures move together.
 *
 * @typedef {{zoom: number, x: number, y: number}} View zoom 1 fits the pane; x and y are the part
 *     of the picture, 0 to 1, that lies in the middle of the pane
 * @typedef {{width: number, height: number}} Box in CSS pixels (pane) or pixels (picture)
 */

export const FIT = Object.freeze({ zoom: 1, x: 0.5, y: 0.5 });
const MARGIN = 20; // CSS pixels around a picture that fits
const LARGEST = 32; // CSS pixels a picture's pixel is shown as

/** CSS pixels for a pixel of a picture that fits. */
export function fitScale(pane, picture) {
  const margin = Math.min(pane.width, pane.height) < 500 ? 8 : MARGIN;
  const across = Math.max(pane.width - 2 * margin, 16) / picture.width;
  const down = Math.max(pane.height - 2 * margin, 16) / picture.height;
  return Math.min(across, down);
}

/** Left, top, width and height of the picture in the pane, and CSS pixels for its pixel. */
export function place(view, pane, picture) {
  const scale = fitScale(pane, picture) * view.zoom;
  const [width, height] = [picture.width * scale, picture.height * scale];
  const left = pane.width / 2 - view.x * width;
  const top = pane.height / 2 - view.y * height;
  return { left, top, width, height, scale };
}

/** The view within bounds: no larger than makes sense, and no bare pane beside a large picture. */
export function bounded(view, pane, picture) {
  const fit = fitScale(pane, picture);
  const zoom = Math.min(Math.max(view.zoom, Math.min(1, 0.25 / fit)), Math.max(LARGEST / fit, 1));
  const axis = (middle, outer, inner) => {
    const half = outer / inner / 2;
    return half >= 0.5 ? 0.5 : Math.min(Math.max(middle, half), 1 - half);
  };
  return {
    zoom,
    x: axis(view.x, pane.width, picture.width * fit * zoom),
    y: axis(view.y, pane.height, picture.height * fit * zoom),
  };
}

/** The view zoomed by a factor, while the point (CSS pixels in the pane) stays where it is. */
export function zoomed(view, factor, point, pane, picture) {
  const before = place(view, pane, picture);
  const next = bounded({ ...view, zoom: view.zoom * factor }, pane, picture);
  const scale = fitScale(pane, picture) * next.zoom;
  const [u, v] = [(point.x - before.left) / before.width, (point.y - before.top) / before.height];
  const x = u - (point.x - pane.width / 2) / (picture.width * scale);
  const y = v - (point.y - pane.height / 2) / (picture.height * scale);
  return bounded({ zoom: next.zoom, x, y }, pane, picture);
}

/** The view after the picture is moved by CSS pixels. */
export function moved(view, dx, dy, pane, picture) {
  const { width, height } = place(view, pane, picture);
  return bounded({ ...view, x: view.x - dx / width, y: view.y - dy / height }, pane, picture);
}

/** Zoom at which a pixel of the picture is `percent`/100 pixels of the screen. */
export const zoomFor = (percent, pane, picture, ratio) =>
  percent / 100 / ratio / fitScale(pane, picture);

/** Pixels of the screen for a pixel of the picture, in per cent. */
export const percentOf = (view, pane, picture, ratio) =>
  Math.round(fitScale(pane, picture) * view.zoom * ratio * 100);
