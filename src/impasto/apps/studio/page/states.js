/** What the states of a job mean to people. Pure functions. */

import { clock, ordinal, pixels } from "./format.js";

/** States in which a picture is being made or waits for it. */
export const isLive = (job) => ["queued", "painting", "paused"].includes(job?.state);

/** States in which a changed setting is taken up at once. */
export const takesChanges = (job) => ["queued", "painting"].includes(job?.state);

/** There is a finished picture to download. */
export const hasResult = (job) => Boolean(job?.result);

/** Something of it can be shown. */
export const isVisible = (job) => Boolean(job && (job.preview || job.result));

const WORDS = {
  queued: "Waiting",
  painting: "Painting",
  paused: "Paused",
  stopped: "Stopped",
  done: "Done",
  failed: "Failed",
  interrupted: "Interrupted",
};

/** The state in a word or two; "Waiting, 2nd" in a queue. */
export function stateOf(job) {
  if (job.state === "queued" && job.position > 0) return `Waiting, ${ordinal(job.position + 1)}`;
  return WORDS[job.state] ?? job.state;
}

/** Part done, 0 to 1. */
export function partOf(job) {
  if (job.state === "done") return 1;
  return job.total ? Math.min(job.done / job.total, 1) : 0;
}

/** How far it is, part by part: scale, size, iteration, time left. */
export function factsOf(job) {
  if (job.state === "failed") return [job.error ?? "No reason is known."];
  if (job.state === "interrupted") return ["The studio was closed meanwhile. Nothing is lost."];
  if (job.state === "queued") return job.size ? [pixels(job.size)] : [];
  if (job.state === "done") return [pixels(sizeOf(job)), `${job.done} iterations`, clock(job.seconds)];
  const scale = job.stages > 1 ? [`scale ${Math.min(job.stage + 1, job.stages)} of ${job.stages}`] : [];
  const canvas = job.canvas ? [pixels(job.canvas)] : [];
  const left = job.state === "painting" && job.remaining ? [`${clock(job.remaining)} left`] : [];
  return [...scale, ...canvas, `${job.done} of ${job.total}`, ...left];
}

/** [width, height] of the finished picture. */
export function sizeOf(job) {
  if (job.result) return [job.result.width, job.result.height];
  return job.size ?? job.canvas ?? null;
}

/** The job that a page shows when it opens: what is painted, else waits. */
export function foremost(jobs) {
  const first = (state) => jobs.find((job) => job.state === state);
  return first("painting") ?? first("paused") ?? first("interrupted") ?? first("queued") ?? null;
}
