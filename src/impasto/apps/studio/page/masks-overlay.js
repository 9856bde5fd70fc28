/** Layers as colours over the photograph: drawn once a frame, and only where they changed. */

import { EMPTY, union } from "./masks-raster.js";

const OTHERS = 0.45; // of the opacity: layers that are not chosen

/**
 * RGBA of a rectangle: the chosen layer in its colour, the others fainter below it.
 *
 * @param {Uint8ClampedArray} pixels of the rectangle
 * @param {{list: {mask: Uint8Array|null, colour: number[]}[], chosen: number, opacity: number,
 *     alone: boolean}} look `alone`: the chosen mask itself, in greys
 */
export function compose(pixels, rect, width, { list, chosen, opacity, alone }) {
  const own = list[chosen];
  const others = alone ? [] : list.filter((layer) => layer !== own && layer.mask);
  let j = 0;
  for (let row = rect.y; row < rect.y + rect.h; row++) {
    for (let i = row * width + rect.x, end = i + rect.w; i < end; i++, j += 4) {
      const value = own.mask ? own.mask[i] : 0;
      if (alone) {
        pixels[j] = pixels[j + 1] = pixels[j + 2] = value;
        pixels[j + 3] = 255;
        continue;
      }
      let weight = value * opacity;
      let [red, green, blue] = [own.colour[0] * weight, own.colour[1] * weight, own.colour[2] * weight];
      if (value < 255) {
        for (const { mask, colour } of others) {
          if (!mask[i]) continue;
          const more = mask[i] * opacity * OTHERS * (1 - value / 255);
          red += colour[0] * more;
          green += colour[1] * more;
          blue += colour[2] * more;
          weight += more;
        }
      }
      if (weight) {
        pixels[j] = red / weight;
        pixels[j + 1] = green / weight;
        pixels[j + 2] = blue / weight;
      }
      pixels[j + 3] = weight;
    }
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {() => object} look for `compose`
 */
export function createOverlay(canvas, { width, height }, look) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  let dirty = EMPTY;
  return {
    touch(rect) {
      dirty = union(dirty, rect);
    },
    /** Draw what changed; called in an animation frame. */
    draw() {
      if (!dirty.w) return;
      const image = context.createImageData(dirty.w, dirty.h);
      compose(image.data, dirty, width, look());
      context.putImageData(image, dirty.x, dirty.y);
      dirty = EMPTY;
    },
  };
}
