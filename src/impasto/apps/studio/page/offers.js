/** What can be done with a job, as entries of a menu. */

import { outputOf, resultOf } from "./api.js";
import { bytes, pixels } from "./format.js";
import { hasResult, isVisible, sizeOf } from "./states.js";

const FORMATS = [
  ["png16", "PNG, 16 bit"],
  ["png8", "PNG, 8 bit"],
  ["tiff", "TIFF"],
  ["jpeg", "JPEG"],
  ["webp", "WebP"],
];
const MORE = [20, 50, 100, 200]; // iterations

/** Files of a job. */
export function downloadsOf(job) {
  const size = pixels(sizeOf(job));
  const formats = FORMATS.map(([format, caption], index) => ({
    caption,
    note: index ? "" : [size, bytes(job.result.bytes)].filter(Boolean).join(" · "),
    href: resultOf(job.id, format),
  }));
  const outputs = job.outputs ?? {};
  const report = outputs.report ? [{ caption: "Report", note: "HTML", href: outputOf(job.id, "report") }] : [];
  const film = outputs.timelapse ? [{ caption: "Timelapse", note: "MP4", href: outputOf(job.id, "timelapse") }] : [];
  return report.length + film.length ? [...formats, null, ...report, ...film] : formats;
}

/** How much further. */
export const moreOf = (job, actions) =>
  MORE.map((iterations) => ({
    caption: `${iterations} more iterations`,
    press: () => actions.command(job.id, "more", { iterations }),
  }));

/** Everything else that can be done with a job. */
export function offersOf(job, { actions, print, discard, beside, jobs, selected }) {
  const result = hasResult(job);
  const queue = jobs.filter((other) => other.state === "queued").sort((a, b) => a.position - b.position);
  const at = queue.findIndex((other) => other.id === job.id);
  const move = (before) => () => actions.command(job.id, "move", { before });
  const entries = [
    at > 0 && { caption: "Paint earlier", symbol: "left", press: move(queue[at - 1].id) },
    at >= 0 && at < queue.length - 1 && { caption: "Paint later", symbol: "right", press: move(queue[at + 2]?.id ?? null) },
    at >= 0 && queue.length > 1 && null,
    { caption: "Use these settings", symbol: "reset", press: () => actions.useSettings(job.id) },
    { caption: "Copy as command", symbol: "copy", press: () => actions.copyCode(job.id, "command") },
    { caption: "Copy as Python", symbol: "copy", press: () => actions.copyCode(job.id, "python") },
    null,
    result && { caption: "Use as photograph", symbol: "photo", press: () => actions.useResult(job.id, "photo") },
    result && { caption: "Use as painting", symbol: "brush", press: () => actions.useResult(job.id, "style") },
    isVisible(job) && selected && selected !== job.id && { caption: "Show beside", symbol: "beside", press: () => beside(job.id) },
    result && { caption: "Paint for print", symbol: "print", press: () => print(job) },
    result && null,
    { caption: "Discard", symbol: "trash", press: () => discard(job) },
  ];
  return entries.filter((entry) => entry !== false && entry !== undefined && entry !== "");
}
