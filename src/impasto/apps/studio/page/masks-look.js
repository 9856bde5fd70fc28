/**
 * What is seen of the masks: the view, the brush over it, the state of the panel.
 *
 *     changes -> later() -> one drawing a frame: waiting points, overlay, marks
 *     changes -> render() -> panel
 */

import { debounce } from "./dom.js";
import { noteOf } from "./masks-room.js";
import { isSized, pressed } from "./masks-tools.js";
import { FIT, bounded, percentOf, place as placed } from "./view.js";

/**
 * @param {object} room of masks-stage.js
 * @param {{width: number, height: number}} size of the masks
 * @param {{name: string}[]} names of the layers
 * @param {{layers: object, tools: object, smart: object, overlay: object, marks: object, panel: object,
 *     keys: object}} parts of the painter; all are there before anything is drawn
 */
export function createLook(room, size, names, parts) {
  const { stage, picture, box } = room;
  const look = { tool: "brush", radius: Math.max(4, Math.round(Math.max(size.width, size.height) / 28)), soft: 0.25, opacity: 0.6, takes: false, alone: false, view: FIT };
  const shares = names.map(() => 0);
  const waiting = []; // points of a stroke that are not drawn yet
  let hovering = null;
  let frame = 0;

  const view = () => bounded(look.view, box(), size);
  const lying = () => placed(view(), box(), size);

  function draw() {
    frame = 0;
    self.flush();
    parts.overlay.draw();
    const sized = isSized(look.tool);
    const ring = hovering && look.tool !== "hand" ? { ...hovering, r: sized ? hovering.r : 0.5, soft: sized && look.tool !== "smart" ? look.soft : 0, cross: !sized, down: parts.keys.down } : null;
    parts.marks.draw({ ring, lasso: parts.tools.lasso, strokes: [...parts.smart.strokes, ...parts.tools.scribble] });
  }

  const self = {
    look, shares, waiting, box, view, lying,
    get hovering() { return hovering; },
    set hovering(next) { hovering = next; },

    later() {
      frame ||= requestAnimationFrame(draw);
    },

    /** Give the points that wait to the tool. */
    flush: () => waiting.length && parts.tools.move(waiting.splice(0)),

    render() {
      const { layers, smart } = parts;
      parts.panel.render({ ...look, notes: names.map((_, i) => noteOf(i, shares)), chosen: layers.chosen, shares, canUndo: layers.undo.canUndo || smart.active, canRedo: layers.undo.canRedo && !smart.active, smart: smart.active, asking: smart.asking, percent: percentOf(view(), box(), size, devicePixelRatio) });
      stage.dataset.tool = look.tool;
    },

    layout() {
      const { left, top, scale } = lying();
      picture.style.width = `${size.width}px`;
      picture.style.height = `${size.height}px`;
      picture.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
      picture.classList.toggle("pixels", scale * devicePixelRatio >= 4);
      self.render();
      self.later();
    },

    /** All of the masks is drawn anew. */
    all() {
      parts.overlay.touch({ x: 0, y: 0, w: size.width, h: size.height });
      self.later();
    },

    /** The part of the picture in a layer, measured now. */
    shareNow: (index) => (shares[index] = parts.layers.share(index)),
    count: debounce((index) => self.render(self.shareNow(index)), 150),

    /** Where an event is in the picture, as a dab. */
    point(event, radius = look.radius) {
      const edge = stage.getBoundingClientRect();
      const { left, top, scale } = lying();
      return { x: (event.clientX - edge.left - left) / scale, y: (event.clientY - edge.top - top) / scale, r: pressed(radius, event) };
    },

    close: () => cancelAnimationFrame(frame),
  };
  return self;
}
