/** Paint a result again, as large as a sheet of paper. */

import * as api from "./api.js";
import { button, h, text } from "./dom.js";
import { draftOf, requestOf } from "./draft.js";
import { createForecast, planText } from "./forecast.js";
import { PAPERS, printed } from "./paper.js";
import { createChoice } from "./slider.js";
import { sizeOf } from "./states.js";

const LOOK = ["size", "scales", "smallest", "scale_factor", "supersample_below", "iterations"]; // the recipe's own in a print

/** The request of a print: the job's look, the recipe for prints, from the job's canvas. */
export function printRequest(job, pixels) {
  const draft = draftOf(job.request);
  const settings = Object.fromEntries(Object.entries(draft.settings).filter(([name]) => !LOOK.includes(name)));
  return requestOf({ ...draft, recipe: "print", settings: { ...settings, size: Math.max(...pixels) } }, job.id);
}

/** @param {{store: import("./store.js").Store, actions: object}} page */
export const createPrint = ({ store, actions }) => (job) => openPrint(job, { store, actions });

function openPrint(job, { actions }) {
  const [width, height] = sizeOf(job);
  let paper = "A3";
  const number = (label, value, unit) => {
    const input = h("input", { type: "number", min: 1, max: 3000, value, "aria-label": `${label}, ${unit}` });
    return { input, element: h("label", { class: "measure" }, h("span", {}, label), input, h("span", {}, unit)) };
  };
  const across = number("Width", 300, "mm");
  const down = number("Height", 400, "mm");
  const dpi = number("Resolution", 300, "dpi");
  const own = h("div", { class: "own" }, across.element, down.element);
  const choices = [...Object.keys(PAPERS).map((name) => [name, name]), ["own", "Own size"]];
  const papers = createChoice({ label: "Paper", name: "paper", choices, onChange: (name) => { paper = name; update(); } });
  const facts = h("p", { class: "print-size" });
  const forecast = h("p", { class: "forecast", role: "status" });
  const sheet = h("div", { class: "sheet", "aria-hidden": "true" }, h("img", { src: api.previewOf(job.id, 320, job.preview), alt: "" }));
  const ask = createForecast(({ plan, error }) => {
    text(forecast, error ?? planText(plan) + (plan.fits ? "" : ". More memory than is free: choose a smaller paper or fewer dpi."));
    forecast.classList.toggle("error", Boolean(error) || !plan.fits);
    paint.disabled = Boolean(error) || !plan.fits;
  });
  const paint = button({ symbol: "print", caption: "Paint this print", class: "strong", disabled: true, press: () => go() });
  const dialog = h("dialog", { class: "print", "aria-labelledby": "print-title" },
    h("div", { class: "head" }, h("h2", { id: "print-title" }, "Paint for print"), button({ label: "Close", symbol: "close", class: "quiet", press: () => dialog.close() })),
    h("div", { class: "print-body" }, sheet, h("div", {}, papers.element, own, dpi.element, facts)),
    forecast,
    h("div", { class: "buttons" }, button({ caption: "Cancel", class: "plain", press: () => dialog.close() }), paint));

  const chosen = () => printed(paper === "own" ? [Number(across.input.value) || 1, Number(down.input.value) || 1] : PAPERS[paper], Number(dpi.input.value) || 72, { width, height });

  function update() {
    own.hidden = paper !== "own";
    papers.render(paper);
    const { millimetres, pixels } = chosen();
    text(facts, `${millimetres.join(" × ")} mm, ${pixels.join(" × ")} pixels`);
    const shape = paper === "own" ? [Number(across.input.value) || 1, Number(down.input.value) || 1] : PAPERS[paper];
    const [short, long] = [Math.min(...shape), Math.max(...shape)];
    const ratio = width >= height ? long / short : short / long;
    sheet.style.aspectRatio = String(ratio);
    sheet.classList.toggle("tall", ratio < 1);
    text(forecast, "Measuring…");
    paint.disabled = true;
    ask(printRequest(job, pixels));
  }

  async function go() {
    const made = await actions.attempt(() => api.start(printRequest(job, chosen().pixels)));
    if (!made) return;
    dialog.close();
    actions.hear("job", made);
    actions.select(made.id);
  }

  for (const { input } of [across, down, dpi]) input.addEventListener("input", update);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  update();
}
