/** What this browser keeps over a reload; nothing where it blocks the data of sites, or is full. */

/** @returns {string|null} */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value */
export function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // the page does without
  }
}
