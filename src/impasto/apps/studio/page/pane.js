/** A pane: one picture, with what was before beside it, zoomed and moved. */

import { attribute, h } from "./dom.js";
import { createGestures } from "./gestures.js";
import { createLoader } from "./loader.js";
import { bounded, place } from "./view.js";

const THUMB = 36; // CSS pixels of the before/after handle

/**
 * @typedef {object} Scene
 * @property {string} key another key is another picture: the old one is not shown meanwhile
 * @property {string} title
 * @property {import("./view.js").Box} size of the finished picture
 * @property {(side: number) => string|null} after address for a longest side in screen pixels
 * @property {string|null} before address
 * @property {boolean} waiting the picture is not there yet; what was before is shown dimmed
 */

/** @param {{label: string, onView: (view: import("./view.js").View) => void}} options */
export function createPane({ label, onView }) {
  const before = h("div", { class: "layer before" });
  const after = h("div", { class: "layer after" });
  const picture = h("div", { class: "picture" }, before, after);
  const reveal = revealer();
  const title = h("p", { class: "pane-title" });
  const element = h(
    "div",
    { class: "pane", tabindex: "0", role: "group", "aria-label": `${label}. Plus and minus zoom, 0 fits, 1 shows every pixel, arrows move, B compares.` },
    picture,
    title,
    reveal.element,
  );
  const loaders = { before: createLoader(before), after: createLoader(after) };
  let scene = null;
  let shown = { view: null, revealed: false };

  const box = () => ({ width: element.clientWidth, height: element.clientHeight });

  function layout() {
    if (!scene || !box().width) return;
    const lying = place(bounded(shown.view, box(), scene.size), box(), scene.size);
    Object.assign(picture.style, {
      width: `${lying.width}px`,
      height: `${lying.height}px`,
      transform: `translate(${Math.round(lying.left)}px, ${Math.round(lying.top)}px)`,
    });
    const pixel = lying.scale * devicePixelRatio;
    picture.classList.toggle("pixels", pixel >= 3);
    cut(lying);
    const side = Math.ceil(Math.max(lying.width, lying.height) * devicePixelRatio);
    loaders.after.show(scene.after(side));
    loaders.before.show(scene.before);
  }

  /** Cut the finished picture where the handle stands. */
  function cut(lying) {
    const on = shown.revealed && Boolean(scene.before) && !scene.waiting;
    reveal.element.hidden = !on;
    const handle = THUMB / 2 + (reveal.value() / 100) * (box().width - THUMB);
    const part = Math.min(Math.max((handle - lying.left) / lying.width, 0), 1);
    after.style.clipPath = on ? `inset(0 0 0 ${(100 * part).toFixed(3)}%)` : "none";
    reveal.element.style.setProperty("--at", `${handle}px`);
  }

  reveal.onMove(layout);
  new ResizeObserver(layout).observe(element);
  createGestures(element, { box, size: () => scene?.size, view: () => shown.view, onView });

  return {
    element,
    box,
    size: () => scene?.size ?? null,
    /** @param {Scene|null} next */
    render(next, view, revealed, caption) {
      if (scene?.key !== next?.key) Object.values(loaders).forEach((loader) => loader.clear());
      scene = next;
      shown = { view, revealed };
      attribute(picture, "hidden", !next);
      picture.classList.toggle("waiting", Boolean(next?.waiting));
      title.textContent = caption ?? "";
      title.hidden = !caption;
      if (!next) reveal.element.hidden = true;
      layout();
    },
  };
}

/** The before/after handle: a range, so that keys, touch and screen readers work. */
function revealer() {
  const range = h("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": "Before and after" });
  const line = h("span", { class: "reveal-line", "aria-hidden": "true" });
  const names = ["Before", "After"].map((name) => h("span", { class: `reveal-${name.toLowerCase()}`, "aria-hidden": "true" }, name));
  const element = h("div", { class: "reveal", hidden: true }, line, ...names, range);
  return {
    element,
    value: () => Number(range.value),
    onMove: (hear) => range.addEventListener("input", hear),
  };
}
