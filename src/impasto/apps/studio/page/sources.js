/** The photograph and one to five paintings: dropped, pasted, chosen, or taken with a camera. */

import { thumbOf, viewOf } from "./api.js";
import { attribute, button, h, byId, icon, reconcile, text } from "./dom.js";
import { MOST_STYLES, weightsOf, withSetting } from "./draft.js";
import { openTray } from "./tray.js";

const SHOWN = { photo: 4, style: 5 }; // samples below a zone

const WORDS = {
  photo: { title: "Photograph", drop: "Drop a photograph", symbol: "photo", choose: "Choose a photograph" },
  style: { title: "Paintings", drop: "Drop a painting", symbol: "brush", choose: "Choose a painting" },
};

/** @param {{store: import("./store.js").Store, actions: object}} page */
export function mountSources({ store, actions }) {
  const photo = slot("photo", { store, actions });
  const style = slot("style", { store, actions });
  byId("photo").append(...photo.parts);
  byId("styles").append(...style.parts);
  acceptPaste(store, actions);
  acceptDrops(byId("stage"), (files) => {
    actions.take(store.get().draft.content ? "style" : "photo", files);
  });

  store.on(["draft", "pictures", "uploads"], (state) => {
    const { draft, pictures, uploads } = state;
    const known = (id) => pictures.find((picture) => picture.id === id) ?? { id, name: "picture" };
    photo.render(draft.content ? [known(draft.content)] : [], uploads);
    style.render(draft.styles.map(known), uploads);
    showWeights(style.list, draft);
  });
}

/** One zone with its samples. @param {"photo"|"style"} kind */
function slot(kind, { store, actions }) {
  const words = WORDS[kind];
  const files = fileInput(kind, {}, actions);
  const camera = fileInput(kind, { capture: "environment" }, actions);
  const browse = () => files.click();
  const head = h("div", { class: "head" },
    h("h2", {}, words.title),
    button({ label: `Take with the camera: ${words.title.toLowerCase()}`, symbol: "camera", class: "quiet camera", press: () => camera.click() }),
    button({ label: `${words.choose}: file`, symbol: "plus", class: "quiet add", press: browse }));
  const drop = h("button", { type: "button", class: "drop", on: { click: browse } },
    icon(words.symbol), h("span", {}, words.drop), h("small", {}, "or press to choose a file"));
  const list = h("ul", { class: `chosen ${kind}` });
  const status = h("p", { class: "status", role: "status" });
  const zone = h("div", { class: "zone" }, drop, list, status);
  const samples = samplesOf(kind, store, actions);
  acceptDrops(zone, (dropped) => actions.take(kind, dropped));

  function render(pictures, uploads) {
    drop.hidden = pictures.length > 0;
    list.classList.toggle("several", pictures.length > 1);
    const create = (picture) => chosen(kind, picture, actions);
    reconcile(list, pictures, (picture) => picture.id, create, (element, picture) => {
      text(element.querySelector(".name"), picture.name);
    });
    head.querySelector(".add").disabled = kind === "style" && pictures.length >= MOST_STYLES;
    const upload = uploads.filter((each) => each.slot === kind).at(-1);
    status.hidden = !upload;
    status.classList.toggle("error", Boolean(upload?.error));
    status.style.setProperty("--part", `${Math.round(100 * (upload?.part ?? 0))}%`);
    text(status, upload ? upload.error ?? `${upload.name} · ${Math.round(100 * upload.part)} %` : "");
  }

  return { parts: [head, zone, samples, files, camera], list, render };
}

function fileInput(kind, more, actions) {
  const many = kind === "style" && !more.capture;
  const take = (event) => {
    actions.take(kind, [...event.target.files]);
    event.target.value = "";
  };
  return h("input", { type: "file", accept: "image/*,.tif,.tiff", hidden: true, multiple: many, tabindex: "-1", "aria-label": WORDS[kind].choose, ...more, on: { change: take } });
}

/** A chosen picture: itself, its name, its weight among several, and a button that takes it away. */
function chosen(kind, picture, actions) {
  const remove = () => (kind === "photo" ? actions.setContent(null) : actions.removeStyle(picture.id));
  const weight = h("input", { type: "range", min: 0, max: 2, step: 0.05, value: 1, class: "weight", "aria-label": `Weight of ${picture.name}` });
  return h("li", {},
    h("img", { src: kind === "photo" ? viewOf(picture.id) : thumbOf(picture.id), alt: "", draggable: "false" }),
    h("span", { class: "name", title: picture.name }, picture.name),
    weight,
    button({ label: `Remove ${picture.name}`, symbol: "close", class: "remove", press: remove }));
}

