// Saves the thresholds under a name, as a configuration for a build.

import { postJson } from "./api.js";
import { h, showToast } from "./dom.js";
import { getSelection } from "./state.js";

export class Saver {
  constructor() {
    this.name = h("input", {
      name: "name", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", placeholder: "strict", title: "Letters, digits, _ and -",
      "aria-label": "Name of the selection", autocomplete: "off", oninput: () => this.message.replaceChildren(),
    });
    this.message = h("div.line.message", { role: "status" });
    this.result = h("div.saved", { hidden: true });
    this.element = h("form.save", { id: "save", onsubmit: (event) => { event.preventDefault(); this.save(false); } },
      h("h3", {}, "Save this selection"),
      h("div.line", {}, this.name, h("button.main", { type: "submit" }, "Save")),
      this.message, this.result);
  }

  async save(replace) {
    const name = this.name.value;
    this.message.replaceChildren();
    this.result.hidden = true;
    try {
      const body = { ...getSelection(), name };
      this.showSaved(await postJson("/api/selection", replace ? { ...body, replace } : body));
    } catch (error) {
      if (error.status === 409) this.askOverwrite(name);
      else this.message.replaceChildren(h("span.error", {}, error.message));
    }
  }

  askOverwrite(name) {
    const makeButton = (text, onclick) => h("button", { type: "button", onclick }, text);
    const overwrite = makeButton("Overwrite", () => this.save(true));
    this.message.replaceChildren(h("span", {}, `'${name}' already exists. Overwrite?`),
      overwrite, makeButton("Cancel", () => (this.message.replaceChildren(), this.name.focus())));
    overwrite.focus();
  }

  showSaved({ path, command }) {
    this.result.replaceChildren(
      h("p", {}, "Saved as ", h("b", {}, path), ". Build it with:"),
      h("code", {}, command),
      h("button", { type: "button", onclick: () => navigator.clipboard.writeText(command).then(() => showToast("Copied"), () => showToast("The browser does not allow copying", true)) }, "Copy"));
    this.result.hidden = false;
  }
}
