/** A menu below or above its button: arrows move, Escape and a press outside close. */

import { byId, h, icon } from "./dom.js";

/**
 * @typedef {{caption: string, note?: string, symbol?: string, press?: () => void, href?: string}} Entry
 * @param {HTMLElement} opener
 * @param {(Entry|null)[]} entries null is a line between two
 */
export function openMenu(opener, entries) {
  const menu = byId("menu");
  menu.replaceChildren(...entries.map((entry) => (entry ? item(entry, menu, opener) : h("hr"))));
  menu.setAttribute("aria-label", opener.getAttribute("aria-label") ?? opener.textContent);
  menu.showPopover();
  put(menu, opener.getBoundingClientRect());
  opener.setAttribute("aria-expanded", "true");
  menu.addEventListener("beforetoggle", () => opener.setAttribute("aria-expanded", "false"), { once: true });
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  items[0]?.focus();
  menu.onkeydown = (event) => walk(event, items);
}

function item({ caption, note, symbol, press, href }, menu, opener) {
  const parts = [symbol ? icon(symbol) : null, h("span", {}, caption), note ? h("small", {}, note) : null];
  const props = { role: "menuitem", tabindex: "-1", class: "item" };
  const close = () => {
    menu.hidePopover();
    opener.focus();
    press?.();
  };
  if (href) return h("a", { ...props, href, download: "", on: { click: close } }, ...parts);
  return h("button", { ...props, type: "button", on: { click: close } }, ...parts);
}

function put(menu, frame) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const above = frame.bottom + height + 8 > innerHeight && frame.top - height > 8;
  const top = above ? frame.top - height - 4 : Math.min(frame.bottom + 4, innerHeight - height - 8);
  const left = Math.max(8, Math.min(frame.right - width, innerWidth - width - 8));
  Object.assign(menu.style, { top: `${Math.max(8, top)}px`, left: `${left}px` });
}

function walk(event, items) {
  const at = items.indexOf(document.activeElement);
  const goals = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  if (!(event.key in goals)) return;
  event.preventDefault();
  items.at(goals[event.key] % items.length).focus();
}