/** Weights of several paintings; the setting is a list, and equal weights are none. */
function showWeights(list, draft) {
  const weights = weightsOf(draft);
  [...list.children].forEach((element, index) => {
    const range = element.querySelector(".weight");
    if (document.activeElement !== range) range.value = weights[index];
    range.setAttribute("aria-valuetext", `${Math.round(100 * weights[index])} %`);
    range.dataset.index = index;
  });
}

/** A changed weight of one painting. */
export function mountWeights({ store, actions }) {
  byId("styles").addEventListener("input", ({ target }) => {
    if (!target.classList.contains("weight")) return;
    actions.edit((draft) => {
      const weights = weightsOf(draft).with(Number(target.dataset.index), Number(target.value));
      const equal = weights.every((weight) => weight === weights[0]);
      return withSetting(store.get().hello, draft, "style_weights", equal || !weights.some(Boolean) ? undefined : weights);
    });
  });
}

/** Thumbnails of bundled pictures, and a door to all there are. */
function samplesOf(kind, store, actions) {
  const row = h("div", { class: "samples", role: "group", "aria-label": `Samples: ${WORDS[kind].title.toLowerCase()}` });
  const all = button({ label: `All pictures: ${WORDS[kind].title.toLowerCase()}`, symbol: "more", class: "sample all", "aria-haspopup": "dialog", press: () => openTray(kind, { store, actions, title: WORDS[kind].choose }) });
  store.on(["hello", "draft"], ({ hello, draft }) => {
    const some = hello.samples.filter((sample) => (sample.kind ?? kind) === kind).slice(0, SHOWN[kind]);
    if (row.children.length !== some.length + 1) row.replaceChildren(...some.map((sample) => sampleButton(kind, sample, actions)), all);
    for (const element of row.querySelectorAll("[data-id]")) {
      const { id } = element.dataset;
      element.setAttribute("aria-pressed", String(kind === "photo" ? draft.content === id : draft.styles.includes(id)));
    }
  });
  return row;
}

function sampleButton(kind, sample, actions) {
  const press = (event) => {
    const on = event.currentTarget.getAttribute("aria-pressed") === "true";
    if (kind === "photo") actions.setContent(on ? null : sample.id);
    else if (on) actions.removeStyle(sample.id);
    else actions.addStyle(sample.id);
  };
  const image = h("img", { src: thumbOf(sample.id), alt: "", draggable: "false", loading: "lazy" });
  return h("button", { type: "button", class: "sample", "data-id": sample.id, title: sample.name, "aria-label": sample.name, on: { click: press } }, image);
}

const picturesIn = (transfer) => [...(transfer?.files ?? [])].filter((file) => !file.type || file.type.startsWith("image/"));

/** The masks of the chosen pictures are painted: these stay. */
const isAway = () => !byId("room").hidden;

/** Files dropped on an element. Pages of other sites cannot be dropped: they would be fetched. */
function acceptDrops(element, take) {
  const over = (on) => (event) => {
    if (isAway() || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    element.classList.toggle("over", on);
  };
  element.addEventListener("dragenter", over(true));
  element.addEventListener("dragover", over(true));
  element.addEventListener("dragleave", over(false));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    const files = picturesIn(event.dataTransfer);
    if (files.length && !isAway()) take(files);
  });
}

/** A pasted picture is the photograph where there is none, else a painting. */
function acceptPaste(store, actions) {
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.("input, textarea, dialog") || isAway()) return;
    const files = picturesIn(event.clipboardData);
    if (files.length) actions.take(store.get().draft.content ? "style" : "photo", files);
  });
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
}

/** The button of the mask painter. */
export function mountMasksButton({ store, open }) {
  const place = byId("masks");
  const words = h("span");
  place.append(icon("mask"), words);
  place.addEventListener("click", open);
  store.on(["draft"], ({ draft }) => {
    const number = draft.masks.filter(Boolean).length + (draft.protect ? 1 : 0);
    attribute(place, "disabled", !draft.content);
    text(words, number ? `Masks (${number})` : "Masks");
    place.title = draft.content ? "Protect parts, or give each painting its own region" : "Choose a photograph first";
  });
}
