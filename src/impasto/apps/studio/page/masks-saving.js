/** Masks go to the studio after a second's rest and at the end; masks that they replace go away. */

import { debounce } from "./dom.js";
import { dropMask } from "./masks-server.js";

const REST = 1000; // ms
const READ = 1000; // ms in which nobody has read a warning: a double click is no answer to it

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
  let failure = ""; // why the last attempt has not saved
  let warned = Infinity; // when it was said that leaving loses masks

  async function run() {
    const indexes = [...changed];
    changed.clear();
    const old = [...known];
    failure = "";
    for (const index of indexes) await one(index);
    if (failure) say(`The mask is not saved yet: ${failure}`, true);
    if (known.some((id, index) => id !== old[index])) onChange([...known]);
    for (const id of old) drop(id);
  }

  /** Save a layer; where that fails it is still a changed one, and the others are not held up. */
  async function one(index) {
    try {
      const saved = await save(index);
      known[index] = saved?.id ?? null;
      if (saved?.fresh) own.add(saved.id);
    } catch (error) {
      changed.add(index);
      failure = error.message;
    }
  }

  function drop(id) {
    if (!id || known.includes(id) || !own.delete(id)) return;
    dropMask(id);
  }

  async function saveNow() {
    rest("");
    rest.flush();
    await running;
  }

  const rest = debounce(() => (running = running.then(run)), REST);

  return {
    /** A layer has changed. */
    touch(index) {
      changed.add(index);
      warned = Infinity;
      rest("");
    },
    /** A mask that was uploaded for a question only. */
    spare({ id, fresh }) {
      if (fresh) own.add(id);
      drop(id);
    },
    /**
     * Save what is not saved.
     *
     * @returns {Promise<boolean>} whether the painter may close: all is saved, or somebody who was
     *     told that it is not asks once more
     */
    async finish() {
      const answered = performance.now() - warned > READ;
      do await saveNow();
      while (changed.size && !failure);
      if (!failure || answered) return true;
      if (warned === Infinity) warned = performance.now();
      say(`The mask is not saved; Done again leaves without it. ${failure}`, true);
      return false;
    },
  };
}
