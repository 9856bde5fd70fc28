/** Wheel, drag, pinch and keys in a pane -> another view. */

import { FIT, bounded, moved, zoomFor, zoomed } from "./view.js";

const STEP = 60; // CSS pixels an arrow key moves

/**
 * @param {HTMLElement} element
 * @param {{box: () => object, size: () => object|undefined, view: () => object,
 *     onView: (view: object) => void}} pane
 */
export function createGestures(element, pane) {
  const pointers = new Map();
  const change = (make) => {
    const size = pane.size();
    if (size) pane.onView(make(bounded(pane.view(), pane.box(), size), pane.box(), size));
  };
  const at = (event) => {
    const frame = element.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };

  element.addEventListener("wheel", (event) => {
    if (!pane.size()) return;
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1;
    const factor = Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016));
    change((view, box, size) => zoomed(view, factor, at(event), box, size));
  }, { passive: false });

  element.addEventListener("pointerdown", (event) => {
    if (event.target.closest("input, select, button, a") || event.button > 0) return;
    pointers.set(event.pointerId, at(event));
    element.setPointerCapture(event.pointerId);
    element.classList.add("moving");
  });
  element.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const now = at(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (other) pinch(last, now, other);
    else change((view, box, size) => moved(view, now.x - last.x, now.y - last.y, box, size));
  });
  const end = (event) => {
    pointers.delete(event.pointerId);
    element.classList.toggle("moving", pointers.size > 0);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("dblclick", (event) => {
    if (!event.target.closest("input, select, button")) toggle(at(event));
  });

  function pinch(last, now, other) {
    const far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    const [dx, dy] = [(now.x - last.x) / 2, (now.y - last.y) / 2];
    change((view, box, size) => {
      const next = moved(view, dx, dy, box, size);
      return zoomed(next, far(now, other) / far(last, other), middle, box, size);
    });
  }

  /** From the whole picture to every pixel of it, and back. */
  function toggle(point) {
    change((view, box, size) => {
      const all = zoomFor(100, box, size, devicePixelRatio);
      return view.zoom === 1 ? zoomed(view, Math.max(all, 2), point, box, size) : FIT;
    });
  }

  const middle = () => ({ x: pane.box().width / 2, y: pane.box().height / 2 });
  const by = (factor) => change((view, box, size) => zoomed(view, factor, middle(), box, size));
  const move = (dx, dy) => change((view, box, size) => moved(view, dx, dy, box, size));
  const keys = {
    "+": () => by(1.25),
    "=": () => by(1.25),
    "-": () => by(0.8),
    0: () => pane.onView(FIT),
    1: () => change((view, box, size) => ({ ...view, zoom: zoomFor(100, box, size, devicePixelRatio) })),
    ArrowLeft: () => move(STEP, 0),
    ArrowRight: () => move(-STEP, 0),
    ArrowUp: () => move(0, STEP),
    ArrowDown: () => move(0, -STEP),
  };
  element.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}
