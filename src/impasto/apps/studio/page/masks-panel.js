/** The painter's buttons, sliders and layers; the state is told, and presses are heard. */

import { thumbOf } from "./api.js";
import { attribute, h, text } from "./dom.js";
import { TOOLS, isSized } from "./masks-tools.js";

const SVG = "http://www.w3.org/2000/svg";

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/masks.svg#${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

function press(symbol, label, act, { caption = "", keys = "", ...more } = {}) {
  const title = keys ? `${label} (${keys})` : label;
  const parts = [symbol ? icon(symbol) : null, caption ? h("span", {}, caption) : null];
  return h("button", { type: "button", title, "aria-label": caption || label, class: "quiet", ...more, on: { click: act } }, ...parts);
}

/** One tab stop; arrow keys go from one to the next. */
function roving(group, selector = "button") {
  const items = () => [...group.querySelectorAll(selector)];
  group.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const all = items();
    const at = all.indexOf(event.target.closest(selector));
    if (!step || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    all[(at + step + all.length) % all.length].focus();
  });
  group.addEventListener("focusin", (event) => {
    for (const item of items()) item.tabIndex = item === event.target ? 0 : -1;
  });
}

function slider(name, keys, { min, max, value, show, hear }) {
  const output = h("output", { "aria-hidden": "true" });
  const range = h("input", { type: "range", min, max, step: 1, value, "aria-label": name, title: keys ? `${name} (${keys})` : name });
  const render = () => {
    text(output, show(Number(range.value)));
    range.setAttribute("aria-valuetext", output.textContent);
    range.style.setProperty("--fill", `${(100 * (range.value - min)) / (max - min)}%`);
  };
  range.addEventListener("input", () => {
    render();
    hear(Number(range.value));
  });
  render();
  const set = (next) => {
    range.value = next;
    render();
  };
  return { element: h("label", { class: "slider mask-slider" }, h("span", { class: "top" }, h("span", { class: "label" }, name), output), range), set };
}

/**
 * @param {{layers: {name: string, style: object|null, colour: number[]}[]}} what
 * @param {object} acts functions by name: tool, mode, layer, size, soft, opacity, undo, redo, zoom,
 *     fit, alone, clear, invert, open, save, snap, accept, leave, done
 */
