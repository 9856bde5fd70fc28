/** What a person can do, as functions over the store. */

import * as api from "./api.js";
import { debounce } from "./dom.js";
import {
  MOST_STYLES, differences, draftOf, requestOf, sameSources, withStyles, without,
} from "./draft.js";
import { takesChanges } from "./states.js";
import { say } from "./toasts.js";
import { FIT } from "./view.js";

const SOON = 250; // ms after the last movement of a slider

/** @param {import("./store.js").Store} store */
export function createActions(store) {
  const { get, set } = store;

  /** Run a command; a failure is said in one line. */
  async function attempt(act) {
    try {
      return await act();
    } catch (error) {
      if (error.name !== "AbortError") say(error.message, { error: true });
      return null;
    }
  }

  const job = (id) => get().jobs.find((other) => other.id === id) ?? null;
  const selected = () => job(get().selected);

  /** Settings that differ between the controls and the job on the stage. */
  function pending() {
    const { hello, draft } = get();
    const shown = selected();
    return shown ? differences(hello, draftOf(shown.request), draft) : {};
  }

  const adjust = debounce(async (id) => {
    const settings = pending();
    // it may have been stopped meanwhile, and is not to go on for that
    if (get().selected !== id || !takesChanges(job(id)) || !Object.keys(settings).length) return;
    set({ adjusting: id });
    const answer = await attempt(() => api.command(id, "adjust", { settings }));
    if (answer?.request) hear("job", answer);
    else if (answer === null && get().selected === id) set({ draft: draftOf(selected().request) });
    if (get().adjusting === id) set({ adjusting: null });
  }, SOON);

  /** Put something else on the stage; a change of what is there now is sent first. */
  function show(patch) {
    adjust.flush();
    set({ view: FIT, ...patch });
  }

  /** Change the draft. Other pictures begin a new one; other settings go on from this one. */
  function edit(change) {
    const state = get();
    const draft = change(state.draft);
    const shown = selected();
    if (!shown) {
      set({ draft, fresh: draft });
    } else if (!sameSources(draft, draftOf(shown.request))) {
      show({ draft, fresh: draft, selected: null });
    } else {
      set({ draft });
      if (takesChanges(shown)) adjust(shown.id);
    }
  }

  /** Show a job on the stage, with its settings in the controls. */
  function select(id) {
    const shown = job(id);
    if (!shown) return newPicture();
    const beside = get().beside?.other === id ? { other: get().selected } : get().beside;
    const view = get().beside ? get().view : FIT;
    return show({ selected: id, draft: draftOf(shown.request), view, beside });
  }

  /** Back to the picture that is not painted yet. */
  function newPicture() {
    show({ selected: null, draft: get().fresh, beside: null });
  }

  /** An event of the stream. Controls follow a job that another page has changed. */
  function hear(name, data, reduce = get().reduce) {
    const before = selected();
    if (name === "gone" && data.why) say(`${job(data.id)?.title ?? "A picture"} was removed: ${data.why}`);
    const untouched = before && sameAs(before.request, get().draft);
    set(reduce(get(), name, data));
    const now = selected();
    if (get().selected && !now) newPicture();
    else if (untouched && now && !sameAs(now.request, get().draft)) set({ draft: draftOf(now.request) });
  }

  const sameAs = (request, draft) => {
    const other = draftOf(request);
    return sameSources(other, draft) && !Object.keys(differences(get().hello, other, draft)).length;
  };

  /** Paint the draft; it is shown at once. */
  async function start(begin = null) {
    const made = await attempt(() => api.start(requestOf(get().draft, begin)));
    if (!made) return null;
    hear("job", made);
    show({ selected: made.id, draft: draftOf(made.request), reveal: false, beside: null });
    return made;
  }

  /** pause, resume, stop, move, more, adjust: the answer is the job as it is then. */
  async function command(id, verb, body = {}) {
    const answer = await attempt(() => api.command(id, verb, body));
    if (answer?.id && answer.state) hear("job", answer);
    return answer;
  }

  /** Go on from the canvas of a picture that does not move, with the settings of the controls. */
  const goOnWithChanges = () => command(get().selected, "adjust", { settings: pending() });

  async function discard(id) {
    const answer = await attempt(async () => (await api.command(id, "discard")) ?? {});
    if (answer) hear("gone", { id });
  }

  const setContent = (id) => edit((draft) => ({ ...draft, content: id }));

  function addStyle(id) {
    const { styles } = get().draft;
    if (styles.includes(id)) return;
    if (styles.length >= MOST_STYLES) say(`At most ${MOST_STYLES} paintings are mixed.`, { error: true });
    else edit((draft) => withStyles(draft, [...draft.styles, id]));
  }

  const removeStyle = (id) =>
    edit((draft) => withStyles(draft, draft.styles.filter((other) => other !== id)));

  /** Put a picture that the studio has into a slot. */
  const put = (slot, id) => (slot === "photo" ? setContent(id) : addStyle(id));

  /** Upload files into a slot; what was wrong with earlier ones is no longer said. */
  async function take(slot, files) {
    const wanted = slot === "photo" ? files.slice(0, 1) : files.slice(0, MOST_STYLES);
    set({ uploads: get().uploads.filter((upload) => upload.slot !== slot || !upload.error) });
    for (const file of wanted) await takeOne(slot, file);
  }

  async function takeOne(slot, file) {
    const key = `${Date.now()}-${Math.random()}`;
    const note = (patch) => {
      const others = get().uploads.filter((upload) => upload.key !== key);
      set({ uploads: patch ? [...others, { key, slot, name: file.name, ...patch }] : others });
    };
    const limit = get().hello.limits?.upload ?? Infinity;
    if (file.size > limit) {
      note({ error: `${file.name} is larger than ${Math.round(limit / 1e6)} MB.` });
      return;
    }
    note({ part: 0 });
    try {
      const picture = await api.upload(file, (part) => note({ part }));
      note(null);
      hear("picture", picture);
      put(slot, picture.id);
      if (picture.record) offerRecord(picture);
    } catch (error) {
      note({ error: error.message });
    }
  }

  /** A result of impasto knows how it was made. */
  function offerRecord(picture) {
    const act = async () => {
      const found = await attempt(() => api.record(picture.id));
      if (!found) return;
      const { missing = [], request } = found;
      const draft = draftOf({ ...request, styles: request.styles.filter(Boolean) });
      show({ draft, fresh: draft, selected: null });
      if (missing.length) say(`Add what this studio does not have: ${missing.join(", ")}.`);
    };
    say(`${picture.name} was painted with impasto.`, { action: "Bring back its settings", act });
  }

  /** The settings of a job for the picture that is not painted yet, which keeps its own sources. */
  function useSettings(id) {
    const { recipe, settings } = draftOf(job(id).request);
    const fresh = get().fresh.content || get().fresh.styles.length ? get().fresh : draftOf(job(id).request);
    const draft = { ...fresh, recipe, settings: { ...settings } };
    if (draft.styles.length !== job(id).request.styles.length) delete draft.settings.style_weights;
    show({ draft, fresh: draft, selected: null, beside: null });
  }

  async function useResult(id, slot) {
    const picture = await attempt(() => api.resultAsPicture(id));
    if (!picture) return;
    hear("picture", picture);
    put(slot, picture.id);
  }

  /** Put "command" or "python" of a job on the clipboard. */
  async function copyCode(id, kind) {
    const code = await attempt(() => api.code(id));
    if (!code) return;
    await attempt(() => navigator.clipboard.writeText(code[kind]));
    say(kind === "python" ? "Copied as Python." : "Copied as a command.");
  }

  /** Forget an upload; the picture that is not painted yet goes on without it. Whether it is gone. */
  async function removePicture(id) {
    const gone = await attempt(async () => (await api.removePicture(id)) ?? {});
    if (!gone) return false;
    const fresh = without(get().fresh, id);
    const pictures = get().pictures.filter((picture) => picture.id !== id);
    set({ pictures, fresh, draft: selected() ? get().draft : fresh });
    return true;
  }

  return {
    addStyle, attempt, command, copyCode, discard, edit, goOnWithChanges, hear, job,
    newPicture, pending, put, removePicture, removeStyle, select, selected, setContent, start, take,
    useResult, useSettings,
  };
}
