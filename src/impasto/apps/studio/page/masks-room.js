/** The mask painter's room in the page: its style sheet, what is behind it, sizes and words. */

import { h } from "./dom.js";

export const LARGEST = 400; // pixels: radius of the brush

/** Sizes of the slider, 0 to 100, as radii: finer where they are small. */
export const SIZES = {
  min: 0, max: 100,
  radius: (v) => Math.max(1, Math.round(LARGEST * (v / 100) ** 2)),
  place: (radius) => 100 * Math.sqrt(radius / LARGEST),
};

/** With masks.css, which the first opening loads. */
export function styled() {
  if (document.head.querySelector("[href='/static/masks.css']")) return null;
  return new Promise((resolve) => {
    document.head.append(h("link", { rel: "stylesheet", href: "/static/masks.css", on: { load: resolve, error: resolve } }));
  });
}

/** What a layer does, given what the others cover; layer 0 protects. */
export function noteOf(index, shares) {
  if (index === 0) return { text: "stays as photographed" };
  if (shares[index]) return { text: "in its mask" };
  const empty = shares.slice(1).filter((share) => !share).length;
  if (empty === shares.length - 1) return { text: "everywhere" };
  return empty === 1 ? { text: "everywhere else" } : { text: "needs a mask", bad: true };
}

/** Make everything but an element inert; @returns {() => void} that undoes it. */
export function withdraw(element) {
  const others = [];
  for (let node = element; node !== document.body; node = node.parentElement) {
    others.push(...[...node.parentElement.children].filter((child) => child !== node && !child.inert && child.tagName !== "SCRIPT"));
  }
  for (const other of others) other.inert = true;
  return () => others.forEach((other) => (other.inert = false));
}
