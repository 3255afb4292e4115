// The columns of the list: how wide, what stands in them.

import { pictureUrl } from "./api.js";
import { h } from "./dom.js";
import { seconds, value, words } from "./format.js";

export const MARKS = { good: "✓ good", bad: "✗ bad" };

/** The value of a row in a column, scores among them. */
export const field = (row, name) => row[name] ?? row.scores[name] ?? (name.startsWith("cpu.") ? row.cpu[name.slice(4)] : null) ?? null;

export const tag = (outcome) => h(`span.tag.${outcome}`, {}, outcome);

export function picture(row) {
  const image = h("img", { loading: "lazy", decoding: "async", alt: "", width: 96, height: 54 });
  image.addEventListener("error", () => image.replaceWith(h("span.none", { title: "no picture of this clip" }, "no picture")), { once: true });
  image.src = pictureUrl(row.clip_id);
  return image;
}

/** "walk.mp4" of a path or an address, and what stands before it. */
export function split(uri) {
  const cut = uri.replace(/\/+$/, "").lastIndexOf("/") + 1;
  return [uri.slice(0, cut), uri.slice(cut)];
}

const clip = (row) =>
  h("div.clip", { title: `${row.uri}\n${row.clip_id}` },
    h("b", {}, split(row.uri)[1]),
    h("small", {}, `${row.start_s.toFixed(2)} – ${row.end_s.toFixed(2)} s · ${row.clip_id.slice(-15)}`));

const change = (row) => h("span", {}, tag(row.now), row.now !== row.outcome && h("small.was", {}, `was ${row.outcome}`));

const reason = (row) => {
  const now = row.now_reason ?? "";
  return h("span.reason", { title: row.reason === now ? row.detail : "" }, words(now));
};

const FIXED = {
  clip_id: { label: "clip", width: 220, cell: clip },
  uri: { label: "video", width: 220 },
  now: { label: "now", width: 104, cell: change },
  now_reason: { label: "reason now", width: 136, cell: reason },
  reason: { label: "reason", width: 140, cell: (row) => h("span.reason", { title: row.detail }, words(row.reason)) },
  outcome: { label: "outcome", width: 88, cell: (row) => tag(row.outcome) },
  mark: { label: "mark", width: 60, cell: (row) => h(`span.mark.${row.mark || "none"}`, { title: row.mark_why }, MARKS[row.mark] ?? "") },
  caption: { label: "caption", width: 300 },
  detail: { label: "detail", width: 260 },
  duration_s: { label: "length", width: 66, cell: (row) => h("span", {}, seconds(row.duration_s)) },
};

/** Every column of the list, in order: what the clip is, what became of it, then its scores. */
export function columnsOf(dataset) {
  const scored = new Map(dataset.bars.map((bar) => [bar.score, bar]));
  const known = dataset.columns.map((column) => column.name);
  const first = ["clip_id", "now", "now_reason", "mark", "duration_s", "category", "split"].filter(
    (name) => known.includes(name) || ["clip_id", "now", "now_reason", "mark"].includes(name));
  // Scores that are judged stand in the order in which they are, before those that are not.
  const judged = dataset.bars.map((bar) => bar.score).filter((name) => known.includes(name));
  first.push(...new Set(judged));
  const names = [...first, ...known.filter((name) => !first.includes(name))];
  return names.map((name) => {
    const column = dataset.columns.find((c) => c.name === name);
    const fixed = FIXED[name] ?? {};
    const number = column?.kind === "number";
    const label = fixed.label ?? words(name);
    return {
      name,
      label,
      number,
      width: fixed.width ?? (number ? Math.max(84, 22 + 7.2 * label.length) : 100),
      // A column that says the same of every clip waits in the menu.
      shown: first.includes(name) && column?.values?.length !== 1,
      sortable: column !== undefined,
      bar: scored.get(name),
      cell: fixed.cell ?? ((row) => h("span", {}, value(field(row, name)))),
    };
  });
}
