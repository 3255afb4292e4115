// What the thresholds leave: the headline, the funnel by stage, the reasons.

import { h } from "./dom.js";
import { count, hours, share, words } from "./format.js";

export class Funnel {
  constructor(dataset, filter) {
    Object.assign(this, { dataset, filter });
    this.element = h("section.funnel", { "aria-live": "off" });
  }

  /** Whether the list can be filtered by a column. */
  has(name) {
    return this.dataset.columns.some((column) => column.name === name);
  }

  /** got: the answer of /api/select. */
  draw(got) {
    const number = (key, name, n, said, filters) => h("button.figure", {
      type: "button", dataset: { count: key, value: n }, title: said, disabled: !filters || !n,
      onclick: () => this.filter(...filters),
    }, h("b", {}, count(n)), h("span", {}, name));
    const now = (value, op = "=") => ({ column: "now", op, value });
    const was = (op) => ({ column: "outcome", op, value: "kept" });
    const widest = Math.max(1, ...got.funnel.map((stage) => stage.inputs));
    const wide = (n) => ({ style: { width: `${(100 * n) / widest}%` } });
    this.element.replaceChildren(
      h("div.headline", {},
        h("button.figure.kept", { type: "button", dataset: { count: "kept", value: got.kept }, title: "Clips that these thresholds keep", onclick: () => this.filter(now("kept")) },
          h("b", {}, count(got.kept)), h("span", {}, "kept")),
        h("div.figure", {}, h("b", {}, hours(got.hours)), h("span", {}, "of video")),
        h("div.figure", { dataset: { count: "before", value: got.kept_before } }, h("b", {}, count(got.kept_before)), h("span", {}, "in the build"))),
      h("div.changes", {},
        number("leave", "leave", got.left, "Kept by the build, not under these thresholds", [was("="), now("kept", "!=")]),
        number("return", "return", got.returned, "Not kept by the build, but under these thresholds", [was("!="), now("kept")]),
        this.dataset.building
          ? number("open", "not yet", got.open, "Admitted by these thresholds so far; the build has not come to their next step", [now("open")])
          : number("open", "never annotated", got.open, "Admitted by these thresholds, but the next step was never run on them: `humove reselect` would annotate them", [now("open")])),
      h("table.stages", {},
        h("thead", {}, h("tr", {}, ["stage", "in", "", "out"].map((text) => h("th", {}, text)))),
        h("tbody", {}, got.funnel.map((stage) => h("tr", {
          title: `${words(stage.stage)}: ${count(stage.inputs)} in, ${count(stage.emitted)} on, ${count(stage.rejected)} rejected, ${count(stage.faulted)} faulted, ${count(stage.open)} open`,
          dataset: { stage: stage.stage },
        },
          h("th", {}, words(stage.stage)),
          h("td", {}, count(stage.inputs)),
          h("td.bar", {}, h("span", {}, h("i.kept", wide(stage.emitted)), h("i.rejected", wide(stage.rejected)), h("i.faulted", wide(stage.faulted)), h("i.open", wide(stage.open)))),
          h("td", {}, count(stage.emitted)))))),
      this.reasons(got.reasons));
  }

  reasons(counts) {
    const sorted = Object.entries(counts).filter(([, n]) => n).sort((a, b) => b[1] - a[1]);
    if (!sorted.length) return h("p.dim", {}, "Nothing is rejected.");
    const all = sorted.reduce((sum, [, n]) => sum + n, 0);
    const column = ["now_reason", "reason"].find((name) => this.has(name));
    return h("div.reasons", {}, sorted.map(([reason, n]) =>
      h("button", { type: "button", dataset: { reason, value: n }, title: `${share(n, all)} of what is rejected: show them`, disabled: !column, onclick: () => this.filter({ column, op: "=", value: reason }) },
        words(reason), h("b", {}, count(n)))));
  }
}
