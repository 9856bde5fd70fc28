/**
 * Smart brush: strokes over an object, and the studio finds all of it.
 *
 * Strokes are collected until the mask is accepted; each one asks again, with all of them. What was
 * in the layer before stays: the object is added to it, or taken away.
 */

const MOST = 1600; // points of one request
const SIDES = ["inside", "outside"];

/**
 * Points of all strokes for a request: [x, y, radius] as parts of width, height and the longer side.
 *
 * Discs overlap unless there are too many.
 */
export function sentStrokes(strokes, { width, height }) {
  const long = Math.max(width, height);
  for (let spacing = 0.5; ; spacing *= 1.6) {
    const sent = { inside: [], outside: [] };
    for (const { side, points } of strokes) sent[side] = sent[side].concat(spaced(points, spacing));
    if (SIDES.reduce((sum, side) => sum + sent[side].length, 0) > MOST) continue;
    const part = (value) => Math.round(Math.min(Math.max(value, 0), 1) * 1e5) / 1e5;
    for (const side of SIDES) sent[side] = sent[side].map(({ x, y, r }) => [part(x / width), part(y / height), part(r / long)]);
    return sent;
  }
}

/** Points along a stroke, at least `spacing` radii from one to the next. */
function spaced(points, spacing) {
  const found = [points[0]];
  for (const point of points.slice(1)) {
    const last = found.at(-1);
    const far = Math.hypot(point.x - last.x, point.y - last.y);
    const step = Math.max(1, last.r * spacing);
    for (let at = step; at <= far; at += step) {
      const t = at / far;
      found.push({ x: last.x + t * (point.x - last.x), y: last.y + t * (point.y - last.y), r: last.r });
    }
  }
  return found;
}

/** The object added to a mask, or taken away from it. */
export function combined(before, object, adds) {
  const mask = new Uint8Array(before.length);
  for (let i = 0; i < mask.length; i++) {
    mask[i] = adds ? Math.max(before[i], object[i]) : Math.min(before[i], 255 - object[i]);
  }
  return mask;
}

/**
 * @param {object} layers of masks-layers.js
 * @param {(strokes: object, signal: AbortSignal) => Promise<Uint8Array>} find
 * @param {{onChange: () => void, say: (text: string, error?: boolean) => void,
 *     softness: () => number}} hear
 */
export function createSmart(layers, find, { onChange, say, softness }) {
  let session = null; // {before, strokes, found: objects by number of strokes}
  let asking = null;

  function show() {
    const object = session.found[session.strokes.length];
    layers.show(object ? combined(session.before, object, true) : session.before);
  }

  async function ask() {
    asking?.abort();
    const now = session;
    const number = now.strokes.length;
    if (!now.strokes.some(({ side }) => side === "inside")) {
      say("Now draw over the object itself.");
      return show();
    }
    const request = (asking = new AbortController());
    say("Looking for the object…");
    try {
      const object = await find({ ...sentStrokes(now.strokes, layers.size), softness: softness() }, request.signal);
      if (session !== now || now.strokes.length !== number) return undefined;
      now.found[number] = object;
      show();
      say("Found. Draw more to correct it, or keep it.");
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      if (session === now) now.strokes.pop();
      say(error.message, true);
    } finally {
      if (asking === request) asking = null;
      onChange();
    }
    return undefined;
  }

  const self = {
    get active() { return session !== null; },
    get asking() { return asking !== null; },
    get strokes() { return session?.strokes ?? []; },

    /** A stroke is drawn: {side, points: Dab[]}. */
    add(stroke) {
      session ??= { before: layers.mask().slice(), strokes: [], found: {} };
      session.strokes.push(stroke);
      onChange();
      return ask();
    },

    /** Take the last stroke back. */
    back() {
      asking?.abort();
      session.strokes.pop();
      if (!session.strokes.length) return self.leave();
      const number = session.strokes.length;
      if (session.found[number] || !session.strokes.some(({ side }) => side === "inside")) show();
      else ask();
      return onChange();
    },

    /** Keep what is found, as one step that can be undone. */
    accept() {
      if (!session) return;
      asking?.abort();
      const { before } = session;
      const mask = layers.mask().slice();
      session = null;
      layers.replace(mask, "smart brush", before);
      onChange();
    },

    /** Go back to what was there before the first stroke. */
    leave() {
      if (!session) return;
      asking?.abort();
      const { before } = session;
      session = null;
      layers.restore(before);
      onChange();
    },
  };
  return self;
}
