// Formatting of numbers and names.

const INTEGER = new Intl.NumberFormat("en");

export const formatCount = (n) => (n === null || n === undefined ? "–" : INTEGER.format(n));

/** "1 clip", "2 clips". */
export const countNoun = (n, noun) => `${formatCount(n)} ${noun}${n === 1 ? "" : "s"}`;

/** A measured value with three or four digits; an en dash if there is none. */
export function formatValue(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x)) return INTEGER.format(x);
  const size = Math.abs(x);
  if (size >= 1000) return INTEGER.format(Math.round(x));
  if (size !== 0 && size < 0.001) return x.toExponential(1);
  return String(Number(x.toPrecision(size >= 100 ? 4 : 3)));
}

export const formatSeconds = (s) => (s === null || s === undefined ? "–" : `${s.toFixed(s < 100 ? 2 : 1)} s`);

export function formatHours(x) {
  if (x === null || x === undefined) return "–";
  if (x >= 1) return `${x.toFixed(x < 100 ? 2 : 0)} h`;
  return x * 60 >= 1 ? `${(x * 60).toFixed(1)} min` : `${(x * 3600).toFixed(1)} s`;
}

export const toWords = (name) => String(name).replaceAll("_", " ");

export const formatShare = (part, total) => (total ? `${((100 * part) / total).toFixed(part === total ? 0 : 1)} %` : "–");

/** The number of frames per second of 29.97 or "30000/1001". */
export function parseRate(fps) {
  const [top, bottom = 1] = String(fps).split("/").map(Number);
  return top / bottom;
}
