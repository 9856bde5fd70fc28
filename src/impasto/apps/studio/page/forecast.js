/** Predicted size, time and memory of the draft, asked for a moment after it last changed. */

import { plan } from "./api.js";
import { debounce } from "./dom.js";
import { requestOf } from "./draft.js";
import { bytes, duration, pixels } from "./format.js";

const SOON = 300; // ms

/** What is missing before anything can be painted; "" where nothing is. */
export function missing(draft, hello) {
  const preset = hello.presets.some(({ name }) => name === draft.recipe);
  if (!draft.content && !draft.styles.length) return "Choose a photograph and a painting.";
  if (preset && !draft.content) return "Choose a photograph.";
  if (preset && !draft.styles.length) return "Choose a painting.";
  return "";
}

/**
 * Ask for a plan; the latest request wins, an older one is given up.
 *
 * @param {(state: {plan?: object, error?: string}) => void} tell
 */
export function createForecast(tell) {
  let under = null;
  return debounce(async (request) => {
    under?.abort();
    const mine = (under = new AbortController());
    try {
      const found = await plan(request, mine.signal);
      if (mine === under) tell(found.error ? { error: found.error } : { plan: found });
    } catch (error) {
      if (error.name !== "AbortError") tell({ error: error.message });
    }
  }, SOON);
}

/** A plan -> "512 × 341 · about 58 s · 1.2 GB". */
export function planText(found) {
  const time = found.seconds ? `about ${duration(found.seconds)}` : "";
  return [pixels(found.size), time, bytes(found.memory)].filter(Boolean).join(" · ");
}

/** Keep `plan` of the store that of the draft; the studio is asked again once it is back. */
export function mountForecast({ store }) {
  const ask = createForecast((found) => store.set({ plan: found }));
  store.on(["draft", "online"], ({ draft, hello, online }) => {
    if (missing(draft, hello)) store.set({ plan: {} });
    else if (online) {
      store.set({ plan: { ...store.get().plan, stale: true } });
      ask(requestOf(draft));
    }
  });
}
