/**
 * The stage in a notebook: traits of `View` (view.py) become elements, presses become messages.
 *
 *     preview, before ── picture with a slider between both      stop, go on ──> {kind}
 *     progress, curve ── words, bar, curve                       sliders ──> {kind: "change", settings}
 *     values, usual ──── sliders                                 a preview is seen ──> {kind: "seen"}
 */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 56]; // of the curve's box
const SETTLED = 350; // ms without a change, after which a slider's value is sent
const PATIENT = 2000; // ms in which a kernel that is not busy answers
const BUSY = "The notebook runs a cell, and hears this when the cell ends. Interrupt the cell to stop now.";
const COLOURS = { style: "Painting", match: "Matched", keep: "Photograph" };

/** An element; `on` has listeners, other props are attributes; false leaves one out. */
function h(tag, { on = {}, ...props } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) if (value !== false) element.setAttribute(name, value === true ? "" : value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children);
  return element;
}

/** Text, written only when it differs, so that screen readers are not told twice. */
function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Seconds -> "0:08", "3:20", "1:20:00". */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(whole % 60)}`;
}

/** [iteration, scale, loss] -> the curve's path, the loss on a logarithmic scale, a line for each scale. */
export function pathOf(points, last) {
  const kept = points.filter(([, , loss]) => loss > 0);
  if (kept.length < 2) return "";
  const logs = kept.map(([, , loss]) => Math.log(loss));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const along = Math.max(last, kept.at(-1)[0], 1);
  return kept.map(([done, scale], i) => {
    const x = (done / along) * WIDTH;
    const y = 3 + (1 - (logs[i] - low) / (high - low || 1)) * (HEIGHT - 6);
    return `${i && kept[i - 1][1] === scale ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");
}

const percent = (value) => `${Math.round(100 * value)} %`;
const times = (value) => `${Number(value.toPrecision(3))} ×`;
const first = (value) => (Array.isArray(value) ? value[0] : value);
const even = { out: (value) => value, in: (place) => place };
const factors = (unit) => ({ out: (value) => Math.log2(Math.max(value, 1e-9) / unit()), in: (place) => Number((unit() * 2 ** place).toPrecision(3)) });

/** Commands to the kernel. Calls `quiet` where it does not answer soon, and again with "" once it does. */
function createLine(model, quiet) {
  let timer = 0;
  const heard = () => { clearTimeout(timer); quiet(""); };
  model.on("change:heard", heard);
  return {
    send(message) {
      clearTimeout(timer);
      timer = setTimeout(() => quiet(BUSY), PATIENT);
      model.send(message);
    },
    close() { clearTimeout(timer); model.off("change:heard", heard); },
  };
}

/** The painting over the photograph, and a range that moves the border between them. */
function createPicture(model) {
  const before = h("img", { class: "before", alt: "The photograph", draggable: "false" });
  const after = h("img", { class: "after", alt: "The painting so far", draggable: "false" });
  const range = h("input", { type: "range", min: 0, max: 100, value: 0, "aria-label": "Before and after", "aria-valuetext": "All painting" });
  const names = [h("span", { class: "name left" }, "Photograph"), h("span", { class: "name right" }, "Painting")];
  const element = h("div", { class: "picture", "data-at": "0" }, before, after, h("div", { class: "border", "aria-hidden": "true" }, h("i")), ...names, range);
  range.addEventListener("input", () => {
    const at = Number(range.value);
    element.style.setProperty("--at", `${at}%`);
    element.dataset.at = range.value;
    range.setAttribute("aria-valuetext", at ? `${at} % photograph` : "All painting");
  });
  const shown = new Map(); // image -> address of what it shows

  /** Show a JPEG once it is decoded, unless a newer one came; whether it is shown. */
  async function show(image, bytes) {
    if (!bytes?.byteLength) return false;
    const address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    image.newest = address;
    const drawn = new Image();
    drawn.src = address;
    await drawn.decode().catch(() => null);
    if (image.newest !== address) return URL.revokeObjectURL(address), false;
    image.src = address;
    URL.revokeObjectURL(shown.get(image));
    shown.set(image, address);
    if (drawn.naturalWidth) element.style.setProperty("--shape", `${drawn.naturalWidth} / ${drawn.naturalHeight}`);
    return true;
  }

  return {
    element,
    before: () => show(before, model.get("before")),
    after: async () => { if (await show(after, model.get("preview"))) model.send({ kind: "seen" }); },
    close: () => shown.forEach((address) => URL.revokeObjectURL(address)),
  };
}

