/** Settings as the page uses them, from what the studio sends. */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} group
 * @property {"number"|"integer"|"choice"|"text"|"layers"} type
 * @property {"number"|"numbers"|"WxH"} [also] another form that its value may have
 * @property {string[]|Record<string, string[]>} [choices] of layers by network
 * @property {Record<string, any>} defaults by recipe
 * @property {string} help
 */

/** The answer of api/hello with fields by name, and presets among the recipes. */
export const prepared = (hello) => ({
  ...hello,
  recipes: [...hello.presets, ...hello.recipes],
  fields: hello.schema,
  byName: new Map(hello.schema.map((field) => [field.name, field])),
});

/** Text -> the value of a field; undefined, the usual one, where it is empty. Others than numbers
 * are checked by the studio. */
export function typed(words, field) {
  const clean = words.trim();
  if (clean === "") return undefined;
  if (field.type === "layers") return layers(clean);
  if (clean.includes(",") && field.also === "numbers") return clean.split(",").map(Number);
  return Number.isFinite(Number(clean)) ? Number(clean) : clean;
}

/** "relu4_2,relu3_1=0.5" -> weight by layer. */
function layers(words) {
  const pairs = words.split(",").map((part) => part.trim().split("="));
  return Object.fromEntries(pairs.map(([name, weight]) => [name.trim(), weight === undefined ? 1 : Number(weight)]));
}

/** A value as it is typed. */
export function written(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  if (Array.isArray(value)) return value.map(written).join(",");
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, part]) => (part === 1 ? name : `${name}=${part}`)).join(",");
}
