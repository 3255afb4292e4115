// A threshold: a slider over the histogram of its score.

import { h, svg } from "./dom.js";
import { formatValue, toWords } from "./format.js";

const WIDTH = 280;
const HEIGHT = 44;

export class Slider {
  /** threshold: of /api/dataset; value: its limit if it differs from the build's; onChange(value). */
  constructor(threshold, value, onChange) {
    Object.assign(this, { threshold, onChange, value: value ?? threshold.limit });
    this.low = Math.min(threshold.low, threshold.limit, this.value);
    this.high = Math.max(threshold.high, threshold.limit, this.value);
    // The slider's values are rounded, so that a saved YAML is easy to read; typed values are not.
    this.digits = Math.max(0, Math.ceil(-Math.log10((this.high - this.low) / 200)));
    const name = toWords(threshold.setting.split(".").at(-1));
    this.range = h("input", {
      type: "range", min: this.low, max: this.high, step: "any", value: this.value, dataset: { setting: threshold.setting },
      "aria-label": `${name} (slider)`,
      oninput: () => this.change(Number(Number(this.range.value).toFixed(this.digits))),
      onkeydown: (event) => this.nudge(event),
    });
    this.number = h("input", {
      type: "number", step: "any", value: this.value, "aria-label": name, title: this.describeBounds(), dataset: { number: threshold.setting },
      oninput: () => this.number.setAttribute("aria-invalid", !this.isValid()),
      onchange: () => (this.isValid() ? this.change(Number(this.number.value)) : this.set(this.value)),
    });
    this.resetButton = h("button.reset", { type: "button", title: `Reset to the build's ${formatValue(threshold.limit)}`, onclick: () => { this.set(threshold.limit); onChange(threshold.limit); } }, "↺");
    this.chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.element = h("div.slider", { title: `${threshold.description}\nRejected ${threshold.at_least ? "below" : "above"} the threshold, with the reason ${toWords(threshold.reason)}.` },
      h("div.heading", {}, h("label", {}, name), h("span.reason", {}, toWords(threshold.reason)), this.resetButton, this.number),
      h("div.chart", {}, this.chart, this.range));
    this.draw();
  }

  /** Moves by a hundredth of the range at an arrow key; with shift by a tenth. */
  nudge(event) {
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    const next = this.value + (direction * (this.high - this.low)) / (event.shiftKey ? 10 : 100);
    this.change(Number(Math.max(this.low, Math.min(this.high, next)).toFixed(this.digits)));
  }

  /** The values that the configuration accepts; they may lie outside the slider's range. */
  describeBounds() {
    const { minimum = null, maximum = null } = this.threshold;
    if (minimum !== null && maximum !== null) return `${minimum} to ${maximum}`;
    return minimum !== null ? `${minimum} or more` : maximum !== null ? `${maximum} or less` : "any number";
  }

  /** Whether the typed number is an accepted value. */
  isValid() {
    const value = this.number.value === "" ? NaN : Number(this.number.value);
    return Number.isFinite(value) && value >= (this.threshold.minimum ?? -Infinity) && value <= (this.threshold.maximum ?? Infinity);
  }

  change(value) {
    if (!Number.isFinite(value)) return;
    // Snap to the build's limit, which may have more digits.
    if (Math.abs(value - this.threshold.limit) < 0.5 * 10 ** -this.digits) value = this.threshold.limit;
    this.set(value);
    this.onChange(value);
  }

  set(value) {
    this.value = value;
    this.range.value = value;
    this.number.value = Number(value.toPrecision(12));
    this.number.removeAttribute("aria-invalid");
    this.draw();
  }

  setHistogram(histogram) {
    this.histogram = histogram;
    this.draw();
  }

  getX(value) {
    return (WIDTH * (value - this.low)) / (this.high - this.low || 1);
  }

  draw() {
    const { threshold, value } = this;
    this.element.classList.toggle("changed", value !== threshold.limit);
    const at = Math.max(0, Math.min(WIDTH, this.getX(value)));
    const rejectedRange = threshold.at_least ? { x: 0, width: at } : { x: at, width: WIDTH - at };
    const parts = [svg("rect", { class: "rejected-range", ...rejectedRange, y: 0, height: HEIGHT })];
    if (this.histogram) {
      const { edges, kept, rejected } = this.histogram;
      // Square roots keep small counts visible beside large ones.
      const most = Math.sqrt(Math.max(1, ...kept.map((n, i) => n + rejected[i])));
      kept.forEach((n, i) => {
        const total = n + rejected[i];
        const x = this.getX(edges[i]);
        const width = Math.max(0.5, this.getX(edges[i + 1]) - x - 0.6);
        if (!total || x + width < 0 || x > WIDTH) return;
        const height = (HEIGHT * Math.sqrt(total)) / most;
        const keptHeight = (height * n) / total;
        parts.push(svg("rect", { class: "kept", x, width, y: HEIGHT - keptHeight, height: keptHeight }));
        parts.push(svg("rect", { class: "rejected", x, width, y: HEIGHT - height, height: Math.max(0, height - keptHeight) }));
      });
    }
    const built = this.getX(threshold.limit);
    parts.push(svg("line", { class: "built", x1: built, x2: built, y1: 0, y2: HEIGHT }));
    parts.push(svg("line", { class: "now", x1: at, x2: at, y1: 0, y2: HEIGHT }));
    this.chart.replaceChildren(...parts);
  }
}
