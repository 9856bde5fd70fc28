/** One store for the page: plain state, patches, and listeners of the keys they name. */

/**
 * @typedef {object} Store
 * @property {() => any} get the state now
 * @property {(patch: object) => void} set replace some keys; listeners hear once a tick
 * @property {(keys: string[], hear: (state: any) => void) => void} on hear now and at each change
 */

/**
 * @param {object} initial
 * @returns {Store}
 */
export function createStore(initial) {
  let state = initial;
  let changed = new Set();
  const listeners = [];

  function tell() {
    const keys = changed;
    changed = new Set();
    for (const { wanted, hear } of listeners) {
      if (wanted.some((key) => keys.has(key))) hear(state);
    }
  }

  return {
    get: () => state,
    set(patch) {
      const news = Object.keys(patch).filter((key) => patch[key] !== state[key]);
      if (!news.length) return;
      state = { ...state, ...patch };
      if (!changed.size) queueMicrotask(tell);
      news.forEach((key) => changed.add(key));
    },
    on(wanted, hear) {
      listeners.push({ wanted, hear });
      hear(state);
    },
  };
}
