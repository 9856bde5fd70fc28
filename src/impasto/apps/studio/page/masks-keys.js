/** Keys of the mask painter; painting without a pointer: arrows move the brush, Enter presses it. */

import { TOOLS } from "./masks-tools.js";

/**
 * @param {HTMLElement} room hears all keys
 * @param {HTMLElement} stage hears those of the brush
 */
export function createKeys(room, stage, { acts, tools, lying, size, box, later, radius, at, hover }) {
  const state = { space: false, down: false };
  const letters = {
    "[": () => acts.grow(1 / 1.2), "]": () => acts.grow(1.2), "+": () => acts.zoom(1.25), "=": () => acts.zoom(1.25),
    "-": () => acts.zoom(0.8), 0: acts.fit, i: acts.invert, v: acts.alone, Delete: acts.clear,
    ...Object.fromEntries(TOOLS.map(({ id, key }) => [key, () => acts.tool(id)])),
  };

  function pressed(event) {
    const typing = event.target.matches?.("input:not([type=range], [type=radio])");
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      state.down = false;
      return acts.escape();
    }
    if (typing) return undefined;
    if (event.ctrlKey || event.metaKey) return command(event);
    if (event.target === stage && brush(event)) return event.preventDefault();
    const act = event.altKey ? null : letters[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.target.matches?.("input") && event.key.length > 1)) return undefined;
    event.preventDefault();
    event.stopPropagation();
    return act();
  }

  function command(event) {
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) acts.redo();
    else acts.undo();
  }

  /** Arrow keys, Enter and the space bar on the picture. */
  function brush(event) {
    if (event.key === " ") {
      state.space = true;
      stage.classList.add("hand");
      return true;
    }
    if (event.key === "Enter") {
      press();
      return true;
    }
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (dx === undefined) return false;
    const step = Math.max(1, radius() / 2) * (event.shiftKey ? 4 : 1);
    const now = here();
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    const next = { x: clamp(now.x + dx * step, size.width), y: clamp(now.y + dy * step, size.height), r: radius() };
    hover(next);
    if (state.down) tools.move([next]);
    later();
    return true;
  }

  function press() {
    if (acts.accept() !== false && !state.down) return;
    if (state.down) tools.up();
    else tools.down(here(), false);
    state.down = !state.down;
    if (state.down && !tools.busy) state.down = false;
    hover(here());
    later();
  }

  /** Where the brush is; at first in the middle of what is seen. */
  function here() {
    if (at()) return { ...at(), r: radius() };
    const { left, top, scale } = lying();
    return { x: (box().width / 2 - left) / scale, y: (box().height / 2 - top) / scale, r: radius() };
  }

  const released = (event) => {
    if (event.key !== " ") return;
    state.space = false;
    stage.classList.remove("hand");
  };
  room.addEventListener("keydown", pressed);
  addEventListener("keyup", released);
  return {
    get space() { return state.space; },
    get down() { return state.down; },
    remove() {
      room.removeEventListener("keydown", pressed);
      removeEventListener("keyup", released);
    },
  };
}
