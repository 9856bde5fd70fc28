/**
 * A draft: the pictures and settings of a job that may be asked for. Pure functions.
 *
 * @typedef {object} Draft
 * @property {string|null} content id of the photograph
 * @property {string[]} styles ids of one to five paintings
 * @property {string} recipe
 * @property {Record<string, any>} settings those that differ from the recipe's
 * @property {string|null} protect id of a mask
 * @property {(string|null)[]} masks id of a mask, or null, for each style
 */

export const MOST_STYLES = 5;

/** @returns {Draft} */
export const emptyDraft = (recipe = "standard") => ({
  content: null,
  styles: [],
  recipe,
  settings: {},
  protect: null,
  masks: [],
});

/** The draft of a job's request. */
export const draftOf = (request) => ({
  ...emptyDraft(request.recipe),
  content: request.content ?? null,
  styles: [...request.styles],
  settings: { ...request.settings },
  protect: request.protect ?? null,
  masks: request.styles.map((_, index) => request.masks?.[index] ?? null),
});

/** The request of a draft; `start` is the job whose canvas it begins from. */
export const requestOf = (draft, start = null) => ({
  content: draft.content,
  styles: draft.styles,
  recipe: draft.recipe,
  settings: draft.settings,
  protect: draft.protect,
  masks: draft.masks.some(Boolean) ? draft.masks : [],
  start,
});

/** Values are equal: numbers, texts, lists and tables of them. */
export const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

/** Value of a setting where the draft does not change it. */
export const usual = (hello, recipe, name) => hello.byName.get(name)?.defaults[recipe];

/** Value of a setting. */
export const valueOf = (hello, draft, name) =>
  name in draft.settings ? draft.settings[name] : usual(hello, draft.recipe, name);

/** The draft with a setting of another value; the recipe's own value is no change. */
export function withSetting(hello, draft, name, value) {
  const settings = { ...draft.settings, [name]: value };
  if (value === undefined || same(value, usual(hello, draft.recipe, name))) delete settings[name];
  return { ...draft, settings };
}

/** The draft with another list of styles; masks stay with theirs, weights begin anew. */
export function withStyles(draft, styles) {
  const masks = styles.map((id) => draft.masks[draft.styles.indexOf(id)] ?? null);
  const { style_weights: _, ...settings } = draft.settings;
  const scale = settings.style_scale;
  if (Array.isArray(scale) && styles.length !== scale.length) delete settings.style_scale;
  return { ...draft, styles, masks, settings };
}

/** The draft without a picture, wherever it is in it. */
export function without(draft, id) {
  const rest = draft.styles.filter((other) => other !== id);
  const styled = rest.length < draft.styles.length ? withStyles(draft, rest) : draft;
  return draft.content === id ? { ...styled, content: null } : styled;
}

/** Both drafts paint the same pictures by the same recipe. */
export const sameSources = (a, b) =>
  ["content", "styles", "recipe", "protect", "masks"].every((key) => same(a[key], b[key]));

/** Settings whose values differ between two drafts of the same sources, with those of the new;
 * null where the new one has the recipe's. */
export function differences(hello, before, after) {
  const names = new Set([...Object.keys(before.settings), ...Object.keys(after.settings)]);
  const changed = [...names].filter(
    (name) => !same(valueOf(hello, before, name), valueOf(hello, after, name)),
  );
  return Object.fromEntries(changed.map((name) => [name, after.settings[name] ?? null]));
}

/** Share of each style: the draft's weights, or equal ones. */
export function weightsOf(draft) {
  const given = draft.settings.style_weights ?? [];
  return draft.styles.map((_, index) => given[index] ?? 1);
}
