/** The full stage lent to the mask painter. */

import { byId } from "./dom.js";
import { say } from "./toasts.js";

/**
 * Masks belong to the photograph and the paintings for which the painter was opened. An upload may
 * have changed these meanwhile: each painting keeps its own masks, another photograph gets none.
 *
 * @param {{store: import("./store.js").Store, actions: object}} page
 */
export async function openMaskRoom({ store, actions }) {
  const { draft, pictures } = store.get();
  const picture = (id) => pictures.find((other) => other.id === id) ?? null;
  try {
    const { openMasks } = await import("./masks.js");
    await openMasks({
      place: byId("room"),
      content: picture(draft.content),
      styles: draft.styles.map(picture),
      masks: draft.masks,
      protect: draft.protect,
      onChange: ({ masks, protect }) => actions.edit((now) => {
        if (now.content !== draft.content) return now;
        return { ...now, protect, masks: now.styles.map((id) => masks[draft.styles.indexOf(id)] ?? null) };
      }),
    });
  } catch {
    say("The mask painter could not be opened.", { error: true });
  }
}
