/** A slider with its number, a mark where it is changed, and a way back. */

import { button, h } from "./dom.js";
import { plain } from "./format.js";

/** How a value lies on a slider, for sliders whose steps are factors. */
export const factors = (unit) => ({
  out: (value) => Math.log2(Math.max(value, 1e-9) / unit()),
  in: (place) => Number((unit() * 2 ** place).toPrecision(3)),
});
const EVEN = { out: (value) => value, in: (place) => place };

/**
 * @param {object} options
 * @param {string} options.label
 * @param {number} options.min of the slider
 * @param {number} options.max of the slider
 * @param {number} options.step of the slider
 * @param {{out: (value: number) => number, in: (place: number) => number}} [options.lie]
 * @param {(value: number) => string} [options.shown] value -> text of the box
 * @param {(text: string) => number|number[]} [options.read] text of the box -> value; NaN is refused
 * @param {string} [options.hint] what it does
 * @param {(value: number|undefined) => void} options.onChange undefined: back to the usual value
 */
export function createSlider({ label, min, max, step, lie = EVEN, shown = plain, read = Number, hint, onChange }) {
  const range = h("input", { type: "range", min, max, step, "aria-label": label });
  const box = h("input", { type: "text", inputmode: "decimal", "aria-label": `${label}, number`, class: "number", spellcheck: "false", autocomplete: "off" });
  const back = button({ label: `${label}: usual value`, symbol: "reset", class: "back", press: () => onChange(undefined) });
  const element = h("div", { class: "slider", title: hint },
    h("div", { class: "top" }, h("span", { class: "label" }, label), back, box), range);
  let current;
  range.addEventListener("input", () => onChange(lie.in(Number(range.value))));
  range.addEventListener("dblclick", () => onChange(undefined));
  box.addEventListener("change", () => {
    const value = read(box.value.trim());
    if ([value].flat().every(Number.isFinite)) onChange(value);
    else box.value = shown(current);
  });
  box.addEventListener("keydown", (event) => event.key === "Enter" && box.blur());

  return {
    element,
    render(value, changed) {
      current = value;
      const number = Array.isArray(value) ? value[0] : value;
      const place = Math.min(Math.max(lie.out(number), min), max);
      range.value = place;
      range.style.setProperty("--fill", `${(100 * (place - min)) / (max - min)}%`);
      range.setAttribute("aria-valuetext", shown(value));
      if (document.activeElement !== box) box.value = shown(value);
      element.classList.toggle("changed", changed);
      back.hidden = !changed;
    },
  };
}

/** A few values of which one holds, as a row of radio buttons. */
export function createChoice({ label, name, choices, onChange }) {
  const inputs = choices.map(([value, caption, hint]) => {
    const input = h("input", { type: "radio", name, value, on: { change: () => onChange(value) } });
    return h("label", { title: hint }, input, h("span", {}, caption));
  });
  const element = h("fieldset", { class: "choice" }, h("legend", {}, label), h("div", { class: "segments" }, inputs));
  return {
    element,
    render(value) {
      for (const input of element.querySelectorAll("input")) input.checked = input.value === value;
    },
  };
}
