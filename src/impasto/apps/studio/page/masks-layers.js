/**
 * The masks of a photograph, one a layer, and what changes them.
 *
 *     start ── cover, cover … ──> end (undoable) or cancel
 */

import { EMPTY, blend, copyRect, fillRect, share, union } from "./masks-raster.js";
import { createUndo } from "./masks-undo.js";

/** Colours of layers: Protect, then one for each style; they differ in brightness too. */
export const COLOURS = [[45, 200, 255], [255, 82, 130], [255, 196, 0], [96, 214, 90], [170, 120, 255], [255, 132, 40]];

/**
 * @param {{width: number, height: number}} size
 * @param {{name: string, mask: Uint8Array|null}[]} given
 * @param {{onDirty: (rect: object) => void, onEdit: (layer: number) => void}} hear
 */
export function createLayers({ width, height }, given, { onDirty, onEdit }) {
  const count = width * height;
  const all = { x: 0, y: 0, w: width, h: height };
  const layers = given.map((layer, index) => ({ ...layer, colour: COLOURS[index % COLOURS.length] }));
  const undo = createUndo(width, height);
  const base = new Uint8Array(count);
  const cover = new Uint8Array(count);
  let chosen = 0;
  let stroke = null; // {target, rect}

  const maskOf = (index) => (layers[index].mask ??= new Uint8Array(count));

  function changed(record, word) {
    if (!record) return null;
    chosen = record.layer;
    onDirty(all);
    onEdit(record.layer);
    return `${word}: ${record.what}`;
  }

  const self = {
    size: { width, height },
    list: layers,
    get chosen() { return chosen; },
    get busy() { return stroke !== null; },
    get undo() { return undo; },
    mask: () => maskOf(chosen),

    choose(index) {
      chosen = index;
      onDirty(all);
    },

    /** The part of the picture in a layer, 0 to 1. */
    share: (index) => (layers[index].mask ? share(layers[index].mask) : 0),

    /** Begin a change of the chosen layer towards 255 or 0. */
    start(target) {
      self.cancel();
      base.set(maskOf(chosen));
      stroke = { target, rect: EMPTY };
    },

    /** Go on with it: `draw` covers more and returns where. */
    cover(draw) {
      const rect = draw(cover, base);
      if (!rect.w) return;
      blend(maskOf(chosen), base, cover, stroke.target, rect, width);
      stroke.rect = union(stroke.rect, rect);
      onDirty(rect);
    },

    /** @returns {boolean} whether anything is different now */
    end(what) {
      if (!stroke) return false;
      const { rect } = stroke;
      stroke = null;
      fillRect(cover, rect, width);
      const differs = undo.keep(chosen, what, base, maskOf(chosen), rect);
      if (differs) onEdit(chosen);
      return differs;
    },

    cancel() {
      if (!stroke) return;
      const { rect } = stroke;
      stroke = null;
      fillRect(cover, rect, width);
      copyRect(base, maskOf(chosen), rect, width);
      onDirty(rect);
      if (rect.w) onEdit(chosen); // the part drawn so far may have been saved
    },

    /** Show another mask in the chosen layer, before `replace` keeps it or `restore` ends it. */
    show(mask) {
      maskOf(chosen).set(mask);
      onDirty(all);
    },

    /** Go back to the mask of before `show`; what was shown may have been saved. */
    restore(mask) {
      self.show(mask);
      onEdit(chosen);
    },

    /** Another mask instead of what was there `before` (others were shown since), in one step. */
    replace(mask, what, before = null) {
      self.cancel();
      base.set(before ?? maskOf(chosen));
      maskOf(chosen).set(mask);
      onDirty(all);
      const differs = undo.keep(chosen, what, base, mask, all);
      if (differs || before) onEdit(chosen);
      return differs;
    },

    back: () => changed(undo.undo(maskOf), "Undone"),
    forth: () => changed(undo.redo(maskOf), "Done again"),
  };
  return self;
}
