// The columns of the list: their labels, widths and cells.

import { thumbnailUrl } from "./api.js";
import { h } from "./dom.js";
import { formatSeconds, formatValue, toWords } from "./format.js";
import { state } from "./state.js";

const LABELS = { good: "✓ good", bad: "✗ bad" };

/** A row's value in a column; scores are columns too. */
const getField = (row, name) => row[name] ?? row.scores[name] ?? (name.startsWith("cpu.") ? row.cpu[name.slice(4)] : null) ?? null;

/** An outcome in words; an open clip has steps left to run, which only a running build will do. */
export const formatOutcome = (outcome) => (outcome !== "open" ? outcome : state.dataset.building ? "pending" : "not processed");

/** A value of a text column in words, as filters and groups show it. */
export function formatText(column, value) {
  if (value === "" || value === null) return "(none)";
  return ["now", "outcome"].includes(column) ? formatOutcome(value) : String(value);
}

export const makeOutcomeTag = (outcome) => h(`span.tag.${outcome}`, {}, formatOutcome(outcome));

export function makeThumbnail(row) {
  const image = h("img", { loading: "lazy", decoding: "async", alt: "", width: 96, height: 54 });
  image.addEventListener("error", () => image.replaceWith(h("span.none", { title: "No thumbnail of this clip" }, "no thumbnail")), { once: true });
  image.src = thumbnailUrl(row.clip_id);
  return image;
}

/** Splits a path or an address into its folder and its last part: ["a/b/", "walk.mp4"]. */
export function splitUri(uri) {
  const cut = uri.replace(/\/+$/, "").lastIndexOf("/") + 1;
  return [uri.slice(0, cut), uri.slice(cut)];
}

const makeClipCell = (row) =>
  h("div.clip", { title: `${row.uri}\n${row.clip_id}` },
    h("b", {}, splitUri(row.uri)[1]),
    h("small", {}, `${row.start_s.toFixed(2)} – ${row.end_s.toFixed(2)} s · ${row.clip_id.slice(-15)}`));

const makeOutcomeCell = (row) => h("span", {}, makeOutcomeTag(row.now), row.now !== row.outcome && h("small.was", {}, `was ${formatOutcome(row.outcome)}`));

const makeReasonCell = (row) => {
  const reason = row.now_reason ?? "";
  return h("span.reason", { title: row.reason === reason ? row.detail : "" }, toWords(reason));
};

// `now` columns follow the changed thresholds; outcome, stage and reason are the build's.
const COLUMNS = {
  clip_id: { label: "clip", width: 220, makeCell: makeClipCell },
  uri: { label: "video", width: 220 },
  now: { label: "outcome", width: 104, makeCell: makeOutcomeCell },
  now_stage: { label: "stage" },
  now_reason: { label: "reject reason", width: 136, makeCell: makeReasonCell },
  reason: { label: "build reject reason", width: 140, makeCell: (row) => h("span.reason", { title: row.detail }, toWords(row.reason)) },
  outcome: { label: "build outcome", width: 104, makeCell: (row) => makeOutcomeTag(row.outcome) },
  stage: { label: "build stage" },
  label: { label: "label", width: 60, makeCell: (row) => h(`span.label.${row.label || "none"}`, { title: row.label_reason }, LABELS[row.label] ?? "") },
  label_reason: { label: "label reason" },
  caption: { label: "caption", width: 300 },
  detail: { label: "detail", width: 260 },
  duration_s: { label: "length", width: 66, makeCell: (row) => h("span", {}, formatSeconds(row.duration_s)) },
  longest_loss_s: { label: "longest track loss (s)" },
  reprojection_pct: { label: "reprojection error (%)" },
  mirror_disagreement_mm: { label: "flip consistency (mm)" },
  "score.detail": { label: "detail score" },
};

export const getColumnLabel = (name) => COLUMNS[name]?.label ?? toWords(name);

/** All columns of the list, in order: the clip, its outcome, then its scores. */
export function makeColumns(dataset) {
  const byScore = new Map(dataset.thresholds.map((threshold) => [threshold.score, threshold]));
  const known = dataset.columns.map((column) => column.name);
  const first = ["clip_id", "now", "now_reason", "label", "duration_s", "category", "split"].filter(
    (name) => known.includes(name) || ["clip_id", "now", "now_reason", "label"].includes(name));
  // Scores with a threshold come first, in the order in which they are judged.
  const judged = dataset.thresholds.map((threshold) => threshold.score).filter((name) => known.includes(name));
  first.push(...new Set(judged));
  const names = [...first, ...known.filter((name) => !first.includes(name))];
  return names.map((name) => {
    const column = dataset.columns.find((c) => c.name === name);
    const number = column?.kind === "number";
    const label = getColumnLabel(name);
    return {
      name,
      label,
      number,
      width: COLUMNS[name]?.width ?? (number ? Math.max(84, 22 + 7.2 * label.length) : 100),
      // A column with the same value for every clip starts hidden.
      shown: first.includes(name) && column?.values?.length !== 1,
      sortable: column !== undefined,
      threshold: byScore.get(name),
      makeCell: COLUMNS[name]?.makeCell ?? ((row) => h("span", {}, formatValue(getField(row, name)))),
    };
  });
}
