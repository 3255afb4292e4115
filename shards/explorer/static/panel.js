// Beside the list: what the thresholds leave of the clips, and a slider for each of them.

import { get, newest, post } from "./api.js";
import { h, toast } from "./dom.js";
import { Funnel } from "./funnel.js";
import { Saver } from "./saver.js";
import { Slider } from "./sliders.js";
import { words } from "./format.js";
import { changed, remember, settings, state } from "./state.js";

export class Panel {
  /** moved(): a threshold has another value; filter(...): the list shall show these clips only. */
  constructor({ dataset, moved, filter }) {
    Object.assign(this, { dataset, moved });
    this.funnel = new Funnel(dataset, (...filters) => (this.closeDrawer(), filter(...filters)));
    this.sliders = dataset.bars.map((bar) => new Slider(bar, state.thresholds[bar.setting], (value) => this.set(bar, value)));
    const stages = [...new Set(dataset.bars.map((bar) => bar.stage))];
    this.resetButton = h("button", { type: "button", title: "All thresholds as the build had them (r)", onclick: () => this.reset() }, "Reset");
    this.element = h("aside.panel", { id: "panel", "aria-label": "Thresholds" },
      h("button.drawer", { type: "button", onclick: () => this.element.classList.toggle("open") },
        h("span", {}, "Thresholds"), (this.brief = h("b"))),
      h("div.inside", {},
        this.funnel.element,
        h("header.bars", {}, h("h2", {}, "Thresholds"), this.resetButton),
        dataset.bars.length ? null : h("p.dim", {}, "This data set has no ledger: its thresholds can't be moved."),
        dataset.score_only ? this.lifted() : null,
        stages.map((stage) => h("section", {}, h("h3", {}, words(stage)), this.sliders.filter((s) => s.bar.stage === stage).map((s) => s.element))),
        dataset.dedup ? this.twins() : null,
        dataset.bars.length ? new Saver().element : null));
    // The list follows the count, not beside it: the server judges every clip once for both.
    this.follow = newest(() => this.select().then(() => this.moved()));
    this.observed = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) {
        if (!isIntersecting) continue;
        this.observed.unobserve(target);
        const slider = this.sliders.find((s) => s.element === target);
        get(`/api/histogram?column=${encodeURIComponent(slider.bar.score)}`).then((got) => slider.histogram(got), () => {});
      }
    }, { rootMargin: "200px" });
    // Before the first clip, and before the first that came so far, there is nothing to draw.
    const measured = new Set(dataset.num_clips ? dataset.columns.map((column) => column.name) : []);
    for (const slider of this.sliders) if (measured.has(slider.bar.score)) this.observed.observe(slider.element);
    this.draw();
  }

  /** Every clip of a set of scores alone is kept, whatever its scores. */
  lifted() {
    return h("div.lifted", {}, h("p", {}, "Scores only: every clip is kept until a threshold is moved; then all of them hold."),
      h("button", { type: "button", onclick: () => {
        for (const slider of this.sliders) state.thresholds[slider.bar.setting] = slider.value;
        this.update();
      } }, "Hold the clips to these thresholds"));
  }

  set(bar, value) {
    // In a set of scores alone no threshold holds until one is named: one that is moved back is still named there.
    if (value === bar.threshold && !this.dataset.score_only) delete state.thresholds[bar.setting];
    else state.thresholds[bar.setting] = value;
    this.update();
  }

  update() {
    remember();
    this.draw();
    this.follow();
  }

  draw() {
    this.resetButton.disabled = !changed();
    if (this.near) {
      const { near, max_distance } = { ...this.dataset.dedup, ...state.dedup };
      this.near.checked = near === "on";
      this.distance.value = max_distance;
      this.distance.disabled = near !== "on";
      this.distanceSaid.value = max_distance;
    }
  }

  async select() {
    try {
      const got = await post("/api/select", settings());
      this.funnel.draw(got);
      this.brief.textContent = `${got.kept} kept`;
    } catch (error) {
      toast(error.message, true);
    }
  }

  reset() {
    state.thresholds = {};
    state.dedup = null;
    for (const slider of this.sliders) slider.set(slider.bar.threshold);
    this.update();
  }

  twins() {
    const said = () => {
      const dedup = { near: this.near.checked ? "on" : "off", max_distance: Number(this.distance.value) };
      const same = dedup.near === this.dataset.dedup.near && dedup.max_distance === this.dataset.dedup.max_distance;
      state.dedup = same ? null : dedup;
      this.update();
    };
    this.near = h("input", { type: "checkbox", id: "near", onchange: said });
    this.distance = h("input", { type: "range", id: "max_distance", min: 0, max: 50, step: 1, oninput: said, "aria-label": "Largest distance of near-duplicates" });
    this.distanceSaid = h("output");
    return h("section.twins", {}, h("h3", {}, "Near-duplicates"),
      h("label", {}, this.near, " leave them out"),
      h("label", { title: "Of 256 bits of look, and of 256 of movement, how many may differ in a duplicate" }, "distance ", this.distance, this.distanceSaid));
  }

  focus() {
    this.element.classList.add("open");
    (this.sliders[0]?.range ?? this.near)?.focus();
  }

  /** Whether there was an open drawer, as on a narrow page. */
  closeDrawer() {
    const open = this.element.classList.contains("open");
    this.element.classList.remove("open");
    return open;
  }

  close() {
    this.observed.disconnect();
  }
}
