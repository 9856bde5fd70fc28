/** The stage: one picture or two, the view's tools, and what is said where there is none. */

import * as api from "./api.js";
import { attribute, button, byId, h } from "./dom.js";
import { createPane } from "./pane.js";
import { hasResult, isVisible, sizeOf, stateOf } from "./states.js";
import { FIT, bounded, percentOf, zoomFor, zoomed } from "./view.js";

const SIDES = [320, 640, 960, 1280, 1920]; // px of previews, so that few differ
const LARGE = 4_000_000; // pixels above which a lossless picture is too much to look at

/** What a pane shows of a job. @returns {import("./pane.js").Scene} */
function sceneOfJob(job, pictures) {
  const [width, height] = sizeOf(job) ?? [4, 3];
  const content = pictures.find((picture) => picture.id === job.request.content);
  return {
    key: `job ${job.id}`,
    title: job.title,
    size: { width, height },
    before: content ? api.viewOf(content.id) : null,
    waiting: !isVisible(job),
    after: (side) => addressOf(job, side, width * height),
  };
}

function addressOf(job, side, area) {
  if (!isVisible(job)) return null;
  if (hasResult(job) && (side > SIDES[3] || !job.preview)) {
    const format = area > LARGE ? "jpeg" : "png8";
    return `${api.resultOf(job.id, format)}&inline=1&v=${job.changes}-${job.done}`;
  }
  const wanted = SIDES.find((known) => known >= side) ?? SIDES.at(-1);
  return api.previewOf(job.id, wanted, `${job.changes}-${job.preview}`);
}

/** What a pane shows before anything is painted: the photograph. */
function sceneOfDraft(draft, pictures) {
  const picture = pictures.find((other) => other.id === (draft.content ?? draft.styles[0]));
  if (!picture) return null;
  const { id, name, width, height } = picture;
  return { key: `picture ${id}`, title: name, size: { width, height }, before: null, waiting: false, after: () => api.viewOf(id) };
}

const captionOf = (job) => `${job.title} · ${stateOf(job)}`;

/** @param {{store: import("./store.js").Store, actions: object}} page */
export function mountStage({ store, actions }) {
  const onView = (view) => store.set({ view });
  const main = createPane({ label: "Picture", onView });
  const other = createPane({ label: "Second picture", onView });
  const empty = invitation(actions);
  byId("panes").replaceChildren(main.element, other.element, empty);
  const tools = toolbar(store, main);

  store.on(["jobs", "pictures", "selected", "draft", "view", "reveal", "beside"], (state) => {
    const { jobs, pictures, selected, draft, view, reveal, beside } = state;
    const job = jobs.find((each) => each.id === selected);
    const scene = job ? sceneOfJob(job, pictures) : sceneOfDraft(draft, pictures);
    const second = jobs.find((each) => each.id === beside?.other);
    const two = Boolean(job && second);
    main.element.hidden = !scene;
    empty.hidden = Boolean(scene);
    other.element.hidden = !two;
    byId("panes").classList.toggle("two", two);
    main.render(scene, view, reveal && !two, two ? captionOf(job) : null);
    other.render(two ? sceneOfJob(second, pictures) : null, view, false, two ? captionOf(second) : null);
    tools.render(state, job, scene);
  });
}

/** Zoom, before and after, side by side, more room. */
function toolbar(store, pane) {
  const zoom = (factor) => {
    const [box, size] = [pane.box(), pane.size()];
    if (!size) return;
    const middle = { x: box.width / 2, y: box.height / 2 };
    store.set({ view: zoomed(bounded(store.get().view, box, size), factor, middle, box, size) });
  };
  const whole = () => {
    const size = pane.size();
    if (size) store.set({ view: { ...store.get().view, zoom: zoomFor(100, pane.box(), size, devicePixelRatio) } });
  };
  const moves = [
    button({ label: "Smaller", symbol: "minus", class: "tool", press: () => zoom(0.8) }),
    button({ label: "Larger", symbol: "plus", class: "tool", press: () => zoom(1.25) }),
    button({ label: "Fit", symbol: "fit", class: "tool", press: () => store.set({ view: FIT }) }),
    button({ caption: "100 %", title: "Every pixel of the picture", class: "tool", press: whole }),
  ];
  const percent = h("output", { class: "percent", "aria-label": "Zoom" });
  const compare = button({ symbol: "split", caption: "Before / after", "aria-label": "Before / after", title: "Before / after (B)", class: "tool", press: () => store.set({ reveal: !store.get().reveal }) });
  const beside = button({ symbol: "beside", caption: "Side by side", "aria-label": "Side by side", class: "tool", press: () => toggleBeside(store) });
  const wide = button({ label: "Only the picture", symbol: "wide", class: "tool", press: () => wider(wide) });
  const name = h("p", { class: "stage-title" });
  byId("tools").append(
    name,
    h("div", { class: "group" }, compare, beside),
    h("div", { class: "group" }, moves[0], percent, ...moves.slice(1), wide),
  );
  pane.element.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "b" && !event.ctrlKey && !event.metaKey) compare.click();
  });
  return {
    render(state, job, scene) {
      name.textContent = scene?.title ?? "";
      attribute(name, "title", scene?.title);
      const others = state.jobs.filter((each) => each.id !== job?.id && isVisible(each));
      compare.disabled = !isVisible(job) || !job.request.content || Boolean(state.beside);
      beside.disabled = !isVisible(job) || !others.length;
      for (const move of moves) move.disabled = !scene;
      compare.setAttribute("aria-pressed", String(Boolean(state.reveal) && !compare.disabled));
      beside.setAttribute("aria-pressed", String(Boolean(state.beside)));
      const box = pane.box();
      if (scene && box.width) percent.value = `${percentOf(bounded(state.view, box, scene.size), box, scene.size, devicePixelRatio)} %`;
      else percent.value = "";
    },
  };
}

function toggleBeside(store) {
  const { beside, jobs, selected } = store.get();
  const second = jobs.find((job) => job.id !== selected && isVisible(job));
  store.set({ beside: beside || !second ? null : { other: second.id } });
}

function wider(button_) {
  const on = document.body.classList.toggle("wide");
  button_.setAttribute("aria-pressed", String(on));
}

/** Where there is no picture yet. */
function invitation(actions) {
  const example = () => {
    actions.setContent("sample:chelsea");
    actions.addStyle("sample:waves");
  };
  return h(
    "div",
    { class: "invitation" },
    h("div", { class: "easel", "aria-hidden": "true" }, h("span"), h("span"), h("span")),
    h("h2", {}, "Paint a photograph like a painting"),
    h("p", {}, "Drop a photograph here, then a painting whose strokes and colours it should take."),
    button({ caption: "Try an example", class: "plain", press: example }),
  );
}
