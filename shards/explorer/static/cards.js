// What is known of a clip, in cards: captions, its way through the stages, scores, provenance, rights.

import { h } from "./dom.js";
import { many, value, words } from "./format.js";

const card = (title, ...children) => h("section.card", { dataset: { card: title } }, h("h2", {}, title), children);

/** Rows of a name and what is said of it; those that say nothing are left out. */
function facts(pairs) {
  const known = pairs.filter(([, said]) => said !== null && said !== undefined && said !== "");
  return known.length ? h("dl.facts", {}, known.map(([name, said]) => [h("dt", {}, name), h("dd", {}, said)])) : h("p.dim", {}, "Nothing is said.");
}

const link = (address) =>
  /^https?:\/\//.test(address ?? "") ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address) : address;

export function cards(clip, state) {
  const { row, meta } = clip;
  return [captions(row, meta), way(clip.path), scores(clip, state), provenance(row, meta), rights(meta.rights), time(row), raw(clip)].filter(Boolean);
}

function captions(row, meta) {
  const said = meta.captions ?? {};
  return card("Captions", facts([
    ["full", said.full || row.caption], ["action", said.action], ["appearance", said.appearance], ["background", said.background],
    ["said by", said.source], ["category", row.category], ["in the manifest", meta.category?.source],
  ]));
}

const SIGN = { passed: "✓", rejected: "✗", faulted: "!", "not run": "·" };

function way(path) {
  return card("Way through the stages", h("ol.way", {}, path.map((step) =>
    h("li", { className: step.outcome.replace(" ", "-"), dataset: { stage: step.stage } },
      h("i", {}, SIGN[step.outcome] ?? "·"), h("b", {}, words(step.stage)), h("span", {}, step.outcome === "open" ? "not yet" : step.outcome),
      step.reason ? h("em", {}, words(step.reason)) : null,
      step.detail ? h("p", {}, step.detail) : null))));
}

function scores(clip, state) {
  const judged = clip.path.flatMap((step) => step.bars ?? []);
  const bars = state.dataset.bars.map((bar) => {
    const measured = judged.find((one) => one.setting === bar.setting);
    const score = measured?.value ?? clip.row.scores[bar.score];
    const threshold = state.thresholds[bar.setting] ?? bar.threshold;
    return { bar, score, threshold, met: score === null || score === undefined ? null : bar.at_least ? score >= threshold : score <= threshold };
  });
  const named = new Set(state.dataset.bars.map((bar) => bar.score));
  const others = Object.entries(clip.row.scores).filter(([name, score]) => !named.has(name) && score !== null);
  // Without its ledger a set knows few scores, or none.
  if (!others.length && (!bars.length || (!state.dataset.complete && bars.every(({ met }) => met === null)))) return null;
  return card("Scores against thresholds",
    h("table.scores", {}, h("tbody", {}, bars.map(({ bar, score, threshold, met }) =>
      h("tr", { className: met === null ? "unknown" : met ? "met" : "missed", title: bar.description, dataset: { score: bar.score } },
        h("th", {}, words(bar.setting.split(".").at(-1)), h("small", {}, words(bar.stage))),
        h("td", {}, gauge(bar, score, threshold, met)),
        h("td.number", {}, value(score)),
        h("td.number.dim", {}, `${bar.at_least ? "≥" : "≤"} ${value(threshold)}`),
        h("td", {}, met === null ? "–" : met ? "✓" : "✗"))))),
    others.length ? h("details", {}, h("summary", {}, many(others.length, "more score")), facts(others.map(([name, score]) => [words(name), value(score)]))) : null);
}

/** A score on its threshold's range: where it stands, and which side is kept. */
function gauge(bar, score, threshold, met) {
  const low = Math.min(bar.low, threshold);
  const high = Math.max(bar.high, threshold);
  const at = (x) => `${Math.max(0, Math.min(100, (100 * (x - low)) / (high - low || 1)))}%`;
  return h("span.gauge", {},
    h("i.good", { style: bar.at_least ? { left: at(threshold), right: 0 } : { left: 0, width: at(threshold) } }),
    h("i.bar", { style: { left: at(threshold) } }),
    met === null ? null : h("i.dot", { style: { left: at(score) } }));
}

function provenance(row, meta) {
  const span = meta.span ?? row;
  return card("Provenance", facts([
    ["video", row.uri], ["video id", h("code", {}, row.video_id)], ["clip id", h("code", {}, row.clip_id)],
    ["span", `${row.start_s.toFixed(3)} – ${row.end_s.toFixed(3)} s · frames ${span.start_frame} to ${span.end_frame}`],
    ["source picture", row.width ? `${row.width} × ${row.height} px · ${value(row.fps)} fps` : null],
    ["stored picture", meta.width ? `${meta.width} × ${meta.height} px` : null],
    ["crop", meta.crop_xyxy?.map((x) => value(Math.round(x))).join(", ")],
    ["split", row.split], ["batch", row.batch], ["shot", meta.shot_index],
    ["body", meta.body_model ? `${meta.body_model.name} (${meta.body_model.licence}, shape ${meta.body_model.shape_source})` : null],
    ["annotators", meta.annotators?.length ? h("ul", {}, meta.annotators.map((one) => h("li", {}, `${one.name} ${one.version}${one.licence ? ` · ${one.licence}` : ""}`))) : null],
    ["configuration", meta.config_hash ? h("code", {}, meta.config_hash) : null],
  ]));
}

function rights(said = {}) {
  return card("Rights", facts([["licence", said.licence], ["source", link(said.source_url)], ["consent", said.consent]]));
}

function time(row) {
  const spent = Object.entries(row.cpu ?? {}).filter(([, cpu]) => cpu !== null);
  return card("CPU seconds", facts(spent.map(([step, cpu]) => [words(step), value(cpu)])));
}

function raw(clip) {
  return h("details.card.raw", {}, h("summary", {}, "All that is stored"), h("pre", {}, JSON.stringify({ row: clip.row, meta: clip.meta }, null, 1)));
}
