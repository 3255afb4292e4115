// Above the list: search, filters as chips, grouping, what columns there are.

import { h } from "./dom.js";
import { words } from "./format.js";
import { groupable, state } from "./state.js";

const TEXT = [["=", "is"], ["!=", "is not"], ["contains", "contains"]];
const NUMBER = [[">=", "≥"], ["<=", "≤"], [">", ">"], ["<", "<"], ["=", "="], ["!=", "≠"]];
const EQUAL = new Set(["=", "!="]);
const SIGNS = Object.fromEntries([...TEXT, ...NUMBER, ["in", "in"]]);

export class Toolbar {
  /** changed(): the query in `state` is another one now. columns: of columnsOf; drawn anew by `redraw`. */
  constructor({ dataset, columns, table, changed }) {
    Object.assign(this, { dataset, columns, table, changed });
    // What these two may hold changes with thresholds and marks, so that the server does not list it.
    const values = { now: ["kept", "rejected", "faulted", "open"], mark: ["good", "bad", ""] };
    this.filterable = dataset.columns.map((column) => ({ ...column, values: column.values ?? values[column.name] }));
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: "Search names, captions, keys…  /",
      "aria-label": "Search",
      value: state.search,
      oninput: () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.set({ search: this.search.value }), 60);
      },
    });
    this.chips = h("span.chips");
    this.total = h("output.total");
    this.adder = this.filterForm();
    this.grouper = h("select", { id: "group", "aria-label": "Group by", onchange: () => this.set({ group: this.grouper.value || null }) },
      h("option", { value: "" }, "no groups"),
      groupable(dataset).map((name) => h("option", { value: name }, `by ${words(name)}`)));
    this.sorter = h("select.sorter", { "aria-label": "Sort by", onchange: () => this.sortBy(this.sorter.value) },
      h("option", { value: "" }, "in clip order"),
      columns.filter((c) => c.sortable).flatMap((c) => [
        h("option", { value: `${c.name} up` }, `${c.label} ↑`), h("option", { value: `${c.name} down` }, `${c.label} ↓`)]));
    this.element = h("div.toolbar", {},
      this.search, this.adder, this.chips, h("span.space"), this.total, this.grouper, this.sorter, this.columnMenu(),
      h("button.dense", { type: "button", title: "Rows high or low (d)", onclick: () => table.setDense(!table.dense) }, "☰"));
    this.draw();
  }

  set(change) {
    Object.assign(state, change);
    this.draw();
    this.changed();
  }

  sortBy(text) {
    const [column, way] = text.split(" ");
    this.set({ sort: column ? [{ column, desc: way === "down" }] : [] });
  }

  draw() {
    if (document.activeElement !== this.search) this.search.value = state.search;
    this.grouper.value = state.group ?? "";
    this.sorter.value = state.sort.length === 1 ? `${state.sort[0].column} ${state.sort[0].desc ? "down" : "up"}` : "";
    this.chips.replaceChildren(...state.filters.map((filter, index) =>
      h("span.chip", { dataset: { column: filter.column } },
        h("em", {}, words(filter.column)), ` ${SIGNS[filter.op] ?? filter.op} `,
        h("b", {}, filter.value === "" ? "(none)" : String(filter.value)),
        h("button", { type: "button", title: "Take this filter away", onclick: () => this.set({ filters: state.filters.filter((_, i) => i !== index) }) }, "✕"))));
    if (state.filters.length > 1)
      this.chips.append(h("button.plain", { type: "button", onclick: () => this.set({ filters: [] }) }, "clear"));
  }

  /** Adds filters, in place of those on the same column that they would contradict. */
  add(...filters) {
    const kept = state.filters.filter((old) => !filters.some((f) => f.column === old.column && (f.op === old.op || EQUAL.has(f.op) || EQUAL.has(old.op))));
    for (const column of this.columns) column.shown ||= filters.some((f) => f.column === column.name);
    this.table.forget();
    this.set({ filters: [...kept, ...filters] });
  }

  filterForm() {
    const column = h("select", { "aria-label": "Column", name: "column" },
      this.filterable.map((c) => h("option", { value: c.name }, words(c.name))));
    const op = h("select", { "aria-label": "Sign", name: "op" });
    const value = h("span.value");
    const fill = () => {
      const chosen = this.filterable.find((c) => c.name === column.value);
      const signs = chosen.kind === "number" ? NUMBER : TEXT;
      op.replaceChildren(...signs.map(([sign, said]) => h("option", { value: sign }, said)));
      value.replaceChildren(chosen.values
        ? h("select", { name: "value", "aria-label": "Value" }, chosen.values.map((v) => h("option", { value: v }, v === "" ? "(none)" : v)))
        : h("input", { name: "value", "aria-label": "Value", required: chosen.kind === "number", type: chosen.kind === "number" ? "number" : "text", step: "any" }));
    };
    op.addEventListener("change", () => {
      const chosen = this.filterable.find((c) => c.name === column.value);
      if (op.value === "contains" && chosen.values) value.replaceChildren(h("input", { name: "value", "aria-label": "Value" }));
    });
    column.addEventListener("change", fill);
    const menu = h("details.menu.adder", {}, h("summary", { title: "Add a filter (f)" }, "+ Filter"),
      h("form.pop", {
        onsubmit: (event) => {
          event.preventDefault();
          const said = new FormData(event.target).get("value");
          const number = this.dataset.columns.find((c) => c.name === column.value).kind === "number";
          menu.open = false;
          this.add({ column: column.value, op: op.value, value: number ? Number(said) : said });
        },
      }, column, op, value, h("button.main", { type: "submit" }, "Add")));
    menu.addEventListener("toggle", () => menu.open && column.focus());
    fill();
    return menu;
  }

  columnMenu() {
    return h("details.menu", {}, h("summary", { title: "Which columns are shown" }, "Columns"),
      h("div.pop.choices", {}, this.columns.map((column) =>
        h("label", {}, h("input", {
          type: "checkbox",
          checked: column.shown,
          onchange: (event) => {
            column.shown = event.target.checked;
            this.table.forget();
            this.table.heads();
          },
        }), column.label))));
  }
}

/** Closes open menus when one clicks or presses Escape elsewhere. */
export function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}
