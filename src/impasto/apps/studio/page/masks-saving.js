/** Masks go to the studio after a second's rest and at the end; masks that they replace go away. */

import { debounce } from "./dom.js";
import { dropMask } from "./masks-server.js";

const REST = 1000; // ms

/**
 * @param {{ids: (string|null)[], save: (index: number) => Promise<{id: string, fresh: boolean}>|null,
 *     onChange: (ids: (string|null)[]) => void, say: (text: string, error: boolean) => void}} room
 *     `save` uploads a layer; null for an empty one
 */
export function createSaving({ ids, save, onChange, say }) {
  const known = [...ids];
  const own = new Set(); // uploaded here, and not used by jobs that began before
  const changed = new Set();
  let running = Promise.resolve();

  async function run() {
    const indexes = [...changed];
    changed.clear();
    const old = [...known];
    try {
      for (const index of indexes) {
        const saved = await save(index);
        known[index] = saved?.id ?? null;
        if (saved?.fresh) own.add(saved.id);
      }
    } catch (error) {
      indexes.forEach((index) => changed.add(index));
      say(`The mask is not saved yet: ${error.message}`, true);
      return;
    }
    if (known.some((id, index) => id !== old[index])) onChange([...known]);
    for (const id of old) drop(id);
  }

  function drop(id) {
    if (!id || known.includes(id) || !own.delete(id)) return;
    dropMask(id);
  }

  const rest = debounce(() => (running = running.then(run)), REST);

  return {
    /** A layer has changed. */
    touch(index) {
      changed.add(index);
      rest("");
    },
    /** A mask that was uploaded for a question only. */
    spare({ id, fresh }) {
      if (fresh) own.add(id);
      drop(id);
    },
    /** Save what is not saved. */
    finish() {
      rest.flush();
      return running;
    },
  };
}
