/**
 * The mask painter: what stays of the photograph, and where each painting goes.
 *
 *     pointers, keys -> tools -> layers -> overlay (once a frame)
 *                                  |
 *                                  +-> saved after a second's rest -> onChange({masks, protect})
 *
 * masks-raster.js and masks-undo.js are the mathematics; masks-panel.js the buttons.
 */

import { viewOf } from "./api.js";
import { debounce, h, text } from "./dom.js";
import { createKeys } from "./masks-keys.js";
import { COLOURS, createLayers } from "./masks-layers.js";
import { createMarks } from "./masks-marks.js";
import { createOverlay } from "./masks-overlay.js";
import { createPanel } from "./masks-panel.js";
import { encodePng } from "./masks-png.js";
import { createPointers } from "./masks-pointer.js";
import { LARGEST, SIZES, noteOf, styled, withdraw } from "./masks-room.js";
import { createSaving } from "./masks-saving.js";
import { findObject, loadMask, openFile, saveMask } from "./masks-server.js";
import { createSmart } from "./masks-smart.js";
import { TOOLS, createTools, isSized, pressed } from "./masks-tools.js";
import { FIT, bounded, percentOf, place as placed, zoomed } from "./view.js";

/**
 * Draw the painter into an element that fills the window.
 *
 * @param {{place: HTMLElement, content: object, styles: object[], masks: (string|null)[],
 *     protect: string|null, onChange: (news: {masks: (string|null)[], protect: string|null}) => void}} room
 * @returns {Promise<{close: () => Promise<void>}>} ready to paint; `close` saves, and stays once where
 *     that fails
 */
