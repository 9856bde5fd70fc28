/**
 * Blind comparison: two pictures of the same, and which is better.
 *
 *     state -> choose two recipes -> pair -> vote, or leave out -> pair … -> table
 *
 * The page knows no names before the table, only words that are made anew for each pair.
 */

import { ApiError } from "./api.js";
import { button, byId, h, text } from "./dom.js";
import { createPane } from "./pane.js";
import { mountTheme } from "./theme.js";
import { FIT } from "./view.js";

const ROOT = "/api/comparison";
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "none" };

const SIDES = ["Left", "Right"];

let vote = null; // of the pair that is seen

async function ask(path = "", body = null) {
  const init = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  let answer;
  try {
    answer = await fetch(ROOT + path, init);
  } catch {
    throw new ApiError("The studio does not answer. Is it still running?", 0);
  }
  if (answer.ok) return answer;
  const refused = await answer.json().catch(() => ({}));
  throw new ApiError(refused.error ?? `The studio answered ${answer.status}.`, answer.status);
}
const json = async (...what) => (await ask(...what)).json();

const say = (words) => text(byId("said"), words);
const show = (...parts) => byId("compare").replaceChildren(...parts);

function count({ pairs, done, round }) {
  text(byId("count"), `${done} of ${pairs}${round > 1 ? ` · round ${round}` : ""}`);
  byId("part").max = pairs;
  byId("part").value = done;
}

/** Do something of the studio; what goes wrong is said, and can be tried again. */
async function attempt(act) {
  vote = null;
  try {
    await act();
  } catch (error) {
    const again = button({ caption: "Try again", class: "plain", press: () => attempt(begin) });
    const leave = button({ caption: "Leave this pair out", class: "plain", press: () => {
      leave.disabled = true; // a second press would be about the next pair
      attempt(async () => look(await json("/leave", { pair: error.pair })));
    } });
    show(h("div", { class: "compare-card", role: "alert" }, h("h2", {}, "That did not work"), h("p", {}, error.message),
      h("div", { class: "compare-acts" }, again, error.pair ? leave : null)));
    again.focus();
  }
}

async function begin() {
  const { comparison, choices, folders } = await json();
  if (comparison && (folders || comparison.done < comparison.pairs)) return look(await json("/next"));
  return choose(choices, comparison);
}

/** Two recipes of which there are results of the same pictures. */
function choose(choices, comparison) {
  text(byId("count"), "");
  const card = h("div", { class: "compare-card" }, h("h2", {}, "Which is better?"));
  if (!choices.length) card.append(h("p", {}, "There is nothing to compare yet. Paint the same photograph and painting with two presets, or start the studio with two folders of pictures."));
  else card.append(h("p", {}, "Judge results of two presets side by side, without knowing which is which."));
  for (const { recipes, pairs } of choices) {
    const press = () => attempt(async () => {
      await json("/choose", { recipes });
      look(await json("/next"));
    });
    card.append(button({ caption: `${recipes.join(" or ")} · ${pairs} ${pairs === 1 ? "pair" : "pairs"}`, class: "plain wide-button", press }));
  }
  if (comparison?.done) card.append(button({ caption: "Last result", class: "accent-text", press: () => attempt(table) }));
  show(card);
  card.querySelector("button")?.focus();
}

/** A picture as an address of this page and its size. */
async function loaded(token) {
  const image = new Image();
  image.src = URL.createObjectURL(await (await ask(`/pictures/${token}`)).blob());
  await image.decode();
  return { address: image.src, size: { width: image.naturalWidth, height: image.naturalHeight } };
}

/** Both pictures of a pair. An error has the `pair`, unless the studio does not answer at all. */
async function both({ pair, left, right }) {
  try {
    return await Promise.all([loaded(left), loaded(right)]);
  } catch (error) {
    if (error.status !== 0) error.pair = pair;
    throw error;
  }
}

/** A pair, both pictures at once. */
async function look(pair) {
  if (pair.finished) return table();
  const two = await both(pair);
  let view = FIT;
  const panes = SIDES.map((label) => createPane({ label, onView: (next) => render((view = next)) }));
  const render = () => panes.forEach((pane, i) => {
    pane.render({ key: two[i].address, title: "", size: two[i].size, before: null, waiting: false, after: () => two[i].address }, view, false, SIDES[i]);
  });
  panes.forEach((pane, i) => pane.element.setAttribute("aria-label", `${SIDES[i]} picture. Plus and minus zoom both, 0 fits, arrows choose.`));
  const judge = (choice) => attempt(async () => {
    const next = await json("/vote", { pair: pair.pair, choice });
    two.forEach(({ address }) => URL.revokeObjectURL(address));
    await look(next);
  });
  const choice = (name, caption, key) => button({ caption, title: `Key ${key}`, class: "plain", "data-choice": name, press: () => vote?.(name) });
  const choices = h("div", { class: "compare-choices", role: "group", "aria-label": "Which is better?" },
    choice("left", "← Left", "←"), choice("none", "↓ No preference", "↓"), choice("right", "Right →", "→"));
  show(h("div", { class: "compare-pair" }, h("div", { class: "panes two" }, panes.map(({ element }) => element)), choices));
  render();
  count(pair);
  vote = judge;
  say(`Pair ${pair.done + 1} of ${pair.pairs}. Left or right?`);
  return undefined;
}

const percent = (part) => `${Math.round(100 * part)} %`;

async function table() {
  const found = await json("/table");
  count(found);
  const { names, wins, none, share, low, high, p, left_out: out } = found;
  const votes = wins[0] + wins[1];
  const bar = (i) => h("div", { class: "compare-row" },
    h("span", { class: "compare-name" }, names[i]),
    h("div", { class: "compare-track", vars: { "--share": votes ? wins[i] / votes : 0, "--low": i ? 1 - high : low, "--high": i ? 1 - low : high } }, h("i", {}), h("b", {})),
    h("span", { class: "compare-share" }, votes ? `${percent(wins[i] / votes)} · ${wins[i]}` : "0"));
  const sentence = votes
    ? `${names[0]} is preferred in ${percent(share)} of ${votes} ${votes === 1 ? "vote" : "votes"} (95 % interval ${percent(low)} to ${percent(high)}). ${p < 0.05 ? "That is unlikely to be chance" : "That may well be chance"} (p = ${p < 0.001 ? "less than 0.001" : p.toFixed(3)}).`
    : "Nobody had a preference.";
  const again = button({ caption: "Another round", class: "plain", press: () => attempt(async () => look(await json("/again", {}))) });
  show(h("div", { class: "compare-card" },
    h("h2", {}, "Result"), bar(0), bar(1), h("p", {}, sentence),
    h("p", { class: "note" }, none ? `${none} without a preference, not counted.` : ""),
    h("p", { class: "note" }, out ? `${out} ${out === 1 ? "pair" : "pairs"} left out: a picture cannot be read.` : ""),
    h("div", { class: "compare-acts" },
      h("a", { class: "compare-link", href: `${ROOT}.csv`, download: "comparison.csv" }, "Votes as CSV"), again,
      button({ caption: "Other presets", class: "plain", hidden: !(await json()).choices.length, press: () => attempt(async () => choose((await json()).choices, null)) }))));
  say(sentence);
  again.focus();
}

addEventListener("keydown", (event) => {
  const choice = KEYS[event.key];
  if (!choice || !vote || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  vote(choice);
}, { capture: true });

mountTheme();
attempt(begin);
