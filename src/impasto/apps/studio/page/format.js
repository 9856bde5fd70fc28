/** Numbers as people read them. Pure functions. */

/** Seconds -> "8 s", "3 min", "1 h 20 min"; null -> "". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""}`;
}

/** Seconds -> "0:08", "3:20", "1:20:00": a clock for what is left. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const head = hours ? `${hours}:${pad(minutes)}` : String(minutes);
  return `${head}:${pad(whole % 60)}`;
}

/** Bytes -> "640 kB", "1.2 GB"; steps of 1000. */
export function bytes(count) {
  if (!Number.isFinite(count)) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 && unit > 1 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** [w, h] -> "512 × 384". */
export const pixels = (size) => (size ? `${size[0]} × ${size[1]}` : "");

/** A number with as many digits as it needs, at most four of significance. */
export const plain = (value) => String(Number(Number(value).toPrecision(4)));

/** "1 picture", "2 pictures". */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** 1 -> "1st". */
export function ordinal(number) {
  const teens = number % 100 >= 11 && number % 100 <= 13;
  return `${number}${(!teens && ["th", "st", "nd", "rd"][number % 10]) || "th"}`;
}
