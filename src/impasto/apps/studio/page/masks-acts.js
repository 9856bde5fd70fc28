/** What a person can do in the mask painter, by buttons and keys. */

import { h } from "./dom.js";
import { encodePng } from "./masks-png.js";
import { LARGEST, noteOf } from "./masks-room.js";
import { findObject, openFile, saveMask } from "./masks-server.js";
import { TOOLS } from "./masks-tools.js";
import { FIT, zoomed } from "./view.js";

/**
 * @param {object} see of masks-look.js
 * @param {{layers: object, tools: object, smart: object, saving: object}} parts of the painter
 * @param {{content: object, size: {width: number, height: number}, names: {name: string}[],
 *     say: (words: string, bad?: boolean) => void, close: () => void}} room
 */
export function createActs(see, { layers, tools, smart, saving }, { content, size, names, say, close }) {
  const { look, later, render, box } = see;

  /** Whatever is under way is finished before something else begins. */
  function settle() {
    see.flush();
    tools.up();
    smart.accept();
  }

  function edited(words) {
    if (words) say(words);
    later(render());
  }

  function repaint(news) {
    Object.assign(look, news);
    see.all();
    edited("");
  }

  function whole(words, what, make) {
    settle();
    layers.replace(make(layers.mask()), what);
    edited(words);
  }

  async function open(file) {
    settle();
    try {
      const mask = await openFile(file, size);
      whole(`${file.name} is the mask now.`, "open", () => mask);
    } catch (error) {
      say(error.message, true);
    }
  }

  async function save() {
    settle();
    const link = h("a", { href: URL.createObjectURL(await encodePng(layers.mask(), size.width, size.height)), download: `${names[layers.chosen].name} - ${content.name}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async function snap() {
    settle();
    say("Looking for edges…");
    const [index, seen] = [layers.chosen, layers.mask().slice()];
    try {
      const base = await saveMask(seen, size, names[index].name);
      const mask = await findObject(content.id, { inside: [], outside: [], softness: look.soft * 0.3, base: base.id }, size);
      saving.spare(base);
      if (layers.chosen === index && !layers.busy) whole("The mask follows the edges.", "fit to edges", () => mask);
    } catch (error) {
      say(error.message, true);
    }
  }

  const acts = {
    settle, open, save, snap,
    tool(id) {
      if (id !== look.tool) settle();
      Object.assign(look, { tool: id, takes: false });
      const { name, hint } = TOOLS.find((tool) => tool.id === id);
      edited(`${name}. ${hint}`);
    },
    mode: (takes) => later(render((look.takes = takes))),
    layer(index) {
      settle();
      layers.choose(index);
      edited(`${names[index].name}: ${noteOf(index, see.shares).text}`);
    },
    size(radius, spoken) {
      look.radius = Math.min(Math.max(radius, 1), LARGEST);
      if (see.hovering) see.hovering.r = look.radius;
      edited(spoken ? `Size ${2 * look.radius} px` : "");
    },
    grow: (factor) => acts.size(factor > 1 ? Math.ceil(look.radius * factor) : Math.floor(look.radius * factor), true),
    soft: (soft) => later(render((look.soft = soft))),
    opacity: (opacity) => repaint({ opacity }),
    alone: () => repaint({ alone: !look.alone }),
    undo() {
      if (smart.active) return smart.back();
      tools.cancel();
      return edited(layers.back() ?? "Nothing to undo.");
    },
    redo: () => (smart.active ? null : edited(layers.forth() ?? "Nothing to do again.")),
    view(view) {
      look.view = view;
      see.layout();
    },
    zoom: (factor) => acts.view(zoomed(see.view(), factor, { x: box().width / 2, y: box().height / 2 }, box(), size)),
    fit: () => acts.view(FIT),
    clear: () => whole("Cleared.", "clear", () => new Uint8Array(size.width * size.height)),
    invert: () => whole("Inverted.", "invert", (mask) => mask.map((value) => 255 - value)),
    accept: () => smart.active && edited(smart.accept() ?? "Kept."),
    leave: () => edited(smart.leave() ?? "As it was."),
    done: () => close(),
    escape: () => (tools.busy ? acts.drop() : smart.active ? acts.leave() : close()),
    drop() {
      see.waiting.length = 0;
      tools.cancel();
      later();
    },
  };
  return acts;
}
