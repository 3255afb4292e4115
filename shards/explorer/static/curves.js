// Curves over the frames, with a cursor that stands on the frame that is shown.

import { color } from "./color.js";
import { h } from "./dom.js";
import { value, words } from "./format.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const HUES = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

function axes(unit) {
  const line = { stroke: color("--line"), width: 1 };
  const common = { stroke: color("--dim"), grid: line, ticks: { ...line, size: 4 }, font: "11px system-ui" };
  return [{ ...common, size: 26 }, { ...common, size: 48, values: (_, ticks) => ticks.map((t) => `${value(t)}${unit}`) }];
}

/** Draws y over x into a box, as wide as the box. */
export function linePlot(box, x, y) {
  const plot = new uPlot({
    width: Math.max(200, box.clientWidth), height: 180, legend: { show: false }, scales: { x: { time: false } },
    axes: axes(""), series: [{}, { stroke: color("--c1"), width: 1.5, points: { show: x.length < 40 } }],
  }, [x, y], box);
  const watch = new ResizeObserver(() => plot.setSize({ width: Math.max(200, box.clientWidth), height: 180 }));
  watch.observe(box);
  return { destroy: () => { watch.disconnect(); plot.destroy(); } };
}

export class Curves {
  /** seek(frame): one has clicked, or drags, on a curve. */
  constructor(motion, { joints, seek }) {
    Object.assign(this, { motion, joints, seek, plots: [], frame: 0 });
    this.chosen = JSON.parse(localStorage.getItem("angles") ?? "null")?.filter((name) => motion.angles?.[name]) ?? ["left_knee", "right_knee"];
    this.element = h("section.card.curves", { id: "curves" }, h("h2", {}, "Over the frames"), (this.holder = h("div")));
    this.theme = () => this.draw();
    document.addEventListener("theme", this.theme);
    this.watch = new ResizeObserver(() => {
      for (const { plot, high } of this.plots) plot.setSize({ width: this.width, height: high });
      this.show(this.frame);
    });
    this.watch.observe(this.holder);
  }

  get width() {
    return Math.max(200, this.holder.clientWidth);
  }

  draw() {
    this.plots.forEach(({ plot }) => plot.destroy());
    this.plots = [];
    this.holder.replaceChildren();
    const { motion } = this;
    if (motion.confidence) this.add("confidence", { confidence: motion.confidence }, { unit: "", range: [0, 1.02], high: 96 });
    if (motion.speed) this.add("speed", { speed: motion.speed }, { unit: " m/s", high: 96 });
    if (motion.angles) {
      const lines = Object.fromEntries(this.chosen.map((name) => [name, motion.angles[name]]));
      this.add("joint angles", lines, { unit: "°", high: 170, chooser: this.chooser() });
    }
    this.show(this.frame);
  }

  chooser() {
    return h("details.menu", {}, h("summary", {}, "Joints"), h("div.pop.choices", {}, this.joints.map((name) =>
      h("label", {}, h("input", {
        type: "checkbox", checked: this.chosen.includes(name),
        onchange: (event) => {
          this.chosen = event.target.checked ? [...this.chosen, name] : this.chosen.filter((other) => other !== name);
          localStorage.setItem("angles", JSON.stringify(this.chosen));
          const open = event.target.closest("details").open;
          this.draw();
          const menu = this.holder.querySelector("details.menu");
          menu.open = open;
        },
      }), words(name)))));
  }

  add(title, lines, { unit, range, high, chooser }) {
    const names = Object.keys(lines);
    const said = h("span.legend", {}, names.map((name, i) =>
      h("span", {}, h("i", { style: { background: `var(${HUES[i % HUES.length]})` } }), words(name), " ", h("b", { dataset: { curve: name } }))));
    const box = h("div.plot", { dataset: { plot: title } });
    this.holder.append(h("header", {}, chooser ?? null, said), box);
    const length = this.motion.num_frames;
    const plot = new uPlot({
      width: this.width, height: high, legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      scales: { x: { time: false, range: [0, Math.max(1, length - 1)] }, y: range ? { range } : {} },
      axes: axes(unit),
      series: [{}, ...names.map((_, i) => ({ stroke: color(HUES[i % HUES.length]), width: 1.6, points: { show: false } }))],
      hooks: { drawClear: [(u) => this.shade(u)] },
    }, [Array.from({ length }, (_, k) => k), ...names.map((name) => lines[name])], box);
    const now = h("div.now");
    plot.over.append(now);
    const scrub = (event) => this.seek(Math.round(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x")));
    plot.over.addEventListener("pointerdown", (event) => {
      plot.over.setPointerCapture(event.pointerId);
      scrub(event);
    });
    plot.over.addEventListener("pointermove", (event) => event.buttons & 1 && scrub(event));
    this.plots.push({ plot, now, lines, said, high });
  }

  /** Frames that are not valid are shaded: what stands there is interpolated. */
  shade(u) {
    const { valid } = this.motion;
    if (!valid) return;
    u.ctx.save();
    u.ctx.fillStyle = color("--shade");
    valid.forEach((good, k) => {
      if (good) return;
      const left = Math.max(u.bbox.left, u.valToPos(k - 0.5, "x", true));
      const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(k + 0.5, "x", true));
      u.ctx.fillRect(left, u.bbox.top, Math.max(0, right - left), u.bbox.height);
    });
    u.ctx.restore();
  }

  show(k) {
    this.frame = k;
    for (const { plot, now, lines, said } of this.plots) {
      now.style.transform = `translateX(${plot.valToPos(k, "x")}px)`;
      for (const node of said.querySelectorAll("b")) node.textContent = value(lines[node.dataset.curve][k]);
    }
  }

  close() {
    document.removeEventListener("theme", this.theme);
    this.watch.disconnect();
    this.plots.forEach(({ plot }) => plot.destroy());
  }
}
