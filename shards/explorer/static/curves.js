// Time series over the frames, with a cursor at the presented frame.

import { resolveColor } from "./color.js";
import { h } from "./dom.js";
import { formatValue, toWords } from "./format.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

function makeAxes(unit) {
  const line = { stroke: resolveColor("--line"), width: 1 };
  const common = { stroke: resolveColor("--dim"), grid: line, ticks: { ...line, size: 4 }, font: "11px system-ui" };
  return [{ ...common, size: 26 }, { ...common, size: 48, values: (_, ticks) => ticks.map((t) => `${formatValue(t)}${unit}`) }];
}

/** Draws y over x at the width of the box. */
export function drawLinePlot(box, x, y) {
  const plot = new uPlot({
    width: Math.max(200, box.clientWidth), height: 180, legend: { show: false }, scales: { x: { time: false } },
    axes: makeAxes(""), series: [{}, { stroke: resolveColor("--c1"), width: 1.5, points: { show: x.length < 40 } }],
  }, [x, y], box);
  const observer = new ResizeObserver(() => plot.setSize({ width: Math.max(200, box.clientWidth), height: 180 }));
  observer.observe(box);
  return { destroy: () => { observer.disconnect(); plot.destroy(); } };
}

export class Curves {
  /** seek(frame): called on a click or a drag in a plot. */
  constructor(motion, { joints, seek }) {
    Object.assign(this, { motion, joints, seek, plots: [], frame: 0 });
    this.chosen = JSON.parse(localStorage.getItem("angles") ?? "null")?.filter((name) => motion.angles?.[name]) ?? ["left_knee", "right_knee"];
    this.element = h("section.card.curves", { id: "curves" }, h("h2", {}, "Time series"), (this.holder = h("div")));
    this.onTheme = () => this.draw();
    document.addEventListener("theme", this.onTheme);
    this.observer = new ResizeObserver(() => {
      for (const { plot, height } of this.plots) plot.setSize({ width: this.width, height });
      this.show(this.frame);
    });
    this.observer.observe(this.holder);
  }

  get width() {
    return Math.max(200, this.holder.clientWidth);
  }

  draw() {
    this.plots.forEach(({ plot }) => plot.destroy());
    this.plots = [];
    this.holder.replaceChildren();
    const { motion } = this;
    if (motion.confidence) this.addPlot("confidence", { confidence: motion.confidence }, { unit: "", range: [0, 1.02], height: 96 });
    if (motion.speed) this.addPlot("speed", { speed: motion.speed }, { unit: " m/s", height: 96 });
    if (motion.angles) {
      const lines = Object.fromEntries(this.chosen.map((name) => [name, motion.angles[name]]));
      this.addPlot("joint angles", lines, { unit: "°", height: 170, menu: this.makeJointMenu() });
    }
    this.show(this.frame);
  }

  makeJointMenu() {
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
      }), toWords(name)))));
  }

  addPlot(title, lines, { unit, range, height, menu }) {
    const names = Object.keys(lines);
    const legend = h("span.legend", {}, names.map((name, i) =>
      h("span", {}, h("i", { style: { background: `var(${COLORS[i % COLORS.length]})` } }), toWords(name), " ", h("b", { dataset: { curve: name } }))));
    const box = h("div.plot", { dataset: { plot: title } });
    this.holder.append(h("header", {}, menu ?? null, legend), box);
    const length = this.motion.num_frames;
    const plot = new uPlot({
      width: this.width, height, legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      scales: { x: { time: false, range: [0, Math.max(1, length - 1)] }, y: range ? { range } : {} },
      axes: makeAxes(unit),
      series: [{}, ...names.map((_, i) => ({ stroke: resolveColor(COLORS[i % COLORS.length]), width: 1.6, points: { show: false } }))],
      hooks: { drawClear: [(u) => this.shadeInvalid(u)] },
    }, [Array.from({ length }, (_, k) => k), ...names.map((name) => lines[name])], box);
    const cursor = h("div.now");
    plot.over.append(cursor);
    const scrub = (event) => this.seek(Math.round(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x")));
    plot.over.addEventListener("pointerdown", (event) => {
      plot.over.setPointerCapture(event.pointerId);
      scrub(event);
    });
    plot.over.addEventListener("pointermove", (event) => event.buttons & 1 && scrub(event));
    this.plots.push({ plot, cursor, lines, legend, height });
  }

  /** Shades the frames that are not valid: their values are interpolated. */
  shadeInvalid(u) {
    const { valid } = this.motion;
    if (!valid) return;
    u.ctx.save();
    u.ctx.fillStyle = resolveColor("--shade");
    valid.forEach((isValid, k) => {
      if (isValid) return;
      const left = Math.max(u.bbox.left, u.valToPos(k - 0.5, "x", true));
      const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(k + 0.5, "x", true));
      u.ctx.fillRect(left, u.bbox.top, Math.max(0, right - left), u.bbox.height);
    });
    u.ctx.restore();
  }

  show(k) {
    this.frame = k;
    for (const { plot, cursor, lines, legend } of this.plots) {
      cursor.style.transform = `translateX(${plot.valToPos(k, "x")}px)`;
      for (const node of legend.querySelectorAll("b")) node.textContent = formatValue(lines[node.dataset.curve][k]);
    }
  }

  close() {
    document.removeEventListener("theme", this.onTheme);
    this.observer.disconnect();
    this.plots.forEach(({ plot }) => plot.destroy());
  }
}
