/** The line below the picture: state, how far, the curve, and what can be done with it. */

import { createCurve } from "./curve.js";
import { button, byId, h, text } from "./dom.js";
import { openMenu } from "./menu.js";
import { downloadsOf, moreOf } from "./offers.js";
import { factsOf, hasResult, partOf, stateOf } from "./states.js";
import { announce } from "./toasts.js";

/** Buttons of each state, the foremost first. */
const BUTTONS = {
  queued: ["pause", "discard"],
  painting: ["pause", "stop", "discard"],
  paused: ["resume", "stop", "discard"],
  stopped: ["more", "download", "print", "others"],
  done: ["download", "print", "more", "others"],
  failed: ["again", "discard"],
  interrupted: ["resume", "stop", "discard"],
};

/** @param {{store: import("./store.js").Store, actions: object, print: (job: object) => void}} page */
export function mountProgress({ store, actions, print }) {
  const bar = h("div", { class: "bar-part" });
  const track = h("div", { class: "track", role: "progressbar", "aria-label": "Painted", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  const state = h("strong", { class: "state" });
  const facts = h("p", { class: "facts" });
  const note = h("p", { class: "note" });
  const curve = createCurve();
  const buttons = h("div", { class: "actions" });
  const line = h("div", { class: "line" }, h("div", { class: "words" }, state, note, facts), curve.element, buttons);
  byId("progress").append(track, line);
  const all = createButtons({ store, actions, print });
  let told = "";

  store.on(["jobs", "selected", "draft", "adjusting", "plan"], (now) => {
    const job = now.jobs.find((each) => each.id === now.selected);
    byId("progress").hidden = !job;
    if (!job) return;
    const part = Math.round(100 * partOf(job));
    byId("progress").dataset.state = job.state;
    bar.style.width = `${part}%`;
    track.setAttribute("aria-valuenow", part);
    text(state, stateOf(job));
    text(facts, factsOf(job).filter(Boolean).join(" · "));
    facts.title = facts.textContent;
    text(note, noteOf(job, now, actions));
    curve.render(job.done ? job : null);
    show(buttons, BUTTONS[job.state].map((name) => all[name]).filter((each) => !each.unless?.(job)));
    told = tell(job, part, told);
  });
}

/** A second line, where there is something to add. */
function noteOf(job, state, actions) {
  if (state.adjusting === job.id) return "Taking up your changes…";
  if (job.notices?.length) return job.notices.at(-1);
  if (job.changes && job.state === "painting") return `Going on with your ${job.changes > 1 ? `${job.changes} changes` : "change"}`;
  return Object.keys(actions.pending()).length && job.state === "painting" ? "Taking up your changes…" : "";
}

function show(holder, wanted) {
  const elements = wanted.map(({ element }) => element);
  if ([...holder.children].every((child, index) => child === elements[index]) && holder.children.length === elements.length) return;
  const focused = holder.contains(document.activeElement);
  holder.replaceChildren(...elements);
  if (focused && !holder.contains(document.activeElement)) elements[0]?.focus();
}

/** State changes, and each quarter, for screen readers. */
function tell(job, part, told) {
  const quarter = job.state === "painting" ? `${Math.floor(part / 25) * 25} %` : "";
  const key = `${job.id} ${stateOf(job)} ${quarter}`;
  if (key !== told) announce([job.title, stateOf(job), quarter, job.error].filter(Boolean).join(", "));
  return key;
}

function createButtons({ store, actions, print }) {
  const shown = () => actions.selected();
  const order = (verb, body) => () => actions.command(store.get().selected, verb, body);
  const menu = (items) => (event) => openMenu(event.currentTarget, items(shown()));
  const opens = { "aria-haspopup": "menu" };
  const make = (props, unless) => ({ element: button(props), unless });
  return {
    pause: make({ symbol: "pause", caption: "Pause", class: "plain", press: order("pause") }),
    resume: make({ symbol: "play", caption: "Go on", class: "strong", press: order("resume") }),
    again: make({ symbol: "again", caption: "Try again", class: "strong", press: order("resume") }),
    stop: make({ symbol: "stop", caption: "Stop and keep", class: "plain", press: order("stop") }),
    discard: make({ label: "Discard", symbol: "trash", class: "plain danger", press: () => askDiscard(shown(), actions) }),
    more: make({ symbol: "play", caption: "Go on with more", class: "plain", ...opens, press: menu((job) => moreOf(job, actions)) }),
    download: make({ symbol: "download", caption: "Download", class: "strong", ...opens, press: menu(downloadsOf) }, (job) => !hasResult(job)),
    print: make({ symbol: "print", caption: "Print", title: "Paint for print", class: "plain", "aria-label": "Paint for print", press: () => print(shown()) }, (job) => !hasResult(job)),
    others: make({ label: "More", symbol: "more", class: "plain", ...opens, press: (event) => event.currentTarget.dispatchEvent(new CustomEvent("offers", { bubbles: true, detail: shown().id })) }),
  };
}

/** Discard after a question, for it cannot be undone. */
export function askDiscard(job, actions) {
  const dialog = h("dialog", { class: "small", "aria-labelledby": "discard-title" },
    h("h2", { id: "discard-title" }, "Discard this picture?"),
    h("p", {}, `${job.title} and all that was painted of it are removed.`),
    h("div", { class: "buttons" },
      button({ caption: "Keep", class: "plain", press: () => dialog.close() }),
      button({ caption: "Discard", class: "strong", press: () => { dialog.close(); actions.discard(job.id); } })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
