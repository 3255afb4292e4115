// The controls that label a clip: good, bad, and the reason.

import { h, showToast } from "./dom.js";
import { sendLabel } from "./labels.js";

export class LabelBox {
  constructor(row) {
    this.row = row;
    const makeButton = (label, text, key) => h("button", { type: "button", dataset: { label }, title: `Label ${label} (${key})`, onclick: () => this.set(this.row.label === label ? "" : label) }, text);
    this.buttons = [makeButton("good", "✓ Good", "g"), makeButton("bad", "✗ Bad", "x")];
    this.reason = h("input", { type: "text", name: "reason", placeholder: "Reason (optional)", maxLength: 2000, value: row.label_reason ?? "", title: "Reason for the label (w)", "aria-label": "Reason",
      onchange: () => this.row.label && this.set(this.row.label),
      onkeydown: (event) => event.key === "Enter" && this.reason.blur() });
    this.element = h("div.label-box", { id: "label" }, this.buttons, this.reason);
    this.draw();
  }

  draw() {
    this.element.dataset.label = this.row.label;
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.label === this.row.label);
  }

  async set(label) {
    if (!label) this.reason.value = "";
    const request = sendLabel(this.row, label, this.reason.value.trim());
    this.draw();
    try {
      await request;
      showToast(label ? `Labelled ${label}` : "Label cleared");
    } catch (error) {
      this.draw();
      showToast(error.message, true);
    }
  }
}
