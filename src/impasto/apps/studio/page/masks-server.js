/** What the mask painter asks of the studio: masks up and down, and the object under strokes. */

import { ApiError, removePicture, viewOf } from "./api.js";
import { decodeMask, encodePng } from "./masks-png.js";

async function ask(path, init = {}) {
  let answer;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The studio does not answer. Is it still running?", 0);
  }
  if (answer.ok) return answer;
  const refused = await answer.json().catch(() => ({}));
  throw new ApiError(refused.error ?? `The studio answered ${answer.status}.`, answer.status);
}

/** Upload any picture as a mask; `fresh` where it was not there. @returns {Promise<{id: string, fresh: boolean}>} */
async function uploadMask(blob, name) {
  const query = new URLSearchParams({ name, role: "mask" });
  const headers = { "Content-Type": "application/octet-stream" };
  const answer = await ask(`/api/pictures?${query}`, { method: "POST", body: blob, headers });
  return { id: (await answer.json()).id, fresh: answer.status === 201 };
}

/** Upload the mask of a layer. */
export async function saveMask(mask, { width, height }, name) {
  return uploadMask(await encodePng(mask, width, height), `${name}.png`);
}

/** The mask of an id at this size. */
export async function loadMask(id, { width, height }) {
  return decodeMask(await (await ask(viewOf(id))).blob(), width, height);
}

/** A file as a mask of this size; the studio reads kinds that browsers do not. */
export async function openFile(file, size) {
  const { id, fresh } = await uploadMask(file, file.name || "mask");
  const mask = await loadMask(id, size);
  if (fresh) dropMask(id);
  return mask;
}

/** Forget a mask that no job needs; where one does, it stays. */
export const dropMask = (id) => removePicture(id).catch(() => null);

/**
 * The object under strokes.
 *
 * @param {string} id of the photograph
 * @param {{inside: number[][], outside: number[][], softness: number, base?: string}} strokes
 */
export async function findObject(id, strokes, { width, height }, signal) {
  const init = { method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(strokes) };
  const answer = await ask(`/api/pictures/${encodeURIComponent(id)}/object`, init);
  return decodeMask(await answer.blob(), width, height);
}