function createCurve() {
  const element = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  element.append(line);
  for (const [name, value] of Object.entries({ class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" })) element.setAttribute(name, value);
  return {
    element,
    render(points, last) {
      line.setAttribute("d", pathOf(points, last));
      const loss = points.at(-1)?.[2];
      element.setAttribute("aria-label", loss === undefined ? "Loss" : `Loss ${Number(loss).toPrecision(3)}`);
    },
  };
}

/** A slider with its number. A double click, or the key Delete, takes the first value back (null). */
function createSlider({ label, hint, min, max, step, lie = even, shown, onChange }) {
  const value = h("output");
  const range = h("input", { type: "range", min, max, step, "aria-label": label });
  const element = h("label", { class: "slider", title: `${hint} Double-click for the first value.` }, h("span", {}, label), value, range);
  let timer = 0;
  let waits = false;
  const send = (what) => { clearTimeout(timer); waits = false; onChange(what); };
  const words = (number) => { text(value, shown(number)); range.setAttribute("aria-valuetext", shown(number)); };
  range.addEventListener("input", () => {
    const number = lie.in(Number(range.value));
    words(number);
    clearTimeout(timer);
    waits = true;
    timer = setTimeout(() => send(number), SETTLED);
  });
  range.addEventListener("dblclick", () => send(null));
  range.addEventListener("keydown", (event) => { if (event.key === "Delete") send(null); });
  return {
    element,
    close: () => clearTimeout(timer),
    render(number) {
      if (waits) return; // a hand is on it
      range.value = Math.min(Math.max(lie.out(number), min), max);
      words(number);
    },
  };
}

/** One of a few names, as a list. */
function createChoice({ label, hint, names, onChange }) {
  const list = h("select", { "aria-label": label }, ...names.map((name) => h("option", { value: name }, COLOURS[name] ?? name)));
  list.addEventListener("change", () => onChange(list.value));
  return { element: h("label", { class: "slider choice", title: hint }, h("span", {}, label), list), render: (name) => { list.value = name; } };
}

function createSliders(model, onChange) {
  const change = (name) => (value) => onChange({ [name]: value });
  const sliders = {
    strength: createSlider({ label: "Strength", hint: "How far the painting's style is taken.", min: 0, max: 1, step: 0.01, shown: percent, onChange: change("strength") }),
    style_scale: createSlider({ label: "Stroke size", hint: "How large the strokes are.", min: -2, max: 2, step: 0.1, lie: factors(() => 1), shown: times, onChange: change("style_scale") }),
    content_weight: createSlider({ label: "Photograph kept", hint: "How closely the photograph's shapes are kept.", min: -4, max: 4, step: 0.125, lie: factors(() => model.get("usual").content_weight || 1), shown: (value) => String(Number(value.toPrecision(3))), onChange: change("content_weight") }),
    colour: createChoice({ label: "Colours", hint: "Whose colours the picture has.", names: model.get("colours"), onChange: change("colour") }),
    colour_strength: createSlider({ label: "Amount of colour", hint: "How far colours are kept or matched.", min: 0, max: 1, step: 0.01, shown: percent, onChange: change("colour_strength") }),
  };
  return {
    element: h("div", { class: "sliders" }, ...Object.values(sliders).map(({ element }) => element)),
    close: () => Object.values(sliders).forEach((slider) => slider.close?.()),
    render(values) {
      for (const [name, slider] of Object.entries(sliders)) slider.render(first(values[name]));
      sliders.colour_strength.element.hidden = values.colour === "style";
    },
  };
}

const STATES = { painting: "Painting", done: "Done", stopped: "Stopped", failed: "Failed" };

/** Two lines: "512 × 384 px, scale 2 of 3", "iteration 40 of 200 · 0:12 left". */
export function factsOf(now) {
  if (!now.size) return now.state === "painting" ? "Beginning…" : "";
  const scale = now.stages > 1 ? `, scale ${now.stage} of ${now.stages}` : "";
  const left = now.state === "painting" && Number.isFinite(now.left) ? ` · ${clock(now.left)} left` : "";
  return `${now.size.join(" × ")} px${scale}\niteration ${now.iteration} of ${now.iterations}${left}`;
}

function render({ model, el }) {
  const state = h("strong", { role: "status" });
  const facts = h("span", { class: "facts" });
  const note = h("p", { class: "note", role: "status" });
  const error = h("p", { class: "error", role: "alert" });
  const part = h("div");
  const track = h("div", { class: "track", role: "progressbar", "aria-label": "Painted", "aria-valuemin": 0, "aria-valuemax": 100 }, part);
  let quiet = "";
  let stopping = false;
  const line = createLine(model, (words) => { quiet = words; progress(); });
  const stop = h("button", { type: "button", on: { click: () => { stopping = true; line.send({ kind: "stop" }); progress(); } } }, "Stop");
  const more = h("button", { type: "button", on: { click: () => line.send({ kind: "go on" }) } }, "Go on");
  const change = (settings) => { stopping = false; line.send({ kind: "change", settings }); progress(); };
  const [picture, curve, sliders] = [createPicture(model), createCurve(), createSliders(model, change)];
  const stage = h("div", { class: "impasto-stage", role: "group", "aria-label": "Painting under way" },
    picture.element,
    h("div", { class: "side" },
      h("div", { class: "words" }, state, facts), track, curve.element,
      h("div", { class: "buttons" }, stop, more), note, error, sliders.element));

  function progress() {
    const now = model.get("progress");
    stopping &&= now.state === "painting";
    const focused = stage.contains(document.activeElement) && document.activeElement;
    text(state, stopping ? "Stopping…" : STATES[now.state] ?? "");
    text(facts, factsOf(now));
    text(note, quiet || now.note || "");
    text(error, now.error || "");
    stop.hidden = now.state !== "painting";
    stop.disabled = stopping;
    more.hidden = now.state !== "stopped";
    if (focused === stop && stop.hidden && !more.hidden) more.focus();
    const painted = now.total ? Math.round((100 * now.done) / now.total) : 0;
    part.style.width = `${painted}%`;
    track.setAttribute("aria-valuenow", painted);
    stage.dataset.state = now.state ?? "";
    curve.render(model.get("curve"), lastOf(model.get("curve"), now));
  }

  const values = () => sliders.render(model.get("values"));
  const listeners = {
    "change:preview": picture.after,
    "change:before": picture.before,
    "change:progress": progress,
    "change:curve": progress,
    "change:values": values,
    "change:heard": values, // what was asked for may have changed nothing
  };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  el.append(stage);
  for (const listener of Object.values(listeners)) listener();
  return () => {
    for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
    line.close();
    sliders.close();
    picture.close();
    stage.remove();
  };
}

/** The iteration at which the curve's run will end: what came before it, and what is planned. */
function lastOf(points, now) {
  const drawn = points.at(-1)?.[0] ?? 0;
  return now.total ? drawn + (now.total - now.done) : drawn;
}

export default { render };
