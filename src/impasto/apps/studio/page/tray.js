/** All pictures the studio has: earlier uploads and samples, to choose from. */

import { thumbOf } from "./api.js";
import { button, h } from "./dom.js";
import { pixels } from "./format.js";

/**
 * @param {"photo"|"style"} kind
 * @param {{store: object, actions: object, title: string}} page
 */
export function openTray(kind, { store, actions, title }) {
  const { hello, pictures } = store.get();
  const own = pictures.filter((picture) => !picture.sample && picture.role !== "mask");
  const samples = hello.samples.toSorted((a, b) => Number(b.kind === kind) - Number(a.kind === kind));
  const dialog = h("dialog", { class: "tray", "aria-labelledby": "tray-title" });
  const choose = (id) => {
    actions.put(kind, id);
    dialog.close();
  };
  const forget = async (id, element) => {
    if (await actions.removePicture(id)) element.remove();
  };
  const close = button({ label: "Close", symbol: "close", class: "quiet", press: () => dialog.close() });
  dialog.append(
    h("div", { class: "head" }, h("h2", { id: "tray-title" }, title), close),
    own.length ? group("Earlier uploads", own, choose, forget) : "",
    group("Samples", samples, choose, null),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

function group(title, pictures, choose, forget) {
  const cells = pictures.map((picture) => cell(picture, choose, forget));
  return h("section", { "aria-label": title }, h("h3", {}, title), h("ul", { class: "grid" }, cells));
}

function cell(picture, choose, forget) {
  const image = h("img", { src: thumbOf(picture.id), alt: "", loading: "lazy" });
  const name = h("span", { class: "name" }, picture.name);
  const size = h("small", {}, pixels([picture.width, picture.height]));
  const main = h("button", { type: "button", class: "pick", title: picture.name, on: { click: () => choose(picture.id) } }, image, name, size);
  const element = h("li", {}, main);
  if (forget) element.append(button({ label: `Remove ${picture.name}`, symbol: "trash", class: "remove", press: () => forget(picture.id, element) }));
  return element;
}
