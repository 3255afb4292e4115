// A training run: its curves and its validation samples.

import { get } from "./api.js";
import { linePlot } from "./curves.js";
import { h } from "./dom.js";
import { bindPage } from "./keys.js";
import { value } from "./format.js";

export async function runsPage(root, stale) {
  const { curves, samples } = await get("/api/runs");
  if (stale()) return null;
  document.title = "Run · HuMoVe explorer";
  const names = Object.keys(curves);
  const plots = [];
  const charts = names.map((name) => {
    const points = curves[name];
    const box = h("div.plot");
    plots.push(() => linePlot(box, points.map(([step]) => step), points.map(([, y]) => y)));
    return h("figure.card", {}, h("figcaption", {}, h("b", {}, name), h("span.dim", {}, `last ${value(points.at(-1)?.[1])} at step ${value(points.at(-1)?.[0])}`)), box);
  });
  const steps = [...new Set(samples.map((sample) => sample.step))].sort((a, b) => b - a);
  root.replaceChildren(h("div.runs", {},
    names.length || samples.length ? null : h("p.empty", {}, "This run has no curves and no validation samples yet."),
    names.length ? [h("h2", {}, "Curves"), h("div.grid", {}, charts)] : null,
    steps.map((step) => [
      h("h2", {}, `Validation, step ${value(step)}`),
      h("div.grid", {}, samples.filter((sample) => sample.step === step).map((sample) =>
        h("figure.card", {}, h("video", { src: sample.url, controls: true, loop: true, muted: true, preload: "metadata", playsInline: true }), h("figcaption", {}, sample.name)))),
    ])));
  const drawn = plots.map((plot) => plot());
  const videos = () => [...root.querySelectorAll("video")];
  bindPage([{ group: "Run", keys: [
    { keys: [" "], said: "play or stop all samples", run: () => videos().forEach((v) => (v.paused ? v.play() : v.pause())) },
  ] }]);
  return () => drawn.forEach((plot) => plot.destroy());
}
