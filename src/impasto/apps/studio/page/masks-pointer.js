/**
 * Pointers -> strokes, or a moved view. One finger, pen or button paints; two fingers, the wheel, the
 * middle button, or a drag with the space bar held move the picture.
 *
 * While a pen is down, hands that rest on the glass do nothing. A second finger ends a stroke: one
 * that has only begun was meant for two fingers, and is taken back.
 */

import { bounded, moved, zoomed } from "./view.js";

const BEGINNING = 250; // ms in which a second finger takes a stroke back

/**
 * @param {HTMLElement} element
 * @param {{box: () => object, size: () => object, view: () => object, onView: (view: object) => void,
 *     panning: () => boolean, down: (event: PointerEvent) => void,
 *     move: (events: PointerEvent[]) => void, up: (event: PointerEvent) => void,
 *     cancel: () => void, hover: (event: PointerEvent|null) => void}} stage
 */
export function createPointers(element, stage) {
  const fingers = new Map(); // id -> {x, y} of the pointers that move the view
  let painting = null; // {id, type, since}

  const at = (event) => {
    const frame = element.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  const change = (make) => stage.onView(make(bounded(stage.view(), stage.box(), stage.size()), stage.box(), stage.size()));

  function down(event) {
    if (painting?.type === "pen" && event.pointerType === "touch") return;
    if (event.pointerType === "mouse" && event.button > 2) return;
    event.preventDefault();
    element.focus({ preventScroll: true });
    capture(event.pointerId);
    const moves = event.button === 1 || stage.panning() || fingers.size > 0;
    if (moves || painting) {
      if (painting) giveUp(event);
      fingers.set(event.pointerId, at(event));
      element.classList.add("moving");
      return;
    }
    painting = { id: event.pointerId, type: event.pointerType, since: event.timeStamp, last: at(event) };
    stage.down(event);
  }

  /** A second pointer came: both move the view now; the pen takes over from a hand. */
  function giveUp(event) {
    const { id, since, last } = painting;
    if (event.timeStamp - since < BEGINNING) stage.cancel();
    else stage.up(event);
    painting = null;
    if (event.pointerType === "touch") fingers.set(id, last);
  }

  function move(event) {
    if (painting?.id === event.pointerId) {
      painting.last = at(event);
      const all = event.getCoalescedEvents?.() ?? [];
      stage.move(all.length ? all : [event]);
      return;
    }
    const last = fingers.get(event.pointerId);
    if (!last) {
      if (!painting) stage.hover(event.pointerType === "touch" ? null : event);
      return;
    }
    const now = at(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (other) pinch(last, now, other);
    else change((view, box, size) => moved(view, now.x - last.x, now.y - last.y, box, size));
  }

  function pinch(last, now, other) {
    const far = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    change((view, box, size) => {
      const next = moved(view, (now.x - last.x) / 2, (now.y - last.y) / 2, box, size);
      return zoomed(next, far(now) / far(last), middle, box, size);
    });
  }

  function up(event) {
    if (painting?.id === event.pointerId) {
      painting = null;
      if (event.type === "pointercancel") stage.cancel();
      else stage.up(event);
    }
    fingers.delete(event.pointerId);
    element.classList.toggle("moving", fingers.size > 0);
  }

  function capture(id) {
    try {
      element.setPointerCapture(id);
    } catch {
      // the pointer has gone already
    }
  }

  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", () => painting || stage.hover(null));
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1;
    const factor = Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016));
    change((view, box, size) => zoomed(view, factor, at(event), box, size));
  }, { passive: false });
}