export async function openMasks({ place, content, styles, masks, protect, onChange }) {
  await styled();
  const given = [protect, ...styles.map((_, i) => masks[i] ?? null)];
  const status = h("p", { class: "mask-status", role: "status", "aria-live": "polite" });
  const image = h("img", { alt: "", draggable: "false", src: viewOf(content.id) });
  const [overlayCanvas, marksCanvas] = [h("canvas"), h("canvas", { class: "mask-marks" })];
  const picture = h("div", { class: "mask-picture" }, image, overlayCanvas);
  const stage = h("div", { class: "mask-stage", tabindex: 0, role: "application", "aria-label": "Mask. Arrow keys move the brush, Enter puts it down and lifts it." }, picture, marksCanvas, status);
  const before = document.activeElement;
  const quiet = withdraw(place);
  place.replaceChildren(stage);
  place.classList.add("masks");
  place.hidden = false;
  stage.focus();

  let speaking = 0;
  const say = (words, bad = false) => {
    text(status, words);
    status.classList.toggle("error", bad);
    clearTimeout(speaking);
    speaking = setTimeout(() => text(status, ""), bad ? 12_000 : 5000);
  };
  const leave = () => {
    place.hidden = true;
    place.classList.remove("masks");
    place.replaceChildren();
    quiet();
    before?.focus?.();
  };
  say("Opening…");
  try {
    await image.decode();
  } catch (error) {
    leave();
    throw error;
  }
  const size = { width: image.naturalWidth, height: image.naturalHeight };
  const loaded = await Promise.all(given.map((id) => (id ? loadMask(id, size).catch(() => null) : null)));
  if (given.some((id, i) => id && !loaded[i])) say("A mask could not be read; it is empty here.", true);

  const names = [{ name: "Protect" }, ...styles.map((style) => ({ name: `Where ${style.name}`, style }))];
  const look = { tool: "brush", radius: Math.max(4, Math.round(Math.max(size.width, size.height) / 28)), soft: 0.25, opacity: 0.6, takes: false, alone: false, view: FIT };
  const shares = names.map(() => 0);
  let hovering = null;
  let frame = 0;
  const waiting = [];

  const layers = createLayers(size, names.map(({ name }, i) => ({ name, mask: loaded[i] })), {
    onDirty: (rect) => {
      overlay.touch(rect);
      later();
    },
    onEdit: (index) => {
      saving.touch(index);
      count(index);
      render();
    },
  });
  const overlay = createOverlay(overlayCanvas, size, () => ({ list: layers.list, chosen: layers.chosen, opacity: look.opacity, alone: look.alone }));
  const saving = createSaving({ ids: given, save: (i) => (shareNow(i) ? saveMask(layers.list[i].mask, size, names[i].name) : null), onChange: ([first, ...others]) => onChange({ protect: first, masks: others }), say });
  const smart = createSmart(layers, (strokes, signal) => findObject(content.id, strokes, size, signal), { onChange: () => later(render()), say, softness: () => look.soft * 0.3 });
  const tools = createTools(layers, smart, () => look, say);
  const box = () => ({ width: stage.clientWidth, height: stage.clientHeight });
  const lying = () => placed(bounded(look.view, box(), size), box(), size);
  const marks = createMarks(marksCanvas, lying);

  const shareNow = (index) => (shares[index] = layers.share(index));
  const count = debounce((index) => render(shareNow(index)), 150);

  function later() {
    frame ||= requestAnimationFrame(draw);
  }
  function draw() {
    frame = 0;
    if (waiting.length) tools.move(waiting.splice(0));
    overlay.draw();
    const sized = isSized(look.tool);
    const ring = hovering && look.tool !== "hand" ? { ...hovering, r: sized ? hovering.r : 0.5, soft: sized && look.tool !== "smart" ? look.soft : 0, cross: !sized, down: keys.down } : null;
    marks.draw({ ring, lasso: tools.lasso, strokes: [...smart.strokes, ...tools.scribble] });
  }
  function layout() {
    const { left, top, scale } = lying();
    picture.style.width = `${size.width}px`;
    picture.style.height = `${size.height}px`;
    picture.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    picture.classList.toggle("pixels", scale * devicePixelRatio >= 4);
    render();
    later();
  }
  function render() {
    panel.render({ ...look, notes: names.map((_, i) => noteOf(i, shares)), chosen: layers.chosen, shares, canUndo: layers.undo.canUndo || smart.active, canRedo: layers.undo.canRedo && !smart.active, smart: smart.active, asking: smart.asking, percent: percentOf(bounded(look.view, box(), size), box(), size, devicePixelRatio) });
    stage.dataset.tool = look.tool;
  }

  const point = (event, radius = look.radius) => {
    const frame_ = stage.getBoundingClientRect();
    const { left, top, scale } = lying();
    return { x: (event.clientX - frame_.left - left) / scale, y: (event.clientY - frame_.top - top) / scale, r: pressed(radius, event) };
  };
  createPointers(stage, {
    box, size: () => size, view: () => look.view, onView: (view) => acts.view(view),
    panning: () => look.tool === "hand" || keys.space,
    down(event) {
      hovering = point(event);
      tools.down(hovering, event.altKey || event.buttons === 2 || (event.buttons & 32) > 0);
      later();
    },
    move(events) {
      waiting.push(...events.map((event) => point(event)));
      hovering = waiting.at(-1);
      later();
    },
    up(event) {
      flush();
      tools.up();
      if (event.pointerType === "touch") hovering = null;
      later();
    },
    cancel() {
      waiting.length = 0;
      tools.cancel();
      later();
    },
    hover(event) {
      hovering = event ? point(event) : null;
      later();
    },
  });
  const flush = () => waiting.length && tools.move(waiting.splice(0));

  /** Whatever is under way is finished before something else begins. */
  function settle() {
    flush();
    tools.up();
    smart.accept();
  }
  const edited = (words) => {
    if (words) say(words);
    later(render());
  };
  const acts = {
    tool(id) {
      if (id !== look.tool) settle();
      Object.assign(look, { tool: id, takes: false });
      const { name, hint } = TOOLS.find((tool) => tool.id === id);
      edited(`${name}. ${hint}`);
    },
    mode: (takes) => later(render((look.takes = takes))),
    layer(index) {
      settle();
      layers.choose(index);
      edited(`${names[index].name}: ${noteOf(index, shares).text}`);
    },
    size(radius, spoken) {
      look.radius = Math.min(Math.max(radius, 1), LARGEST);
      if (hovering) hovering.r = look.radius;
      edited(spoken ? `Size ${2 * look.radius} px` : "");
    },
    grow: (factor) => acts.size(factor > 1 ? Math.ceil(look.radius * factor) : Math.floor(look.radius * factor), true),
    soft: (soft) => later(render((look.soft = soft))),
    opacity: (opacity) => repaint({ opacity }),
    alone: () => repaint({ alone: !look.alone }),
    undo: () => {
      if (smart.active) return smart.back();
      tools.cancel();
      return edited(layers.back() ?? "Nothing to undo.");
    },
    redo: () => (smart.active ? null : edited(layers.forth() ?? "Nothing to do again.")),
    view(view) {
      look.view = view;
      layout();
    },
    zoom: (factor) => acts.view(zoomed(bounded(look.view, box(), size), factor, { x: box().width / 2, y: box().height / 2 }, box(), size)),
    fit: () => acts.view(FIT),
    clear: () => whole("Cleared.", "clear", () => new Uint8Array(size.width * size.height)),
    invert: () => whole("Inverted.", "invert", (mask) => mask.map((value) => 255 - value)),
    accept: () => smart.active && edited(smart.accept() ?? "Kept."),
    leave: () => edited(smart.leave() ?? "As it was."),
    snap: () => snap(),
    async open(file) {
      settle();
      try {
        const mask = await openFile(file, size);
        whole(`${file.name} is the mask now.`, "open", () => mask);
      } catch (error) {
        say(error.message, true);
      }
    },
    async save() {
      settle();
      const link = h("a", { href: URL.createObjectURL(await encodePng(layers.mask(), size.width, size.height)), download: `${names[layers.chosen].name} - ${content.name}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    },
    done: () => close(),
    escape: () => (tools.busy ? acts.drop() : smart.active ? acts.leave() : close()),
    drop() {
      waiting.length = 0;
      tools.cancel();
      later();
    },
  };
  function repaint(news) {
    Object.assign(look, news);
    overlay.touch({ x: 0, y: 0, w: size.width, h: size.height });
    edited("");
  }
  function whole(words, what, make) {
    settle();
    layers.replace(make(layers.mask()), what);
    edited(words);
  }
  async function snap() {
    settle();
    say("Looking for edges…");
    const [index, seen] = [layers.chosen, layers.mask().slice()];
    try {
      const base = await saveMask(seen, size, names[index].name);
      const mask = await findObject(content.id, { inside: [], outside: [], softness: look.soft * 0.3, base: base.id }, size);
      saving.spare(base);
      if (layers.chosen === index && !layers.busy) whole("The mask follows the edges.", "fit to edges", () => mask);
    } catch (error) {
      say(error.message, true);
    }
  }

  const panel = createPanel({ layers: names.map((name, i) => ({ ...name, colour: COLOURS[i % COLOURS.length] })), look, sizes: SIZES }, acts);
  const keys = createKeys(place, stage, { acts, tools, lying, size, box, later, radius: () => look.radius, at: () => hovering, hover: (next) => (hovering = next) });
  place.replaceChildren(panel.bar, panel.tools, stage, panel.list, panel.options, panel.more);
  const watch = new ResizeObserver(() => {
    marks.fit(box());
    layout();
  });
  watch.observe(stage);
  names.forEach((_, i) => shareNow(i));
  overlay.touch({ x: 0, y: 0, w: size.width, h: size.height });
  acts.tool("brush");
  stage.focus();

  let closing = null;
  /** Save and leave; where masks cannot be saved, stay, say so, and leave at the second call. */
  const close = () => (closing ??= finish().finally(() => (closing = null)));
  async function finish() {
    settle();
    if (!(await saving.finish())) return;
    watch.disconnect();
    keys.remove();
    cancelAnimationFrame(frame);
    clearTimeout(speaking);
    leave();
  }
  return { close };
}
