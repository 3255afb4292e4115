// The virtualised table: draws the rows in sight, whatever their number.

import { clipUrl } from "./api.js";
import { picture } from "./columns.js";
import { h } from "./dom.js";
import { count, many, share } from "./format.js";
import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from "./vendor/virtual-core/index.js";

const NARROW = 720; // px: under it a row is a card

/** none: what is said of an empty list. Items are {row} (undefined while it is on its way), or {group} for a group's headline. */
export class Table {
  constructor({ columns, none, item, onSort, onGroup }) {
    Object.assign(this, { columns, item, onSort, onGroup });
    this.cursor = 0;
    this.count = 0;
    this.sort = [];
    this.dense = localStorage.getItem("dense") === "1";
    this.head = h("div.head", { role: "row" });
    this.body = h("div.body", { role: "rowgroup" });
    this.element = h("div.table", { role: "grid", tabIndex: -1, "aria-label": "Clips" }, this.head, this.body);
    this.empty = h("p.empty", { hidden: true }, none);
    this.element.append(this.empty);
    this.virtual = new Virtualizer(this.options());
    this.unmount = this.virtual._didMount();
    this.watch = new ResizeObserver(() => this.measure());
    this.watch.observe(this.element);
    this.heads();
  }

  options() {
    return {
      count: this.count,
      getScrollElement: () => this.element,
      estimateSize: () => this.height,
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      overscan: 6,
      scrollPaddingStart: this.narrow ? 0 : 34,
      onChange: () => this.draw(),
    };
  }

  get narrow() {
    return this.element.clientWidth > 0 && this.element.clientWidth < NARROW;
  }

  get height() {
    if (this.narrow) return 76;
    return this.dense ? 32 : 62;
  }

  /** A row's height has changed, with the width of the page or by choice. */
  measure() {
    const kind = `${this.narrow}${this.dense}`;
    this.element.classList.toggle("narrow", this.narrow);
    this.element.classList.toggle("dense", this.dense && !this.narrow);
    if (kind === this.kind) return;
    this.kind = kind;
    this.virtual.setOptions(this.options());
    this.virtual.measure();
    this.draw();
  }

  setDense(dense) {
    this.dense = dense;
    localStorage.setItem("dense", dense ? "1" : "0");
    this.measure();
  }

  setCount(number) {
    this.count = number;
    this.cursor = Math.max(0, Math.min(this.cursor, number - 1));
    this.empty.hidden = number > 0;
    this.virtual.setOptions(this.options());
    this.virtual._willUpdate();
    this.draw();
  }

  heads() {
    const shown = this.columns.filter((column) => column.shown);
    const widths = shown.map((column) => `minmax(${Math.round(column.width)}px, ${column.number ? 1 : 2}fr)`);
    this.element.style.setProperty("--columns", `var(--picture) ${widths.join(" ")}`);
    this.element.style.setProperty("--wide", `${shown.reduce((sum, column) => sum + column.width + 12, 110)}px`);
    this.head.replaceChildren(h("span"), ...shown.map((column) => {
      const sorted = this.sort.find((part) => part.column === column.name);
      return h("button", {
        type: "button",
        role: "columnheader",
        disabled: !column.sortable,
        title: column.bar ? `${column.bar.setting}: ${column.bar.description}` : column.name,
        "aria-sort": sorted ? (sorted.desc ? "descending" : "ascending") : "none",
        className: column.number ? "number" : "",
        onclick: (event) => this.onSort(column.name, event.shiftKey),
      }, column.label, h("i", {}, sorted ? (sorted.desc ? " ↓" : " ↑") : ""));
    }));
    this.draw();
  }

  draw() {
    if (!this.virtual || !this.element.isConnected) return;
    this.body.style.height = `${this.virtual.getTotalSize()}px`;
    const shown = this.columns.filter((column) => column.shown);
    this.body.replaceChildren(...this.virtual.getVirtualItems().map(({ index, start }) => {
      const item = this.item(index);
      const node = item.group ? this.group(item) : item.row ? this.row(item.row, shown) : h("div.row.waiting");
      node.classList.toggle("cursor", index === this.cursor);
      node.setAttribute("aria-rowindex", index + 1);
      node.style.transform = `translateY(${start}px)`;
      node.style.height = `${this.height}px`;
      return node;
    }));
  }

  group({ group, name, open }) {
    return h("div.row.group", { role: "row", onclick: () => this.onGroup(group) },
      h("span.arrow", {}, open ? "▾" : "▸"),
      h("b", {}, `${name}: `, group.value === "" || group.value === null ? "(none)" : String(group.value)),
      h("span", {}, many(group.count, "clip")),
      h("span.dim", {}, `${count(group.kept)} kept · ${share(group.kept, group.count)}`),
      h("span.meter", {}, h("i", { style: { width: `${(100 * group.kept) / group.count}%` } })));
  }

  row(row, shown) {
    const made = this.made.get(row);
    if (made?.shown === shown.length) return made.node;
    const cells = shown.map((column) => h(`div.cell.c-${column.name}${column.number ? ".number" : ""}`, { role: "gridcell" }, column.cell(row)));
    const node = h("a.row", { role: "row", href: clipUrl(row.clip_id), draggable: false, dataset: { clip: row.clip_id, now: row.now } },
      h("div.cell.c-picture", {}, picture(row)), cells);
    this.made.set(row, { node, shown: shown.length });
    return node;
  }

  // Rows that stay in sight keep their elements, so that pictures do not load anew on every move.
  made = new WeakMap();

  forget() {
    this.made = new WeakMap();
  }

  move(to) {
    this.cursor = Math.max(0, Math.min(to, this.count - 1));
    this.virtual.scrollToIndex(this.cursor, { align: "auto" });
    this.draw();
  }

  get perPage() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.height) - 2);
  }

  close() {
    this.watch.disconnect();
    this.unmount?.();
  }
}
