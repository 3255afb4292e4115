// The counts under the current thresholds: totals, the funnel by stage, the reasons.

import { formatOutcome } from "./columns.js";
import { h } from "./dom.js";
import { formatCount, formatHours, formatShare, toWords } from "./format.js";

export class Funnel {
  constructor(dataset, filter) {
    Object.assign(this, { dataset, filter });
    this.element = h("section.funnel", { "aria-live": "off" });
  }

  /** Whether the list can be filtered by a column. */
  hasColumn(name) {
    return this.dataset.columns.some((column) => column.name === name);
  }

  /** counts: the answer of /api/select. */
  draw(counts) {
    const makeFigure = (key, name, n, title, filters) => h("button.figure", {
      type: "button", dataset: { count: key, value: n }, title, disabled: !n,
      onclick: () => this.filter(...filters),
    }, h("b", {}, formatCount(n)), h("span", {}, name));
    const now = (value, op = "=") => ({ column: "now", op, value });
    const built = (op) => ({ column: "outcome", op, value: "kept" });
    const widest = Math.max(1, ...counts.funnel.map((stage) => stage.inputs));
    const setWidth = (n) => ({ style: { width: `${(100 * n) / widest}%` } });
    this.element.replaceChildren(
      h("div.headline", {},
        h("button.figure.kept", { type: "button", dataset: { count: "kept", value: counts.kept }, title: "Clips that these thresholds keep", onclick: () => this.filter(now("kept")) },
          h("b", {}, formatCount(counts.kept)), h("span", {}, "kept")),
        h("div.figure", {}, h("b", {}, formatHours(counts.hours)), h("span", {}, "of video")),
        h("div.figure", { dataset: { count: "kept_in_build", value: counts.kept_in_build } }, h("b", {}, formatCount(counts.kept_in_build)), h("span", {}, "kept in build"))),
      h("div.changes", {},
        makeFigure("newly_rejected", "newly rejected", counts.newly_rejected, "Kept by the build, but not under these thresholds", [built("="), now("kept", "!=")]),
        makeFigure("newly_kept", "newly kept", counts.newly_kept, "Not kept by the build, but kept under these thresholds", [built("!="), now("kept")]),
        makeFigure("open", formatOutcome("open"), counts.open, this.dataset.building
          ? "Pass these thresholds so far; the build has not run their next step yet"
          : "Pass these thresholds, but their next step was never run: `humove reselect` runs it", [now("open")])),
      h("table.stages", {},
        h("thead", {}, h("tr", {}, ["stage", "in", "", "out"].map((text) => h("th", {}, text)))),
        h("tbody", {}, counts.funnel.map((stage) => h("tr", {
          title: `${toWords(stage.stage)}: ${formatCount(stage.inputs)} in, ${formatCount(stage.emitted)} out, ${formatCount(stage.rejected)} rejected, ${formatCount(stage.faulted)} faulted, ${formatCount(stage.open)} ${formatOutcome("open")}`,
          dataset: { stage: stage.stage },
        },
          h("th", {}, toWords(stage.stage)),
          h("td", {}, formatCount(stage.inputs)),
          h("td.bar", {}, h("span", {}, h("i.kept", setWidth(stage.emitted)), h("i.rejected", setWidth(stage.rejected)), h("i.faulted", setWidth(stage.faulted)), h("i.open", setWidth(stage.open)))),
          h("td", {}, formatCount(stage.emitted)))))),
      this.makeReasons(counts.reasons));
  }

  makeReasons(counts) {
    const sorted = Object.entries(counts).filter(([, n]) => n).sort((a, b) => b[1] - a[1]);
    if (!sorted.length) return h("p.dim", {}, "No clip is rejected.");
    const all = sorted.reduce((sum, [, n]) => sum + n, 0);
    const column = ["now_reason", "reason"].find((name) => this.hasColumn(name));
    return h("div.reasons", {}, sorted.map(([reason, n]) =>
      h("button", { type: "button", dataset: { reason, value: n }, title: `${formatShare(n, all)} of the rejected clips: show them`, disabled: !column, onclick: () => this.filter({ column, op: "=", value: reason }) },
        toWords(reason), h("b", {}, formatCount(n)))));
  }
}