export function createPanel({ layers, look, sizes }, acts) {
  const tools = h("div", { class: "mask-tools", role: "toolbar", "aria-label": "Tools", "aria-orientation": "vertical" },
    TOOLS.map(({ id, name, key }, i) => press(id, name, () => acts.tool(id), { caption: name, keys: key.toUpperCase(), class: "mask-tool", "data-tool": id, tabindex: i ? -1 : 0 })));
  roving(tools);

  const list = h("div", { class: "mask-layers", role: "radiogroup", "aria-label": "Masks" }, layers.map(layerButton));
  roving(list);
  function layerButton({ name, style, colour }, i) {
    const swatch = h("span", { class: "swatch", vars: { "--colour": `rgb(${colour.join(" ")})` } });
    const image = style ? h("img", { src: thumbOf(style.id), alt: "" }) : null;
    const words = h("span", { class: "layer-words" }, h("span", { class: "layer-name" }, name), h("small"));
    return h("button", { type: "button", role: "radio", class: "mask-layer", tabindex: i ? -1 : 0, on: { click: () => acts.layer(i) } }, swatch, image, words, h("output", { class: "layer-share" }));
  }

  const size = slider("Size", "[ and ]", { ...sizes, value: sizes.place(look.radius), show: (v) => `${2 * sizes.radius(v)} px`, hear: (v) => acts.size(sizes.radius(v)) });
  const soft = slider("Soft edge", "", { min: 0, max: 100, value: 100 * look.soft, show: (v) => `${v} %`, hear: (v) => acts.soft(v / 100) });
  const opacity = slider("Overlay", "", { min: 10, max: 100, value: 100 * look.opacity, show: (v) => `${v} %`, hear: (v) => acts.opacity(v / 100) });
  const modes = h("div", { class: "segments mask-modes", role: "radiogroup", "aria-label": "Mode" }, [0, 1].map((i) => {
    const input = h("input", { type: "radio", name: "mask-mode", checked: i === 0, on: { change: () => acts.mode(i === 1) } });
    return h("label", {}, input, h("span"));
  }));
  const smart = h("div", { class: "mask-smart" },
    press("", "Start over", acts.leave, { caption: "Start over", class: "plain", keys: "Esc" }),
    press("", "Keep", acts.accept, { caption: "Keep", class: "strong", keys: "Enter" }));
  const snap = press("snap", "Fit the mask to the edges in the photograph", acts.snap, { caption: "Fit to edges", class: "plain" });
  const options = h("div", { class: "mask-options" }, size.element, soft.element, modes, snap, smart);

  const file = h("input", { type: "file", accept: "image/*,.tif,.tiff", hidden: true, tabindex: "-1", "aria-label": "Mask from a file", on: { change: () => {
    const [chosen] = file.files;
    if (chosen) acts.open(chosen);
    file.value = "";
  } } });
  const rest = [
    press("", "Clear this mask", acts.clear, { caption: "Clear", class: "plain", keys: "Delete" }),
    press("", "Invert this mask", acts.invert, { caption: "Invert", class: "plain", keys: "I" }),
    press("open", "Open a mask", () => file.click(), { caption: "Open…", class: "plain", keys: "O" }),
    press("save", "Save this mask as PNG", acts.save, { caption: "Save", class: "plain" }),
  ];
  const more = h("div", { class: "mask-more", id: "mask-more" }, opacity.element, h("div", { class: "mask-acts" }, rest, file));
  const moreButton = press("more", "More", () => {
    const open = more.classList.toggle("open");
    moreButton.setAttribute("aria-expanded", String(open));
  }, { class: "quiet mask-more-button", "aria-expanded": "false", "aria-controls": "mask-more" });

  const undo = press("undo", "Undo", acts.undo, { keys: "Ctrl+Z" });
  const redo = press("redo", "Redo", acts.redo, { keys: "Ctrl+Shift+Z" });
  const percent = h("output", { class: "percent", "aria-label": "Zoom" });
  const alone = press("alone", "Show the mask alone", acts.alone, { keys: "V", "aria-pressed": "false" });
  const bar = h("div", { class: "mask-bar" },
    h("h2", {}, "Masks"),
    h("div", { class: "group" }, undo, redo),
    h("div", { class: "group mask-zoom" }, press("minus", "Smaller", () => acts.zoom(0.8), { keys: "−" }), percent, press("plus", "Larger", () => acts.zoom(1.25), { keys: "+" }), press("fit", "Fit", acts.fit, { keys: "0" })),
    alone, moreButton,
    press("", "Done", acts.done, { caption: "Done", class: "strong", keys: "Esc" }));

  return {
    bar, tools, list, options, more,
    /** @param {object} state tool, takes, chosen, shares, alone, canUndo, canRedo, smart, asking, percent */
    render(state) {
      const tool = TOOLS.find(({ id }) => id === state.tool);
      for (const each of tools.children) attribute(each, "aria-pressed", String(each.dataset.tool === state.tool));
      [...list.children].forEach((each, i) => {
        attribute(each, "aria-checked", String(i === state.chosen));
      const note = each.querySelector("small");
      text(note, state.notes[i].text);
      note.classList.toggle("bad", Boolean(state.notes[i].bad));
        text(each.querySelector(".layer-share"), state.shares[i] ? `${state.shares[i] < 0.01 ? "<1" : Math.round(100 * state.shares[i])} %` : "");
      });
      size.set(sizes.place(state.radius));
      size.element.hidden = !isSized(state.tool);
      soft.element.hidden = state.tool === "hand";
      modes.hidden = !tool.modes;
      [...modes.children].forEach((label, i) => {
        text(label.lastChild, tool.modes?.[i] ?? "");
        label.firstChild.checked = (i === 1) === state.takes;
      });
      smart.hidden = !state.smart;
      snap.hidden = state.tool !== "smart" || state.smart;
      snap.disabled = !state.shares[state.chosen] || state.asking;
      undo.disabled = !state.canUndo;
      redo.disabled = !state.canRedo;
      attribute(alone, "aria-pressed", String(state.alone));
      text(percent, `${state.percent} %`);
    },
  };
}
