/** The loss of a run as a small curve. */

import { attribute } from "./dom.js";
import { losses } from "./api.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [160, 36];
const MOST = 400; // points that are drawn

/**
 * Points -> the curve's path; the loss on a logarithmic scale. Each scale has its own line, for
 * losses of two scales do not compare.
 *
 * @param {[number, number, number][]} points [done, scale, loss]
 * @param {number} total iterations of the whole run
 */
export function pathOf(points, total) {
  const kept = points.filter(([, , loss]) => Number.isFinite(loss) && loss > 0);
  if (kept.length < 2) return "";
  const logs = kept.map(([, , loss]) => Math.log(loss));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const last = Math.max(total || 0, kept.at(-1)[0], 1);
  const every = Math.ceil(kept.length / MOST);
  let scale = null;
  let path = "";
  kept.forEach(([done, at], index) => {
    if (index % every && index < kept.length - 1 && at === scale) return;
    const x = (done / last) * WIDTH;
    const y = 2 + (1 - (logs[index] - low) / (high - low || 1)) * (HEIGHT - 4);
    path += `${at === scale ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    scale = at;
  });
  return path;
}

/** @returns {{element: SVGElement, render: (job: object|null) => void}} */
export function createCurve() {
  const element = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  element.append(line);
  attribute(element, "class", "curve");
  attribute(element, "viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  attribute(element, "preserveAspectRatio", "none");
  attribute(element, "role", "img");
  let of = null; // id and number of changes of the job that is drawn
  let points = [];
  let base = 0; // iterations before the last change of settings

  function draw(job) {
    attribute(line, "d", pathOf(points, base + job.total));
    const last = points.at(-1)?.[2];
    const told = last === undefined ? "" : `Loss ${Number(last).toPrecision(3)}`;
    attribute(element, "aria-label", told || "Loss");
    element.toggleAttribute("hidden", points.length < 2);
  }

  async function fetchAll(job, key) {
    const all = await losses(job.id).catch(() => []);
    if (of !== key) return;
    const since = all.at(-1)?.[0] ?? 0;
    base = Math.max(0, since - job.done);
    points = [...all, ...points.filter(([done]) => base + done > since).map(([done, ...rest]) => [base + done, ...rest])];
    draw(job);
  }

  return {
    element,
    render(job) {
      element.toggleAttribute("hidden", !job);
      if (!job) return;
      const key = `${job.id} ${job.changes}`;
      if (key !== of) {
        of = key;
        points = [];
        base = 0;
        fetchAll(job, key);
      }
      const fresh = Number.isFinite(job.loss) && base + job.done > (points.at(-1)?.[0] ?? -1);
      if (fresh) points.push([base + job.done, job.scale, job.loss]);
      draw(job);
    },
  };
}
