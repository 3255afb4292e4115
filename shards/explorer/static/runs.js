// A training run: its curves and validation samples.

import { getJson } from "./api.js";
import { drawLinePlot } from "./curves.js";
import { h } from "./dom.js";
import { formatValue } from "./format.js";
import { bindPageKeys } from "./keys.js";

export async function showRunsPage(root, isStale) {
  const { curves, samples } = await getJson("/api/runs");
  if (isStale()) return null;
  document.title = "Run · HuMoVe explorer";
  const names = Object.keys(curves);
  const plots = [];
  const charts = names.map((name) => {
    const points = curves[name];
    const box = h("div.plot");
    plots.push(() => drawLinePlot(box, points.map(([step]) => step), points.map(([, y]) => y)));
    return h("figure.card", {}, h("figcaption", {}, h("b", {}, name), h("span.dim", {}, `last ${formatValue(points.at(-1)?.[1])} at step ${formatValue(points.at(-1)?.[0])}`)), box);
  });
  const steps = [...new Set(samples.map((sample) => sample.step))].sort((a, b) => b - a);
  root.replaceChildren(h("div.runs", {},
    names.length || samples.length ? null : h("p.empty", {}, "This run has no curves and no validation samples yet."),
    names.length ? [h("h2", {}, "Curves"), h("div.grid", {}, charts)] : null,
    steps.map((step) => [
      h("h2", {}, `Validation, step ${formatValue(step)}`),
      h("div.grid", {}, samples.filter((sample) => sample.step === step).map((sample) =>
        h("figure.card", {}, h("video", { src: sample.url, controls: true, loop: true, muted: true, preload: "metadata", playsInline: true }), h("figcaption", {}, sample.name)))),
    ])));
  const drawn = plots.map((plot) => plot());
  const findVideos = () => [...root.querySelectorAll("video")];
  bindPageKeys([{ group: "Run", keys: [
    { keys: [" "], name: "play or pause all samples", run: () => findVideos().forEach((v) => (v.paused ? v.play() : v.pause())) },
  ] }]);
  return () => drawn.forEach((plot) => plot.destroy());
}
