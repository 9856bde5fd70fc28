/**
 * Undo of masks: of each change only the tiles that it changed are kept, up to a number of bytes.
 *
 * A record has, for each tile, its pixels as they were, or one number where all are alike. Undoing
 * exchanges them with what is there now, so that redoing is the same.
 */

export const TILE = 64; // pixels a side

/**
 * @param {number} width of the masks
 * @param {number} height
 * @param {number} [limit] bytes; the oldest changes are forgotten first
 */
export function createUndo(width, height, limit = 48_000_000) {
  const across = Math.ceil(width / TILE);
  const done = [];
  let undone = [];
  let bytes = 0;

  function place(index) {
    const [x, y] = [(index % across) * TILE, Math.floor(index / across) * TILE];
    return { x, y, w: Math.min(TILE, width - x), h: Math.min(TILE, height - y) };
  }

  function taken(mask, index) {
    const { x, y, w, h } = place(index);
    const tile = new Uint8Array(w * h);
    for (let row = 0; row < h; row++) {
      const start = (y + row) * width + x;
      tile.set(mask.subarray(start, start + w), row * w);
    }
    return tile.every((value) => value === tile[0]) ? tile[0] : tile;
  }

  function put(mask, index, tile) {
    const { x, y, w, h } = place(index);
    for (let row = 0; row < h; row++) {
      const start = (y + row) * width + x;
      if (typeof tile === "number") mask.fill(tile, start, start + w);
      else mask.set(tile.subarray(row * w, (row + 1) * w), start);
    }
  }

  function differs(before, after, index) {
    const { x, y, w, h } = place(index);
    for (let row = 0; row < h; row++) {
      for (let i = (y + row) * width + x, end = i + w; i < end; i++) if (before[i] !== after[i]) return true;
    }
    return false;
  }

  const cost = (record) => record.tiles.reduce((sum, [, tile]) => sum + (tile.length ?? 0) + 64, 128);

  /** Exchange a record's tiles with those of its layer's mask. */
  function exchange(record, maskOf) {
    const mask = maskOf(record.layer);
    bytes -= cost(record);
    record.tiles = record.tiles.map(([index, tile]) => {
      const now = taken(mask, index);
      put(mask, index, tile);
      return [index, now];
    });
    bytes += cost(record);
    return record;
  }

  return {
    get bytes() { return bytes; },
    get canUndo() { return done.length > 0; },
    get canRedo() { return undone.length > 0; },

    /**
     * Keep what a change of a layer replaced, within a rectangle.
     *
     * @param {Uint8Array} before
     * @param {Uint8Array} after
     * @returns {boolean} whether anything differs
     */
    keep(layer, what, before, after, rect) {
      const tiles = [];
      for (let row = Math.floor(rect.y / TILE); row * TILE < rect.y + rect.h; row++) {
        for (let column = Math.floor(rect.x / TILE); column * TILE < rect.x + rect.w; column++) {
          const index = row * across + column;
          if (differs(before, after, index)) tiles.push([index, taken(before, index)]);
        }
      }
      if (!tiles.length) return false;
      bytes -= undone.reduce((sum, record) => sum + cost(record), 0);
      undone = [];
      const record = { layer, what, tiles };
      done.push(record);
      bytes += cost(record);
      while (bytes > limit && done.length > 1) bytes -= cost(done.shift());
      return true;
    },

    /** @returns {{layer: number, what: string}|null} what was undone */
    undo(maskOf) {
      const record = done.pop();
      if (record) undone.push(exchange(record, maskOf));
      return record ?? null;
    },

    redo(maskOf) {
      const record = undone.pop();
      if (record) done.push(exchange(record, maskOf));
      return record ?? null;
    },
  };
}
