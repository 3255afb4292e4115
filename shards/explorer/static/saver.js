// Saves the thresholds under a name, as a configuration that a build can be run with.

import { post } from "./api.js";
import { h, toast } from "./dom.js";
import { settings } from "./state.js";

export class Saver {
  constructor() {
    this.name = h("input", {
      name: "name", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", placeholder: "strict", title: "Letters, digits, _ and -",
      "aria-label": "Name of the selection", autocomplete: "off", oninput: () => this.answer.replaceChildren(),
    });
    this.answer = h("div.line.answer", { role: "status" });
    this.done = h("div.saved", { hidden: true });
    this.element = h("form.save", { id: "save", onsubmit: (event) => { event.preventDefault(); this.save(false); } },
      h("h3", {}, "Save this selection"),
      h("div.line", {}, this.name, h("button.main", { type: "submit" }, "Save")),
      this.answer, this.done);
  }

  async save(replace) {
    const name = this.name.value;
    this.answer.replaceChildren();
    this.done.hidden = true;
    try {
      const said = { ...settings(), name };
      this.saved(await post("/api/selection", replace ? { ...said, replace } : said));
    } catch (error) {
      if (error.status === 409) this.exists(name);
      else this.answer.replaceChildren(h("span.wrong", {}, error.message));
    }
  }

  exists(name) {
    const button = (text, onclick) => h("button", { type: "button", onclick }, text);
    const replace = button("Replace it", () => this.save(true));
    this.answer.replaceChildren(h("span", {}, h("b", {}, name), " is there already. Replace it?"),
      replace, button("Cancel", () => (this.answer.replaceChildren(), this.name.focus())));
    replace.focus();
  }

  saved({ path, command }) {
    this.done.replaceChildren(
      h("p", {}, "Saved as ", h("b", {}, path), ". To build it:"),
      h("code", {}, command),
      h("button", { type: "button", onclick: () => navigator.clipboard.writeText(command).then(() => toast("Copied"), () => toast("The browser does not let a page copy", true)) }, "Copy"));
    this.done.hidden = false;
  }
}
