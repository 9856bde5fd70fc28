/** Elements made by hand: no templates, no inline script or style. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element. `on` has listeners, `vars` custom properties, `class` the class; other props are
 * attributes: true sets one without a value, false and null leave it out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  const { on = {}, vars = {}, ...rest } = props;
  for (const [name, value] of Object.entries(rest)) attribute(element, name, value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  for (const [name, value] of Object.entries(vars)) element.style.setProperty(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set an attribute: true is empty, false, null and undefined remove it. */
export function attribute(element, name, value) {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Text of an element, written only when it differs, so that readers are not told twice. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** An icon of icons.svg; hidden from screen readers, for its button has a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** A button with an icon, a text or both. `label` names it where it shows an icon alone. */
export function button({ label, symbol, caption, press, ...rest }) {
  const props = { type: "button", "aria-label": caption ? null : label, title: label, ...rest };
  const parts = [symbol ? icon(symbol) : null, caption ? h("span", {}, caption) : null];
  return h("button", { ...props, on: { click: press } }, ...parts);
}

/**
 * Make the children of `parent` those of `items`, in order; keep elements (and the focus) by key.
 *
 * @param {Element} parent
 * @param {any[]} items
 * @param {(item: any) => string} key
 * @param {(item: any) => Element} create
 * @param {(element: Element, item: any, index: number) => void} update
 */
export function reconcile(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item, index) => {
    const element = old.get(key(item)) ?? create(item);
    element.dataset.key = key(item);
    update(element, item, index);
    return element;
  });
  const kept = new Set(wanted);
  [...parent.children].forEach((child) => kept.has(child) || child.remove());
  wanted.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
}

/** Call `act` once `ms` after the last call. `flush` calls at once what waits. */
export function debounce(act, ms) {
  let timer = 0;
  let waiting = null;
  const run = () => {
    clearTimeout(timer);
    const args = waiting;
    waiting = null;
    if (args) act(...args);
  };
  const later = (...args) => {
    waiting = args;
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  };
  later.flush = run;
  return later;
}
