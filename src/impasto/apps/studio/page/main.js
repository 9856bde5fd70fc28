/**
 * The page of impasto studio. Everything shown is a function of one store:
 *
 *     api, feed -> store <- actions <- sources, knobs, progress, history
 *                    |
 *                    +-> sources, knobs, begin, stage, progress, history
 */

import { createActions } from "./actions.js";
import * as api from "./api.js";
import { mountBegin } from "./begin.js";
import { emptyDraft } from "./draft.js";
import { follow, reduce } from "./feed.js";
import { prepared } from "./fields.js";
import { mountForecast } from "./forecast.js";
import { mountHistory } from "./history.js";
import { keep, recall } from "./keep.js";
import { mountKnobs } from "./knobs.js";
import { openMaskRoom } from "./room.js";
import { createPrint } from "./print.js";
import { mountProgress } from "./progress.js";
import { mountMasksButton, mountSources, mountWeights } from "./sources.js";
import { mountStage } from "./stage.js";
import { foremost, partOf, stateOf } from "./states.js";
import { createStore } from "./store.js";
import { mountTheme } from "./theme.js";
import { mountBanners, say } from "./toasts.js";
import { FIT } from "./view.js";

const KEPT = "impasto.draft"; // the picture that is not painted yet, over a reload

async function begin() {
  mountTheme();
  const store = createStore({
    hello: null, pictures: [], jobs: [], selected: null, draft: emptyDraft(), fresh: emptyDraft(),
    plan: {}, online: true, full: null, uploads: [], adjusting: null, beside: null, reveal: false,
    view: FIT, reduce,
  });
  mountBanners(store);
  const hello = prepared(await answer(api.hello));
  const pictures = await answer(api.pictures);
  const draft = remembered(hello, pictures);
  store.set({ hello, pictures, draft, fresh: draft });

  const actions = createActions(store);
  const print = createPrint({ store, actions });
  const page = { store, actions, print };
  for (const mount of [mountSources, mountWeights, mountKnobs, mountForecast, mountBegin, mountStage, mountProgress, mountHistory]) mount(page);
  mountMasksButton({ store, open: () => openMaskRoom(page) });
  remember(store);
  nameWindow(store);
  listen(store, actions);
}

/** The answer, as soon as there is one. */
async function answer(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      say(error.message, { error: true });
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
  }
}

/** Follow the studio; the first answer chooses what is on the stage. */
function listen(store, actions) {
  let first = true;
  const hear = (name, data) => {
    actions.hear(name, data);
    if (name !== "hello" || !first) return;
    first = false;
    const job = foremost(data.jobs);
    if (job) actions.select(job.id);
    document.documentElement.dataset.ready = "yes";
  };
  follow(hear, (online) => store.set({ online }));
}

/** The draft of the last visit, without pictures that are gone. */
function remembered(hello, pictures) {
  const known = new Set([...pictures, ...hello.samples].map(({ id }) => id));
  const usual = emptyDraft(hello.presets.some(({ name }) => name === "standard") ? "standard" : hello.recipes[0].name);
  try {
    const draft = { ...usual, ...JSON.parse(recall(KEPT)) };
    const whole = [draft.content, draft.protect, ...draft.styles, ...draft.masks].every((id) => id === null || known.has(id));
    return whole && hello.recipes.some(({ name }) => name === draft.recipe) ? draft : usual;
  } catch {
    return usual;
  }
}

const remember = (store) => store.on(["fresh"], ({ fresh }) => keep(KEPT, JSON.stringify(fresh)));

/** The window's name tells how far the painting is. */
function nameWindow(store) {
  store.on(["jobs"], ({ jobs }) => {
    const job = jobs.find(({ state }) => state === "painting");
    document.title = job ? `${Math.round(100 * partOf(job))} % ${stateOf(job).toLowerCase()} · impasto studio` : "impasto studio";
  });
}

begin();
