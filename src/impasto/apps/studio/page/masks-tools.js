/** The tools: what a stroke of each does to the chosen layer. Points are in the mask's pixels. */

import { coverFlood, coverPolygon, coverSegment, feather } from "./masks-raster.js";

/** In the order of the toolbar; `key` chooses one, `hint` says how it is used. */
export const TOOLS = [
  { id: "brush", name: "Brush", key: "b", hint: "Paint over what belongs to the mask." },
  { id: "eraser", name: "Eraser", key: "e", hint: "Paint over what does not." },
  { id: "lasso", name: "Lasso", key: "l", hint: "Draw around a part.", modes: ["Add", "Take away"] },
  { id: "fill", name: "Fill", key: "f", hint: "Press into an area that a stroke encloses.", modes: ["Add", "Take away"] },
  { id: "smart", name: "Smart brush", key: "s", hint: "Draw a line over an object; all of it is found.", modes: ["Object", "Not it"] },
  { id: "hand", name: "Move", key: "h", hint: "Drag the picture; two fingers or the wheel zoom." },
];

const SIZED = ["brush", "eraser", "smart"];
const FEATHER = 32; // pixels of a lasso or fill at the softest edge

export const isSized = (tool) => SIZED.includes(tool);

/** Radius under a pen's pressure; other pointers press alike. */
export const pressed = (radius, event) =>
  event.pointerType === "pen" && event.pressure > 0 ? radius * (0.25 + 0.75 * event.pressure) : radius;

/**
 * @param {object} layers of masks-layers.js
 * @param {object} smart of masks-smart.js
 * @param {() => {tool: string, radius: number, soft: number, takes: boolean}} how `takes`: away
 * @param {(text: string) => void} say
 */
export function createTools(layers, smart, how, say) {
  const { width, height } = layers.size;
  let stroke = null; // {tool, takes, points, last}

  /** Cover between the last point and these. */
  function brush(points) {
    const { soft } = how();
    for (const point of points) {
      layers.cover((cover) => coverSegment(cover, width, height, stroke.last ?? point, point, soft));
      stroke.last = point;
    }
  }

  function lasso() {
    if (stroke.points.length < 3) return;
    layers.start(stroke.takes ? 0 : 255);
    layers.cover((cover) => soften(cover, coverPolygon(cover, width, height, stroke.points)));
    layers.end(stroke.takes ? "lasso, taken away" : "lasso");
  }

  function fill({ x, y }) {
    const target = stroke.takes ? 0 : 255;
    layers.start(target);
    layers.cover((cover, base) => soften(cover, coverFlood(cover, base, width, height, Math.floor(x), Math.floor(y), target)));
    if (!layers.end(stroke.takes ? "fill, taken away" : "fill")) say(stroke.takes ? "There is nothing to take away here." : "This is full already.");
  }

  const soften = (cover, rect) => feather(cover, width, height, rect, Math.round((how().soft * FEATHER) / 2));

  return {
    get busy() { return stroke !== null; },
    get lasso() { return stroke?.tool === "lasso" ? stroke.points : null; },
    /** The smart stroke that is being drawn. */
    get scribble() { return stroke?.tool === "smart" ? [{ side: stroke.takes ? "outside" : "inside", points: stroke.points }] : []; },

    /** @param {{x: number, y: number, r: number}} point @param {boolean} other the other mode, this once */
    down(point, other) {
      const { tool, takes } = how();
      stroke = { tool, takes: takes !== other, points: [point], last: null };
      if (tool === "brush" || tool === "eraser") {
        stroke.takes = (tool === "eraser") !== other;
        layers.start(stroke.takes ? 0 : 255);
        brush([point]);
      }
    },

    move(points) {
      if (!stroke) return;
      if (stroke.tool === "brush" || stroke.tool === "eraser") brush(points);
      else stroke.points.push(...points);
    },

    up() {
      if (!stroke) return;
      const { tool, points, takes } = stroke;
      if (tool === "brush" || tool === "eraser") layers.end(takes ? "eraser" : "brush");
      else if (tool === "lasso") lasso();
      else if (tool === "fill") fill(points[0]);
      else if (tool === "smart") smart.add({ side: takes ? "outside" : "inside", points });
      stroke = null;
    },

    cancel() {
      stroke = null;
      layers.cancel();
    },
  };
}
