// Numbers and names for people.

const INTEGER = new Intl.NumberFormat("en");

export const count = (n) => (n === null || n === undefined ? "–" : INTEGER.format(n));

/** "1 clip", "2 clips". */
export const many = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** A measured value: about four digits; an en dash where there is none. */
export function value(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x)) return INTEGER.format(x);
  const size = Math.abs(x);
  if (size >= 1000) return INTEGER.format(Math.round(x));
  if (size !== 0 && size < 0.001) return x.toExponential(1);
  return String(Number(x.toPrecision(size >= 100 ? 4 : 3)));
}

export const seconds = (s) => (s === null || s === undefined ? "–" : `${s.toFixed(s < 100 ? 2 : 1)} s`);

export function hours(x) {
  if (x === null || x === undefined) return "–";
  if (x >= 1) return `${x.toFixed(x < 100 ? 2 : 0)} h`;
  return x * 60 >= 1 ? `${(x * 60).toFixed(1)} min` : `${(x * 3600).toFixed(1)} s`;
}

export const words = (name) => String(name).replaceAll("_", " ");

export const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)} %` : "–");

/** "29.97" of 29.97 or "30000/1001". */
export function rate(fps) {
  const [top, bottom = 1] = String(fps).split("/").map(Number);
  return top / bottom;
}
