/** Below the settings: what it will take, and the button that starts it. */

import { button, byId, h, text } from "./dom.js";
import { bytes } from "./format.js";
import { missing, planText } from "./forecast.js";
import { isLive, takesChanges } from "./states.js";

/** @param {{store: import("./store.js").Store, actions: object}} page */
export function mountBegin({ store, actions }) {
  const forecast = h("p", { class: "forecast", role: "status" });
  const paint = button({ symbol: "brush", caption: "Paint", class: "strong wide-button", press: () => run(() => actions.start()) });
  const goOn = button({ symbol: "play", caption: "Go on with these changes", class: "strong wide-button", press: () => run(actions.goOnWithChanges) });
  const anew = button({ symbol: "plus", caption: "Paint as a new picture", class: "plain wide-button", press: () => run(() => actions.start()) });
  byId("begin").append(forecast, goOn, paint, anew);
  let running = false;

  /** One press is one command. */
  async function run(act) {
    if (running) return;
    running = true;
    try {
      await act();
    } finally {
      running = false;
    }
  }

  store.on(["draft", "plan", "jobs", "selected"], (state) => {
    const job = actions.selected();
    const changed = Boolean(job) && Object.keys(actions.pending()).length > 0;
    const lacking = missing(state.draft, state.hello);
    const { plan, error, stale } = state.plan;
    const ready = !lacking && !error;
    text(forecast, lacking || error || (plan ? told(plan) : stale ? "Measuring…" : ""));
    forecast.classList.toggle("error", Boolean(error || (plan && !plan.fits && !lacking)));
    forecast.classList.toggle("stale", Boolean(stale));
    paint.hidden = Boolean(job);
    goOn.hidden = !job || !changed || takesChanges(job);
    anew.hidden = !job || (!changed && isLive(job));
    for (const each of [paint, goOn, anew]) each.disabled = !ready;
    byId("begin").hidden = [paint, goOn, anew].every((each) => each.hidden);
  });
}

const told = (plan) => (plan.fits === false ? `${planText(plan)}. This is more memory than is free; make it smaller than ${bytes(plan.memory)}.` : planText(plan));
