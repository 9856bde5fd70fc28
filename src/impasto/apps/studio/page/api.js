/** The studio's API as functions. Every failure is an ApiError with one line to show. */

/** What went wrong, in one line; `status` is 0 where no answer came. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const SILENT = "The studio does not answer. Is it still running?";

async function call(method, path, body, signal) {
  const init = { method, signal, headers: {} };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(SILENT, 0);
  }
  return parsed(answer.status, await answer.text());
}

function parsed(status, content) {
  let value = null;
  try {
    value = content ? JSON.parse(content) : null;
  } catch {
    value = null;
  }
  if (status >= 200 && status < 300) return value;
  throw new ApiError(value?.error ?? `The studio answered ${status}.`, status);
}

const job = (id) => `/api/jobs/${encodeURIComponent(id)}`;
const picture = (id) => `/api/pictures/${encodeURIComponent(id)}`;

export const hello = () => call("GET", "/api/hello");
export const pictures = () => call("GET", "/api/pictures");
export const removePicture = (id) => call("DELETE", picture(id));
export const record = (id) => call("GET", `${picture(id)}/record`);
export const plan = (request, signal) => call("POST", "/api/plan", request, signal);
export const start = (request) => call("POST", "/api/jobs", request);
export const losses = (id) => call("GET", `${job(id)}/losses`);
export const code = (id) => call("GET", `${job(id)}/code`);
export const resultAsPicture = (id) => call("POST", `${job(id)}/picture`, {});

/** A command to a job: pause, resume, stop, discard, move, more, adjust. */
export const command = (id, verb, body = {}) => call("POST", `${job(id)}/${verb}`, body);

/** Addresses of pictures, for img elements and links. */
export const thumbOf = (id) => `${picture(id)}/thumb`;
export const viewOf = (id) => `${picture(id)}/view`;
export const previewOf = (id, size, version) => `${job(id)}/preview?size=${size}&v=${version}`;
export const resultOf = (id, format) => `${job(id)}/result?format=${format}`;
export const outputOf = (id, name) => `${job(id)}/${name}`;

/**
 * Upload a file as it is.
 *
 * @param {File} file
 * @param {(part: number) => void} progress hears parts from 0 to 1
 * @returns {Promise<object>} the picture
 */
export function upload(file, progress) {
  const query = new URLSearchParams({ name: file.name || "pasted picture", role: "picture" });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/pictures?${query}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    request.onerror = () => reject(new ApiError(SILENT, 0));
    request.onload = () => {
      try {
        resolve(parsed(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    };
    request.send(file);
  });
}
