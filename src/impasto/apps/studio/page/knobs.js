/** Preset, size, the few sliders that matter, and the folded panel of all the rest. */

import { byId, h, text } from "./dom.js";
import { usual, valueOf, withSetting } from "./draft.js";
import { plain } from "./format.js";
import { createPanel } from "./panel.js";
import { createChoice, createSlider, factors } from "./slider.js";

const WORDS = {
  draft: "A sketch in seconds, to choose pictures and settings by.",
  standard: "A finished picture at screen size.",
  fine: "The same with three times the patience.",
  print: "Large pictures with fine strokes, for paper.",
};
const percent = { shown: (value) => `${Math.round(100 * value)} %`, read: (words) => parseFloat(words) / 100 };
const times = { shown: (value) => (Array.isArray(value) ? value.map(plain).join(", ") : `${plain(value)} ×`), read: (words) => parseFloat(words) };

/** @param {{store: import("./store.js").Store, actions: object}} page */
export function mountKnobs({ store, actions }) {
  const { hello } = store.get();
  const change = (name) => (value) => actions.edit((draft) => withSetting(store.get().hello, draft, name, value));
  const usualContent = () => usual(hello, store.get().draft.recipe, "content_weight") || 1;

  const preset = createChoice({
    label: "Preset",
    name: "preset",
    choices: hello.presets.map(({ name, summary }) => [name, title(name), summary]),
    onChange: (recipe) => actions.edit((draft) => ({ ...draft, recipe })),
  });
  const summary = h("p", { class: "summary" });
  const sliders = {
    size: createSlider({ label: "Longest side", min: 7, max: 13, step: 0.25, lie: sizes, shown: sizeText, read: sizeRead, hint: "Longest side of the result in pixels; 0 keeps the photograph's size", onChange: change("size") }),
    strength: createSlider({ label: "Strength", min: 0, max: 1, step: 0.01, ...percent, hint: help(hello, "strength"), onChange: change("strength") }),
    style_scale: createSlider({ label: "Stroke size", min: -2, max: 2, step: 0.1, lie: factors(() => 1), ...times, hint: help(hello, "style_scale"), onChange: change("style_scale") }),
    content_weight: createSlider({ label: "Photograph kept", min: -4, max: 4, step: 0.125, lie: factors(usualContent), hint: help(hello, "content_weight"), onChange: change("content_weight") }),
  };
  const colour = createChoice({
    label: "Colours",
    name: "colour",
    choices: [
      ["style", "Painting", "The painting's colours"],
      ["match", "Matched", "The painting's colours are matched to the photograph's first"],
      ["keep", "Photograph", "The photograph's own colours"],
    ],
    onChange: change("colour"),
  });
  const far = createSlider({ label: "Amount of colour", min: 0, max: 1, step: 0.01, ...percent, hint: help(hello, "colour_strength"), onChange: change("colour_strength") });
  const panel = createPanel({ store, actions, change });
  byId("knobs").append(preset.element, summary, ...Object.values(sliders).map(({ element }) => element), colour.element, far.element, panel.element);

  store.on(["draft"], ({ draft }) => {
    preset.render(draft.recipe);
    const told = hello.recipes.find(({ name }) => name === draft.recipe)?.summary ?? "";
    text(summary, WORDS[draft.recipe] ?? told);
    summary.title = told;
    for (const [name, slider] of Object.entries(sliders)) slider.render(valueOf(hello, draft, name), name in draft.settings);
    const mode = valueOf(hello, draft, "colour");
    colour.render(mode);
    far.element.hidden = mode === "style";
    far.render(valueOf(hello, draft, "colour_strength"), "colour_strength" in draft.settings);
    panel.render(draft);
  });
}

const title = (name) => name[0].toUpperCase() + name.slice(1);
const help = (hello, name) => hello.byName.get(name)?.help;

/** Sizes lie on the slider in quarters of a doubling, and are round numbers there. */
const sizes = {
  out: (value) => Math.log2(Array.isArray(value) ? Math.max(...value) : value || 512),
  in: (place) => Math.round(2 ** place / 16) * 16,
};
const sizeText = (value) => (Array.isArray(value) ? value.join(" × ") : value ? `${value} px` : "as it is");

/** "512", "512 px" or "0" -> longest side; "900x600" or "900 × 600" -> both; else NaN. */
function sizeRead(words) {
  const sides = words.match(/^(\d+)(?:\s*[x×]\s*(\d+))?(?:\s*px)?$/i)?.slice(1).filter(Boolean);
  const [first = NaN, second] = (sides ?? []).map((side) => Math.min(Number(side), 100_000));
  return second === undefined ? first : [first, second];
}
