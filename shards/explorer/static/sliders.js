// A threshold: a slider over the histogram of its score.

import { h, svg } from "./dom.js";
import { value as said, words } from "./format.js";

const WIDE = 280;
const HIGH = 44;

export class Slider {
  /** bar: of /api/dataset; value: its present threshold where it is not the build's; moved(value). */
  constructor(bar, value, moved) {
    Object.assign(this, { bar, moved, value: value ?? bar.threshold });
    this.low = Math.min(bar.low, bar.threshold, this.value);
    this.high = Math.max(bar.high, bar.threshold, this.value);
    // A slider's values are rounded, so that a saved YAML is read with ease; what is typed is taken as it is.
    this.digits = Math.max(0, Math.ceil(-Math.log10((this.high - this.low) / 200)));
    const name = words(bar.setting.split(".").at(-1));
    this.range = h("input", {
      type: "range", min: this.low, max: this.high, step: "any", value: this.value, dataset: { setting: bar.setting },
      "aria-label": `${name} (slider)`,
      oninput: () => this.take(Number(Number(this.range.value).toFixed(this.digits))),
      onkeydown: (event) => this.nudge(event),
    });
    this.number = h("input", {
      type: "number", step: "any", value: this.value, "aria-label": name, title: this.bounds(), dataset: { number: bar.setting },
      oninput: () => this.number.setAttribute("aria-invalid", !this.typed()),
      onchange: () => (this.typed() ? this.take(Number(this.number.value)) : this.set(this.value)),
    });
    this.back = h("button.back", { type: "button", title: `Back to the build's ${said(bar.threshold)}`, onclick: () => { this.set(bar.threshold); moved(bar.threshold); } }, "↺");
    this.chart = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.element = h("div.slider", { title: `${bar.description}\n${bar.at_least ? "Rejected when under" : "Rejected when over"} the threshold, as ${words(bar.reason)}.` },
      h("div.said", {}, h("label", {}, name), h("span.reason", {}, words(bar.reason)), this.back, this.number),
      h("div.chart", {}, this.chart, this.range));
    this.draw();
  }

  /** Arrow keys move by a hundredth of the range; with shift by a tenth. */
  nudge(event) {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const next = this.value + (way * (this.high - this.low)) / (event.shiftKey ? 10 : 100);
    this.take(Number(Math.max(this.low, Math.min(this.high, next)).toFixed(this.digits)));
  }

  /** What the configuration takes at all: a threshold may lie beyond the slider, but not beyond these. */
  bounds() {
    const { minimum = null, maximum = null } = this.bar;
    if (minimum !== null && maximum !== null) return `${minimum} to ${maximum}`;
    return minimum !== null ? `${minimum} or more` : maximum !== null ? `${maximum} or less` : "any number";
  }

  /** Whether what stands in the number's box can be a threshold. */
  typed() {
    const value = this.number.value === "" ? NaN : Number(this.number.value);
    return Number.isFinite(value) && value >= (this.bar.minimum ?? -Infinity) && value <= (this.bar.maximum ?? Infinity);
  }

  take(value) {
    if (!Number.isFinite(value)) return;
    // The build's own threshold is met exactly, however many digits it has.
    if (Math.abs(value - this.bar.threshold) < 0.5 * 10 ** -this.digits) value = this.bar.threshold;
    this.set(value);
    this.moved(value);
  }

  set(value) {
    this.value = value;
    this.range.value = value;
    this.number.value = Number(value.toPrecision(12));
    this.number.removeAttribute("aria-invalid");
    this.draw();
  }

  histogram(got) {
    this.bins = got;
    this.draw();
  }

  x(value) {
    return (WIDE * (value - this.low)) / (this.high - this.low || 1);
  }

  draw() {
    const { bar, value } = this;
    this.element.classList.toggle("changed", value !== bar.threshold);
    const at = Math.max(0, Math.min(WIDE, this.x(value)));
    const out = bar.at_least ? { x: 0, width: at } : { x: at, width: WIDE - at };
    const parts = [svg("rect", { class: "out", ...out, y: 0, height: HIGH })];
    if (this.bins) {
      const { edges, kept, rejected } = this.bins;
      // Roots, so that the few at a distribution's edge are seen beside the many in its middle.
      const most = Math.sqrt(Math.max(1, ...kept.map((n, i) => n + rejected[i])));
      kept.forEach((n, i) => {
        const total = n + rejected[i];
        const x = this.x(edges[i]);
        const width = Math.max(0.5, this.x(edges[i + 1]) - x - 0.6);
        if (!total || x + width < 0 || x > WIDE) return;
        const high = (HIGH * Math.sqrt(total)) / most;
        const low = (high * n) / total;
        parts.push(svg("rect", { class: "kept", x, width, y: HIGH - low, height: low }));
        parts.push(svg("rect", { class: "rejected", x, width, y: HIGH - high, height: Math.max(0, high - low) }));
      });
    }
    const built = this.x(bar.threshold);
    parts.push(svg("line", { class: "built", x1: built, x2: built, y1: 0, y2: HIGH }));
    parts.push(svg("line", { class: "now", x1: at, x2: at, y1: 0, y2: HIGH }));
    this.chart.replaceChildren(...parts);
  }
}
