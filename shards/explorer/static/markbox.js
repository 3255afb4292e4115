// What one thinks of a clip: good, bad, and why.

import { h, toast } from "./dom.js";
import { sendMark } from "./marks.js";

export class MarkBox {
  constructor(row) {
    this.row = row;
    const button = (mark, text, key) => h("button", { type: "button", dataset: { mark }, title: `Mark ${mark} (${key})`, onclick: () => this.set(this.row.mark === mark ? "" : mark) }, text);
    this.buttons = [button("good", "✓ Good", "g"), button("bad", "✗ Bad", "x")];
    this.why = h("input", { type: "text", name: "why", placeholder: "why (w)", maxLength: 2000, value: row.mark_why ?? "", "aria-label": "Why",
      onchange: () => this.row.mark && this.set(this.row.mark),
      onkeydown: (event) => event.key === "Enter" && this.why.blur() });
    this.element = h("div.marks", { id: "marks" }, this.buttons, this.why);
    this.draw();
  }

  draw() {
    this.element.dataset.mark = this.row.mark;
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.mark === this.row.mark);
  }

  async set(mark) {
    if (!mark) this.why.value = "";
    const why = this.why.value.trim();
    const sent = sendMark(this.row, mark, why);
    this.draw();
    try {
      await sent;
      toast(mark ? `Marked ${mark}` : "Mark taken away");
    } catch (error) {
      this.draw();
      toast(error.message, true);
    }
  }
}
