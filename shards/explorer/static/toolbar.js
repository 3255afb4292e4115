// The toolbar of the list: search, filters as chips, groups, order, columns.

import { formatText, getColumnLabel } from "./columns.js";
import { h } from "./dom.js";
import { listGroupColumns, state } from "./state.js";

const TEXT = [["=", "is"], ["!=", "is not"], ["contains", "contains"]];
const NUMBER = [[">=", "≥"], ["<=", "≤"], [">", ">"], ["<", "<"], ["=", "="], ["!=", "≠"]];
const EQUAL = new Set(["=", "!="]);
const OPERATORS = Object.fromEntries([...TEXT, ...NUMBER, ["in", "in"]]);

export class Toolbar {
  /** columns: of makeColumns; onChange(): the query in `state` has changed. */
  constructor({ dataset, columns, table, onChange }) {
    Object.assign(this, { dataset, columns, table, onChange });
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
    this.adder = this.makeFilterMenu();
    this.grouper = h("select", { id: "group", "aria-label": "Group by", onchange: () => this.set({ group: this.grouper.value || null }) },
      h("option", { value: "" }, "Group by: none"),
      listGroupColumns(dataset).map((name) => h("option", { value: name }, `Group by: ${getColumnLabel(name)}`)));
    this.sorter = h("select.sorter", { "aria-label": "Sort by", onchange: () => this.sortBy(this.sorter.value) },
      h("option", { value: "" }, "Clip ID"),
      columns.filter((c) => c.sortable).flatMap((c) => [
        h("option", { value: `${c.name} up` }, `${c.label} ↑`), h("option", { value: `${c.name} down` }, `${c.label} ↓`)]));
    this.element = h("div.toolbar", {},
      this.search, this.adder, this.chips, h("span.space"), this.total, this.grouper, this.sorter, this.makeColumnMenu(),
      h("button.dense", { type: "button", title: "Row density: comfortable / compact (d)", onclick: () => table.setDense(!table.dense) }, "☰"));
    this.draw();
  }

  set(change) {
    Object.assign(state, change);
    this.draw();
    this.onChange();
  }

  sortBy(text) {
    const [column, direction] = text.split(" ");
    this.set({ sort: column ? [{ column, desc: direction === "down" }] : [] });
  }

  draw() {
    if (document.activeElement !== this.search) this.search.value = state.search;
    this.grouper.value = state.group ?? "";
    this.sorter.value = state.sort.length === 1 ? `${state.sort[0].column} ${state.sort[0].desc ? "down" : "up"}` : "";
    this.chips.replaceChildren(...state.filters.map((filter, index) =>
      h("span.chip", { dataset: { column: filter.column } },
        h("em", {}, getColumnLabel(filter.column)), ` ${OPERATORS[filter.op] ?? filter.op} `,
        h("b", {}, formatText(filter.column, filter.value)),
        h("button", { type: "button", title: "Remove filter", onclick: () => this.set({ filters: state.filters.filter((_, i) => i !== index) }) }, "✕"))));
    if (state.filters.length > 1)
      this.chips.append(h("button.plain", { type: "button", onclick: () => this.set({ filters: [] }) }, "clear"));
  }

  /** Adds filters, and removes those on the same column that contradict them. */
  addFilters(...filters) {
    const kept = state.filters.filter((old) => !filters.some((f) => f.column === old.column && (f.op === old.op || EQUAL.has(f.op) || EQUAL.has(old.op))));
    for (const column of this.columns) column.shown ||= filters.some((f) => f.column === column.name);
    this.table.clearRows();
    this.set({ filters: [...kept, ...filters] });
  }

  makeFilterMenu() {
    const column = h("select", { "aria-label": "Column", name: "column" },
      this.dataset.columns.map((c) => h("option", { value: c.name }, getColumnLabel(c.name))));
    const op = h("select", { "aria-label": "Operator", name: "op" });
    const value = h("span.value");
    const findColumn = () => this.dataset.columns.find((c) => c.name === column.value);
    const updateForm = () => {
      const chosen = findColumn();
      const operators = chosen.kind === "number" ? NUMBER : TEXT;
      op.replaceChildren(...operators.map(([operator, text]) => h("option", { value: operator }, text)));
      value.replaceChildren(chosen.values
        ? h("select", { name: "value", "aria-label": "Value" }, chosen.values.map((v) => h("option", { value: v }, formatText(chosen.name, v))))
        : h("input", { name: "value", "aria-label": "Value", required: chosen.kind === "number", type: chosen.kind === "number" ? "number" : "text", step: "any" }));
    };
    op.addEventListener("change", () => {
      if (op.value === "contains" && findColumn().values) value.replaceChildren(h("input", { name: "value", "aria-label": "Value" }));
    });
    column.addEventListener("change", updateForm);
    const menu = h("details.menu.adder", {}, h("summary", { title: "Add a filter (f)" }, "+ Filter"),
      h("form.pop", {
        onsubmit: (event) => {
          event.preventDefault();
          const text = new FormData(event.target).get("value");
          menu.open = false;
          this.addFilters({ column: column.value, op: op.value, value: findColumn().kind === "number" ? Number(text) : text });
        },
      }, column, op, value, h("button.main", { type: "submit" }, "Add")));
    menu.addEventListener("toggle", () => menu.open && column.focus());
    updateForm();
    return menu;
  }

  makeColumnMenu() {
    return h("details.menu", {}, h("summary", { title: "Which columns are shown" }, "Columns"),
      h("div.pop.choices", {}, this.columns.map((column) =>
        h("label", {}, h("input", {
          type: "checkbox",
          checked: column.shown,
          onchange: (event) => {
            column.shown = event.target.checked;
            this.table.clearRows();
            this.table.drawHeader();
          },
        }), column.label))));
  }
}

/** Closes the open menus that do not contain `target`. */
export function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}
