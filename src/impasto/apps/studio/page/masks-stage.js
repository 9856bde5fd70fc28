/** The mask painter's stage in the page: the photograph, two canvases over it, and a line of words. */

import { viewOf } from "./api.js";
import { h, text } from "./dom.js";
import { withdraw } from "./masks-room.js";

const LABEL = "Mask. Arrow keys move the brush, Enter puts it down and lifts it.";

/**
 * Put the stage into its place; what is behind is inert until `leave`.
 *
 * @param {HTMLElement} place
 * @param {{id: string}} content the photograph
 */
export function createStage(place, content) {
  const status = h("p", { class: "mask-status", role: "status", "aria-live": "polite" });
  const image = h("img", { alt: "", draggable: "false", src: viewOf(content.id) });
  const [overlay, marks] = [h("canvas"), h("canvas", { class: "mask-marks" })];
  const picture = h("div", { class: "mask-picture" }, image, overlay);
  const stage = h("div", { class: "mask-stage", tabindex: 0, role: "application", "aria-label": LABEL }, picture, marks, status);
  const before = document.activeElement;
  const quiet = withdraw(place);
  place.replaceChildren(stage);
  place.classList.add("masks");
  place.hidden = false;
  stage.focus();
  let speaking = 0;

  return {
    stage, picture, image, overlay, marks,
    box: () => ({ width: stage.clientWidth, height: stage.clientHeight }),

    /** Say something for a while; longer where it is an error. */
    say(words, bad = false) {
      text(status, words);
      status.classList.toggle("error", bad);
      clearTimeout(speaking);
      speaking = setTimeout(() => text(status, ""), bad ? 12_000 : 5000);
    },

    /** Give the place back, and the focus. */
    leave() {
      clearTimeout(speaking);
      place.hidden = true;
      place.classList.remove("masks");
      place.replaceChildren();
      quiet();
      before?.focus?.();
    },
  };
}
