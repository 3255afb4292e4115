// The panel beside the list: the counts under the current thresholds, and a slider for each threshold.

import { getJson, postJson, runLatest } from "./api.js";
import { h, showToast } from "./dom.js";
import { toWords } from "./format.js";
import { Funnel } from "./funnel.js";
import { Saver } from "./saver.js";
import { Slider } from "./sliders.js";
import { getSelection, isChanged, saveAddress, state } from "./state.js";

export class Panel {
  /** onChange(): a threshold has changed; filter(...): adds filters to the list. */
  constructor({ dataset, onChange, filter }) {
    Object.assign(this, { dataset, onChange });
    this.funnel = new Funnel(dataset, (...filters) => (this.closeDrawer(), filter(...filters)));
    this.sliders = dataset.thresholds.map((threshold) => new Slider(threshold, state.moved[threshold.setting], (limit) => this.setLimit(threshold, limit)));
    const stages = [...new Set(dataset.thresholds.map((threshold) => threshold.stage))];
    this.resetButton = h("button", { type: "button", title: "Reset all thresholds to the build's (r)", onclick: () => this.reset() }, "Reset");
    this.element = h("aside.panel", { id: "panel", "aria-label": "Thresholds" },
      h("button.drawer", { type: "button", onclick: () => this.element.classList.toggle("open") },
        h("span", {}, "Thresholds"), (this.keptCount = h("b"))),
      h("div.content", {},
        this.funnel.element,
        h("header.thresholds", {}, h("h2", {}, "Thresholds"), this.resetButton),
        dataset.thresholds.length ? null : h("p.dim", {}, "This data set has no ledger: its thresholds can't be changed."),
        dataset.score_only ? this.makeScoreOnlyNote() : null,
        stages.map((stage) => h("section", {}, h("h3", {}, toWords(stage)), this.sliders.filter((s) => s.threshold.stage === stage).map((s) => s.element))),
        dataset.dedup ? this.makeDuplicates() : null,
        dataset.thresholds.length ? new Saver().element : null));
    // The list is requested after the count, so that the server judges the clips once for both.
    this.refresh = runLatest(() => this.count().then(() => this.onChange()));
    this.observer = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        this.observer.unobserve(target);
        const slider = this.sliders.find((s) => s.element === target);
        getJson(`/api/histogram?column=${encodeURIComponent(slider.threshold.score)}`).then((histogram) => slider.setHistogram(histogram), () => {});
      }
    }, { rootMargin: "200px" });
    // Scores that no clip has yet have no histogram.
    const measured = new Set(dataset.num_clips ? dataset.columns.map((column) => column.name) : []);
    for (const slider of this.sliders) if (measured.has(slider.threshold.score)) this.observer.observe(slider.element);
    this.draw();
  }

  /** Explains a score-only data set: every clip is kept, whatever its scores. */
  makeScoreOnlyNote() {
    return h("div.score-only", {}, h("p", {}, "Scores only: every clip is kept until a threshold is changed; then all thresholds apply."),
      h("button", { type: "button", onclick: () => {
        for (const slider of this.sliders) state.moved[slider.threshold.setting] = slider.value;
        this.update();
      } }, "Apply these thresholds"));
  }

  setLimit(threshold, limit) {
    // In a score-only data set thresholds apply once one is named, so one that is moved back stays named.
    if (limit === threshold.limit && !this.dataset.score_only) delete state.moved[threshold.setting];
    else state.moved[threshold.setting] = limit;
    this.update();
  }

  update() {
    saveAddress();
    this.draw();
    this.refresh();
  }

  draw() {
    this.resetButton.disabled = !isChanged();
    if (this.near) {
      const { near, max_distance } = { ...this.dataset.dedup, ...state.dedup };
      this.near.checked = near === "on";
      this.distance.value = max_distance;
      this.distance.disabled = near !== "on";
      this.distanceOutput.value = max_distance;
    }
  }

  /** Requests and draws the counts. */
  async count() {
    try {
      const counts = await postJson("/api/select", getSelection());
      this.funnel.draw(counts);
      this.keptCount.textContent = `${counts.kept} kept`;
    } catch (error) {
      showToast(error.message, true);
    }
  }

  reset() {
    state.moved = {};
    state.dedup = null;
    for (const slider of this.sliders) slider.set(slider.threshold.limit);
    this.update();
  }

  makeDuplicates() {
    const onInput = () => {
      const dedup = { near: this.near.checked ? "on" : "off", max_distance: Number(this.distance.value) };
      const same = dedup.near === this.dataset.dedup.near && dedup.max_distance === this.dataset.dedup.max_distance;
      state.dedup = same ? null : dedup;
      this.update();
    };
    this.near = h("input", { type: "checkbox", id: "near", onchange: onInput });
    this.distance = h("input", { type: "range", id: "max_distance", min: 0, max: 50, step: 1, oninput: onInput, "aria-label": "Max Hamming distance of near-duplicates" });
    this.distanceOutput = h("output");
    return h("section.duplicates", {}, h("h3", {}, "Near-duplicates"),
      h("label", {}, this.near, " Remove near-duplicates"),
      h("label", { title: "How many of the 256 bits of appearance, and of the 256 bits of movement, may differ between duplicates" }, "max Hamming distance (0-256 bits) ", this.distance, this.distanceOutput));
  }

  focus() {
    this.element.classList.add("open");
    (this.sliders[0]?.range ?? this.near)?.focus();
  }

  /** Closes the drawer of a narrow page; returns whether it was open. */
  closeDrawer() {
    const open = this.element.classList.contains("open");
    this.element.classList.remove("open");
    return open;
  }

  close() {
    this.observer.disconnect();
  }
}
