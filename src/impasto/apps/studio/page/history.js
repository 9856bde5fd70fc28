/** The strip of everything painted and waiting; the newest first. */

import { previewOf, thumbOf } from "./api.js";
import { attribute, button, byId, h, icon, reconcile, text } from "./dom.js";
import { openMenu } from "./menu.js";
import { offersOf } from "./offers.js";
import { askDiscard } from "./progress.js";
import { isVisible, partOf, stateOf } from "./states.js";

/** @param {{store: import("./store.js").Store, actions: object, print: (job: object) => void}} page */
export function mountHistory({ store, actions, print }) {
  const fresh = h("button", { type: "button", class: "tile fresh", on: { click: () => actions.newPicture() } }, icon("plus"), h("span", {}, "New picture"));
  const list = h("ul", { class: "strip" });
  const none = h("p", { class: "none" }, "What you paint is kept here.");
  byId("history").append(fresh, list, none);

  const beside = (id) => store.set({ beside: { other: id }, reveal: false });
  const offers = (opener, id) => {
    const { jobs, selected } = store.get();
    const discard = (job) => askDiscard(job, actions);
    openMenu(opener, offersOf(actions.job(id), { actions, print, discard, beside, jobs, selected }));
  };
  document.addEventListener("offers", (event) => offers(event.target, event.detail));

  const press = (id) => {
    const { beside: two, selected } = store.get();
    if (two && id !== selected && isVisible(actions.job(id))) beside(id);
    else actions.select(id);
  };

  store.on(["jobs", "selected", "beside", "pictures"], ({ jobs, selected, beside: two }) => {
    none.hidden = jobs.length > 0;
    fresh.setAttribute("aria-pressed", String(!selected));
    reconcile(list, jobs, (job) => job.id, (job) => tile(job.id, press, offers), (element, job) => {
      update(element, job, { current: job.id === selected, second: two?.other === job.id });
    });
  });
}

function tile(id, press, offers) {
  const image = h("img", { alt: "", draggable: "false", loading: "lazy" });
  const state = h("span", { class: "tile-state" });
  const bar = h("span", { class: "tile-bar" });
  const main = h("button", { type: "button", class: "tile", on: { click: () => press(id) } }, image, state, bar);
  const more = button({ label: "More", symbol: "more", class: "tile-more", "aria-haspopup": "menu", press: () => offers(more, id) });
  main.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    offers(more, id);
  });
  return h("li", {}, main, more);
}

function update(element, job, { current, second }) {
  const [main, more] = element.children;
  const [image, state, bar] = main.children;
  const version = job.state === "painting" ? `tenth-${Math.floor(10 * partOf(job))}` : job.preview;
  const address = job.preview ? previewOf(job.id, 320, `${job.changes}-${version}`) : job.request.content ? thumbOf(job.request.content) : null;
  if (image.getAttribute("src") !== address) attribute(image, "src", address);
  image.hidden = !address;
  const quiet = job.state === "done" || job.state === "stopped";
  text(state, quiet ? "" : job.state === "painting" ? `${Math.round(100 * partOf(job))} %` : stateOf(job));
  bar.style.width = quiet ? "0" : `${100 * partOf(job)}%`;
  main.dataset.state = job.state;
  main.classList.toggle("second", second);
  main.setAttribute("aria-pressed", String(current));
  main.setAttribute("aria-label", `${job.title}, ${stateOf(job)}`);
  main.title = `${job.title} · ${stateOf(job)}`;
  more.setAttribute("aria-label", `More of ${job.title}`);
}
