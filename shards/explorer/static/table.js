// The virtualised table: draws only the visible rows.

import { clipUrl } from "./api.js";
import { makeThumbnail } from "./columns.js";
import { h } from "./dom.js";
import { countNoun, formatCount, formatShare } from "./format.js";
import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from "./vendor/virtual-core/index.js";

const NARROW = 720; // px: below it a row is a card

/** emptyText: shown for an empty list. getItem(index): {row} (undefined until it arrives), or {group} for a group's heading. */
export class Table {
  constructor({ columns, emptyText, getItem, onSort, onGroup }) {
    Object.assign(this, { columns, getItem, onSort, onGroup });
    this.cursor = 0;
    this.count = 0;
    this.sort = [];
    this.dense = localStorage.getItem("dense") === "1";
    this.head = h("div.head", { role: "row" });
    this.body = h("div.body", { role: "rowgroup" });
    this.element = h("div.table", { role: "grid", tabIndex: -1, "aria-label": "Clips" }, this.head, this.body);
    this.empty = h("p.empty", { hidden: true }, emptyText);
    this.element.append(this.empty);
    this.virtual = new Virtualizer(this.makeOptions());
    this.unmount = this.virtual._didMount();
    this.observer = new ResizeObserver(() => this.updateLayout());
    this.observer.observe(this.element);
    this.drawHeader();
  }

  makeOptions() {
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

  /** Updates the height of rows after a change of the page's width or of the row density. */
  updateLayout() {
    const layout = `${this.narrow}${this.dense}`;
    this.element.classList.toggle("narrow", this.narrow);
    this.element.classList.toggle("dense", this.dense && !this.narrow);
    if (layout === this.layout) return;
    this.layout = layout;
    this.virtual.setOptions(this.makeOptions());
    this.virtual.measure();
    this.draw();
  }

  setDense(dense) {
    this.dense = dense;
    localStorage.setItem("dense", dense ? "1" : "0");
    this.updateLayout();
  }

  setCount(number) {
    this.count = number;
    this.cursor = Math.max(0, Math.min(this.cursor, number - 1));
    this.empty.hidden = number > 0;
    this.virtual.setOptions(this.makeOptions());
    this.virtual._willUpdate();
    this.draw();
  }

  drawHeader() {
    const shown = this.columns.filter((column) => column.shown);
    const widths = shown.map((column) => `minmax(${Math.round(column.width)}px, ${column.number ? 1 : 2}fr)`);
    this.element.style.setProperty("--columns", `var(--thumbnail) ${widths.join(" ")}`);
    this.element.style.setProperty("--wide", `${shown.reduce((sum, column) => sum + column.width + 12, 110)}px`);
    this.head.replaceChildren(h("span"), ...shown.map((column) => {
      const sorted = this.sort.find((part) => part.column === column.name);
      return h("button", {
        type: "button",
        role: "columnheader",
        disabled: !column.sortable,
        title: column.threshold ? `${column.threshold.setting}: ${column.threshold.description}` : column.name,
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
      const item = this.getItem(index);
      const node = item.group ? this.makeGroupRow(item) : item.row ? this.makeRow(item.row, shown) : h("div.row.waiting");
      node.classList.toggle("cursor", index === this.cursor);
      node.setAttribute("aria-rowindex", index + 1);
      node.style.transform = `translateY(${start}px)`;
      node.style.height = `${this.height}px`;
      return node;
    }));
  }

  makeGroupRow({ group, title, text, open }) {
    return h("div.row.group", { role: "row", onclick: () => this.onGroup(group) },
      h("span.arrow", {}, open ? "▾" : "▸"),
      h("b", {}, title, text),
      h("span", {}, countNoun(group.count, "clip")),
      h("span.dim", {}, `${formatCount(group.kept)} kept · ${formatShare(group.kept, group.count)}`),
      h("span.meter", {}, h("i", { style: { width: `${(100 * group.kept) / group.count}%` } })));
  }

  makeRow(row, shown) {
    const cached = this.nodes.get(row);
    if (cached?.shown === shown.length) return cached.node;
    const cells = shown.map((column) => h(`div.cell.c-${column.name}${column.number ? ".number" : ""}`, { role: "gridcell" }, column.makeCell(row)));
    const node = h("a.row", { role: "row", href: clipUrl(row.clip_id), draggable: false, dataset: { clip: row.clip_id, now: row.now } },
      h("div.cell.c-thumbnail", {}, makeThumbnail(row)), cells);
    this.nodes.set(row, { node, shown: shown.length });
    return node;
  }

  // Visible rows keep their elements, so that thumbnails are not loaded again on every change.
  nodes = new WeakMap();

  clearRows() {
    this.nodes = new WeakMap();
  }

  moveCursor(to) {
    this.cursor = Math.max(0, Math.min(to, this.count - 1));
    this.virtual.scrollToIndex(this.cursor, { align: "auto" });
    this.draw();
  }

  get perPage() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.height) - 2);
  }

  close() {
    this.observer.disconnect();
    this.unmount?.();
  }
}
