// The cards of a clip's page: captions, pipeline stages, scores, provenance, rights.

import { formatOutcome, getColumnLabel } from "./columns.js";
import { h } from "./dom.js";
import { countNoun, formatValue, toWords } from "./format.js";

const makeCard = (title, ...children) => h("section.card", { dataset: { card: title } }, h("h2", {}, title), children);

/** Rows of a name and its value, without those that have no value; `none` if no row is left. */
function makeFacts(pairs, none = "None") {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return known.length ? h("dl.facts", {}, known.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])) : h("p.dim", {}, none);
}

const makeLink = (address) =>
  /^https?:\/\//.test(address ?? "") ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address) : address;

export function makeCards(clip, state) {
  const { row, meta } = clip;
  return [
    makeCaptionCard(row, meta), makeStageCard(clip.stages), makeScoreCard(clip, state), makeProvenanceCard(row, meta),
    makeRightsCard(meta.rights), makeTimeCard(row), makeRawCard(clip),
  ].filter(Boolean);
}

function makeCaptionCard(row, meta) {
  const captions = meta.captions ?? {};
  return makeCard("Captions", makeFacts([
    ["full", captions.full || row.caption], ["action", captions.action], ["appearance", captions.appearance], ["background", captions.background],
    ["source model", captions.source], ["category", row.category], ["category in manifest", meta.category?.source],
  ], "No caption"));
}

const SIGNS = { passed: "✓", rejected: "✗", faulted: "!", "not run": "·" };

function makeStageCard(stages) {
  return makeCard("Pipeline stages", h("ol.pipeline", {}, stages.map((stage) =>
    h("li", { className: stage.outcome.replace(" ", "-"), dataset: { stage: stage.stage } },
      h("i", {}, SIGNS[stage.outcome] ?? "·"), h("b", {}, toWords(stage.stage)), h("span", {}, formatOutcome(stage.outcome)),
      stage.reason ? h("em", {}, toWords(stage.reason)) : null,
      stage.detail ? h("p", {}, stage.detail) : null))));
}

function makeScoreCard(clip, state) {
  const judged = clip.stages.flatMap((stage) => stage.thresholds);
  const results = state.dataset.thresholds.map((threshold) => {
    const score = judged.find((one) => one.setting === threshold.setting)?.value ?? clip.row.scores[threshold.score];
    const limit = state.moved[threshold.setting] ?? threshold.limit;
    const met = score === null || score === undefined ? null : threshold.at_least ? score >= limit : score <= limit;
    return { threshold, score, limit, met };
  });
  const named = new Set(state.dataset.thresholds.map((threshold) => threshold.score));
  const others = Object.entries(clip.row.scores).filter(([name, score]) => !named.has(name) && score !== null);
  // A data set without its ledger has few scores, or none.
  if (!others.length && (!results.length || (!state.dataset.complete && results.every(({ met }) => met === null)))) return null;
  return makeCard("Scores against thresholds",
    h("table.scores", {}, h("tbody", {}, results.map(({ threshold, score, limit, met }) =>
      h("tr", { className: met === null ? "unknown" : met ? "met" : "missed", title: threshold.description, dataset: { score: threshold.score } },
        h("th", {}, toWords(threshold.setting.split(".").at(-1)), h("small", {}, toWords(threshold.stage))),
        h("td", {}, makeGauge(threshold, score, limit, met)),
        h("td.number", {}, formatValue(score)),
        h("td.number.dim", {}, `${threshold.at_least ? "≥" : "≤"} ${formatValue(limit)}`),
        h("td", {}, met === null ? "–" : met ? "✓" : "✗"))))),
    others.length ? h("details", {}, h("summary", {}, countNoun(others.length, "more score")), makeFacts(others.map(([name, score]) => [getColumnLabel(name), formatValue(score)]))) : null);
}

/** A score and its limit on the threshold's range; the accepted side is tinted. */
function makeGauge(threshold, score, limit, met) {
  const low = Math.min(threshold.low, limit);
  const high = Math.max(threshold.high, limit);
  const at = (x) => `${Math.max(0, Math.min(100, (100 * (x - low)) / (high - low || 1)))}%`;
  return h("span.gauge", {},
    h("i.good", { style: threshold.at_least ? { left: at(limit), right: 0 } : { left: 0, width: at(limit) } }),
    h("i.limit", { style: { left: at(limit) } }),
    met === null ? null : h("i.dot", { style: { left: at(score) } }));
}

function makeProvenanceCard(row, meta) {
  const span = meta.span ?? row;
  return makeCard("Provenance", makeFacts([
    ["video", row.uri], ["video id", h("code", {}, row.video_id)], ["clip id", h("code", {}, row.clip_id)],
    ["span", `${row.start_s.toFixed(3)} – ${row.end_s.toFixed(3)} s · frames ${span.start_frame}-${span.end_frame - 1} (${span.end_frame - span.start_frame})`],
    ["source video", row.width ? `${row.width} × ${row.height} px · ${formatValue(row.fps)} fps` : null],
    ["stored video", meta.width ? `${meta.width} × ${meta.height} px` : null],
    ["crop", meta.crop_xyxy?.map((x) => formatValue(Math.round(x))).join(", ")],
    ["split", row.split], ["batch", row.batch], ["shot", meta.shot_index],
    ["body model", meta.body_model ? `${meta.body_model.name} (${meta.body_model.licence}, shape ${meta.body_model.shape_source})` : null],
    ["annotators", meta.annotators?.length ? h("ul", {}, meta.annotators.map((one) => h("li", {}, `${one.name} ${one.version}${one.licence ? ` · ${one.licence}` : ""}`))) : null],
    ["configuration", meta.config_hash ? h("code", {}, meta.config_hash) : null],
  ]));
}

function makeRightsCard(rights = {}) {
  return makeCard("Rights", makeFacts([["licence", rights.licence], ["source", makeLink(rights.source_url)], ["consent", rights.consent]], "Licence not stated"));
}

function makeTimeCard(row) {
  const spent = Object.entries(row.cpu ?? {}).filter(([, cpu]) => cpu !== null);
  return makeCard("CPU seconds", makeFacts(spent.map(([step, cpu]) => [toWords(step), formatValue(cpu)])));
}

function makeRawCard(clip) {
  return h("details.card.raw", {}, h("summary", {}, "Raw metadata (JSON)"), h("pre", {}, JSON.stringify({ row: clip.row, meta: clip.meta }, null, 1)));
}
