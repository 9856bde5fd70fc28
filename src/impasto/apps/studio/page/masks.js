/**
 * The mask painter: what stays of the photograph, and where each painting goes.
 *
 *     pointers, keys -> tools -> layers -> overlay (once a frame)
 *                                  |
 *                                  +-> saved after a second's rest -> onChange({masks, protect})
 *
 * masks-stage.js is its place in the page, masks-look.js what is seen, masks-acts.js what can be done;
 * masks-raster.js and masks-undo.js are the mathematics; masks-panel.js the buttons.
 */

import { createActs } from "./masks-acts.js";
import { createKeys } from "./masks-keys.js";
import { COLOURS, createLayers } from "./masks-layers.js";
import { createLook } from "./masks-look.js";
import { createMarks } from "./masks-marks.js";
import { createOverlay } from "./masks-overlay.js";
import { createPanel } from "./masks-panel.js";
import { createPointers } from "./masks-pointer.js";
import { SIZES, styled } from "./masks-room.js";
import { createSaving } from "./masks-saving.js";
import { findObject, loadMask, saveMask } from "./masks-server.js";
import { createSmart } from "./masks-smart.js";
import { createStage } from "./masks-stage.js";
import { createTools } from "./masks-tools.js";

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
  const ids = [protect, ...styles.map((_, i) => masks[i] ?? null)];
  const names = [{ name: "Protect" }, ...styles.map((style) => ({ name: `Where ${style.name}`, style }))];
  const room = createStage(place, content);
  const { size, loaded } = await read(room, ids);
  const told = ([first, ...others]) => onChange({ protect: first, masks: others });
  const painter = assembled({ place, content, room, size, names, ids, loaded, told });
  if (ids.some((id, i) => id && !loaded[i])) room.say("A mask could not be read; it is empty here.", true);
  return painter;
}

/** The photograph's size, and its masks, null where there is none to be read; rejects, and gives the
 * place back, where the photograph cannot be read. */
async function read({ image, say, leave }, ids) {
  say("Opening…");
  try {
    await image.decode();
  } catch (error) {
    leave();
    throw error;
  }
  const size = { width: image.naturalWidth, height: image.naturalHeight };
  const loaded = await Promise.all(ids.map((id) => (id ? loadMask(id, size).catch(() => null) : null)));
  return { size, loaded };
}

/** Fill `parts` with what masks are made, kept and drawn by. */
function fill(parts, see, { content, room, size, names, ids, loaded, told }) {
  const { look, later, render } = see;
  const { say } = room;
  const layers = (parts.layers = createLayers(size, names.map(({ name }, i) => ({ name, mask: loaded[i] })), {
    onDirty(rect) {
      parts.overlay.touch(rect);
      later();
    },
    onEdit(index) {
      parts.saving.touch(index);
      see.count(index);
      render();
    },
  }));
  parts.overlay = createOverlay(room.overlay, size, () => ({ list: layers.list, chosen: layers.chosen, opacity: look.opacity, alone: look.alone }));
  parts.saving = createSaving({ ids, save: (i) => (see.shareNow(i) ? saveMask(layers.list[i].mask, size, names[i].name) : null), onChange: told, say });
  parts.smart = createSmart(layers, (strokes, signal) => findObject(content.id, strokes, size, signal), { onChange: () => later(render()), say, softness: () => look.soft * 0.3 });
  parts.tools = createTools(layers, parts.smart, () => look, say);
  parts.marks = createMarks(room.marks, see.lying);
}

/** The parts of the painter, put together and drawn for the first time. */
function assembled(given) {
  const { place, content, room, size, names } = given;
  const { stage, say } = room;
  const parts = {};
  const see = createLook(room, size, names, parts);
  const { look, later } = see;
  fill(parts, see, given);
  const acts = createActs(see, parts, { content, size, names, say, close: () => close() });
  parts.panel = createPanel({ layers: names.map((name, i) => ({ ...name, colour: COLOURS[i % COLOURS.length] })), look, sizes: SIZES }, acts);
  parts.keys = createKeys(place, stage, { acts, tools: parts.tools, lying: see.lying, size, box: room.box, later, radius: () => look.radius, at: () => see.hovering, hover: (next) => (see.hovering = next) });
  hearPointers(stage, { see, size, acts, parts });
  const { panel } = parts;
  place.replaceChildren(panel.bar, panel.tools, stage, panel.list, panel.options, panel.more);
  const watch = new ResizeObserver(() => {
    parts.marks.fit(room.box());
    see.layout();
  });
  watch.observe(stage);
  names.forEach((_, i) => see.shareNow(i));
  see.all();
  acts.tool("brush");
  stage.focus();

  let closing = null;
  /** Save and leave; where masks cannot be saved, stay, say so, and leave at the second call. */
  const close = () => (closing ??= finish().finally(() => (closing = null)));
  async function finish() {
    acts.settle();
    if (!(await parts.saving.finish())) return;
    watch.disconnect();
    parts.keys.remove();
    see.close();
    room.leave();
  }
  return { close };
}

/** Pointers -> points in the picture -> the chosen tool, or a moved view. */
function hearPointers(stage, { see, size, acts, parts: { tools, keys } }) {
  const { later } = see;
  createPointers(stage, {
    box: see.box, size: () => size, view: () => see.look.view, onView: acts.view,
    panning: () => see.look.tool === "hand" || keys.space,
    down(event) {
      see.hovering = see.point(event);
      tools.down(see.hovering, event.altKey || event.buttons === 2 || (event.buttons & 32) > 0);
      later();
    },
    move(events) {
      see.waiting.push(...events.map((event) => see.point(event)));
      see.hovering = see.waiting.at(-1);
      later();
    },
    up(event) {
      see.flush();
      tools.up();
      if (event.pointerType === "touch") see.hovering = null;
      later();
    },
    cancel: acts.drop,
    hover(event) {
      see.hovering = event ? see.point(event) : null;
      later();
    },
  });
}
