/** Short messages, and banners that stay while something is the matter. */

import { button, byId, h, icon, text } from "./dom.js";
import { bytes } from "./format.js";

const LONG = 8000; // ms a message stays, 20 s where it offers something

/**
 * Say something in one line.
 *
 * @param {string} message
 * @param {{error?: boolean, action?: string, act?: () => void}} [options]
 */
export function say(message, { error = false, action = "", act = null } = {}) {
  const toast = h("div", { class: error ? "toast error" : "toast" }, h("p", {}, message));
  const close = () => toast.remove();
  if (act) {
    const press = () => {
      close();
      act();
    };
    toast.append(button({ caption: action, class: "accent-text", press }));
  }
  toast.append(button({ label: "Close message", symbol: "close", class: "quiet", press: close }));
  const list = byId("toasts");
  list.append(toast);
  while (list.children.length > 3) list.firstChild.remove();
  setTimeout(close, act ? 2.5 * LONG : LONG);
}

/** Tell screen readers, without showing anything. */
export const announce = (message) => text(byId("live"), message);

/** Lost connection and full disk. */
export function mountBanners(store) {
  const lost = h("p", { class: "banner", hidden: true }, icon("warn"), h("span", {}, "Connection lost. Painting goes on; this page reconnects by itself."));
  const words = h("span");
  const away = button({ label: "Close", symbol: "close", class: "quiet", press: () => store.set({ full: null }) });
  const full = h("p", { class: "banner", hidden: true }, icon("warn"), words, away);
  byId("banners").append(lost, full);
  let timer = 0;
  store.on(["online"], ({ online }) => {
    clearTimeout(timer);
    if (online) lost.hidden = true;
    else timer = setTimeout(() => (lost.hidden = false), 1200);
  });
  store.on(["full"], (state) => {
    full.hidden = !state.full;
    if (state.full) words.textContent = `The disk is full (${bytes(state.full.free)} free). Nothing is lost: make room, then press Go on.`;
  });
}
