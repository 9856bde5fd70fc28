/** Every other setting, made from the schema: groups, search, changed values and the way back. */

import { attribute, button, h, text } from "./dom.js";
import { valueOf } from "./draft.js";
import { typed, written } from "./fields.js";
import { count } from "./format.js";

/** Settings that have their own place above. */
const ELSEWHERE = ["recipe", "size", "strength", "style_scale", "content_weight", "colour", "colour_strength", "style_weights"];

/** @param {{store: object, actions: object, change: (name: string) => (value: any) => void}} page */
export function createPanel({ store, actions, change }) {
  const { hello } = store.get();
  const fields = hello.fields.filter(({ name }) => !ELSEWHERE.includes(name));
  const rows = fields.map((field) => createRow(field, change(field.name)));
  const search = h("input", { type: "search", placeholder: "Search settings", "aria-label": "Search settings", class: "search" });
  const recipe = recipeRow(hello, actions);
  const groups = grouped(fields).map(([name, members]) =>
    h("section", { "aria-label": name }, h("h3", {}, name), rows.filter((_, index) => members.includes(fields[index])).map(({ element }) => element)));
  const none = h("p", { class: "none", hidden: true }, "No setting is called so.");
  const marked = h("span", { class: "badge", hidden: true });
  const all = button({ caption: "Reset all", class: "plain small", press: () => actions.edit((draft) => ({ ...draft, settings: {} })) });
  const element = h("details", { class: "panel" },
    h("summary", {}, h("span", {}, "All settings"), marked),
    h("div", { class: "panel-tools" }, search, all), recipe.element, ...groups, none);

  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, index) => attribute(row.element, "hidden", !matches(fields[index], words)));
    groups.forEach((group) => attribute(group, "hidden", !group.querySelector(".setting:not([hidden])")));
    attribute(recipe.element, "hidden", words.length > 0);
    none.hidden = groups.some((group) => !group.hidden);
  });

  return {
    element,
    render(draft) {
      rows.forEach((row, index) => {
        const { name } = fields[index];
        row.render(valueOf(hello, draft, name), name in draft.settings);
      });
      recipe.render(draft.recipe);
      const changed = Object.keys(draft.settings).length;
      marked.hidden = !changed;
      all.disabled = !changed;
      text(marked, `${changed} changed`);
      marked.title = count(changed, "setting");
    },
  };
}

const matches = (field, words) => {
  const told = `${field.name.replaceAll("_", " ")} ${field.name} ${field.group} ${field.help}`.toLowerCase();
  return words.every((word) => told.includes(word));
};

function grouped(fields) {
  const groups = new Map();
  for (const field of fields) groups.set(field.group, [...(groups.get(field.group) ?? []), field]);
  return [...groups];
}

/** Published systems and photoreal, beside the four presets. */
function recipeRow(hello, actions) {
  const choose = (event) => actions.edit((draft) => ({ ...draft, recipe: event.target.value }));
  const select = h("select", { id: "recipe", on: { change: choose } }, hello.recipes.map(({ name }) => h("option", { value: name }, name)));
  const element = h("div", { class: "setting recipe" }, h("label", { for: "recipe" }, "Recipe"), select);
  return { element, render: (name) => (select.value = name) };
}

/** One setting: its name, an input for its type, its help, and the way back. */
function createRow(field, onChange) {
  const id = `setting-${field.name}`;
  const input = createInput(field, id, onChange);
  const back = button({ label: `${field.name}: usual value`, symbol: "reset", class: "back", press: () => onChange(undefined) });
  const help = h("p", { class: "help", id: `${id}-help` }, field.help);
  input.setAttribute("aria-describedby", help.id);
  const element = h("div", { class: "setting" }, h("label", { for: id }, field.name.replaceAll("_", " ")), back, input, help);
  return {
    element,
    render(value, changed) {
      element.classList.toggle("changed", changed);
      back.hidden = !changed;
      if (document.activeElement === input && input.tagName === "INPUT") return;
      input.value = written(value);
    },
  };
}

/** A list where names alone are allowed, else a line of text. */
function createInput(field, id, onChange) {
  if (field.type === "choice" && !field.also) {
    return h("select", { id, on: { change: (event) => onChange(event.target.value) } }, optionsOf(field.choices));
  }
  const number = ["number", "integer"].includes(field.type) && field.also !== "numbers";
  const input = h("input", { id, type: "text", spellcheck: "false", autocomplete: "off", inputmode: number ? "decimal" : "text" });
  input.addEventListener("change", () => {
    const value = typed(input.value, field);
    const fits = !number || value === undefined || Number.isFinite(value);
    input.setCustomValidity(fits ? "" : "A number is needed.");
    if (fits) onChange(value);
    else input.reportValidity();
  });
  return input;
}

const optionsOf = (choices) => choices.map((choice) => h("option", { value: choice }, choice));
