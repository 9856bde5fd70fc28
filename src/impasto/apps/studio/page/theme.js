/** Dark, light, or as the system. */

import { button, byId } from "./dom.js";
import { keep, recall } from "./keep.js";

const KEY = "impasto.theme";
const THEMES = ["system", "dark", "light"];
const SYMBOLS = { system: "system", dark: "moon", light: "sun" };

export function mountTheme() {
  const place = byId("theme");
  let theme = THEMES.find((name) => name === recall(KEY)) ?? "system";

  function apply() {
    document.documentElement.dataset.theme = theme;
    const label = `Appearance: ${theme}`;
    const next = button({ label, symbol: SYMBOLS[theme], class: "quiet", id: "theme", press: turn });
    const focused = document.activeElement?.id === "theme";
    byId("theme").replaceWith(next);
    if (focused) next.focus();
  }

  function turn() {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep(KEY, theme);
    apply();
  }

  if (place) apply();
}
