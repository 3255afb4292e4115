// The list of all clips, kept and dropped, with the thresholds beside it.

import { clipUrl, postJson } from "./api.js";
import { formatText, getColumnLabel, makeColumns } from "./columns.js";
import { h, showToast } from "./dom.js";
import { countNoun } from "./format.js";
import { bindPageKeys } from "./keys.js";
import { sendLabel } from "./labels.js";
import { Panel } from "./panel.js";
import { getAddress, getQuery, saveAddress, state } from "./state.js";
import { Table } from "./table.js";
import { Toolbar, closeMenus } from "./toolbar.js";
import { Windows } from "./windows.js";

let lastPosition = { address: null, top: 0, cursor: 0 }; // restored when the list is shown again

class List {
  constructor(root, navigate, note) {
    const dataset = state.dataset;
    Object.assign(this, { navigate, dataset, groups: null, open: new Set(), groupWindows: new Map() });
    this.note = h("p.note", { role: "status", hidden: !note }, note ?? "",
      h("button.plain", { type: "button", title: "Close", onclick: () => (this.note.hidden = true) }, "✕"));
    this.columns = makeColumns(dataset);
    this.rows = new Windows(getQuery(), (error) => this.update(error));
    this.table = new Table({
      columns: this.columns,
      emptyText: dataset.num_clips ? "No clips match. Remove a filter or broaden the search." : "No clips yet.",
      getItem: (index) => this.getItem(index),
      onSort: (column, additional) => this.sortBy(column, additional),
      onGroup: (group) => this.toggleGroup(group),
    });
    this.toolbar = new Toolbar({ dataset, columns: this.columns, table: this.table, onChange: () => this.refresh() });
    this.panel = new Panel({
      dataset,
      onChange: () => this.refresh(),
      filter: (...filters) => this.toolbar.addFilters(...filters),
    });
    root.replaceChildren(h("div.list", {}, h("section.clips", {}, this.note, this.toolbar.element, this.table.element), this.panel.element));
    this.table.element.addEventListener("click", (event) => this.rememberClicked(event), { capture: true });
    this.onPointerDown = (event) => closeMenus(event.target);
    document.addEventListener("pointerdown", this.onPointerDown);
    this.table.sort = state.sort;
    this.table.virtual._willUpdate();
    this.table.drawHeader();
    this.table.updateLayout();
    if (state.group) this.refresh();
    else this.rows.getRow(0);
    this.restored = lastPosition.address === getAddress() ? lastPosition : null;
    bindPageKeys(this.makeKeys());
  }

  // Items of the list -------------------------------------------------------------------------------------------

  /** Finds the group at a position of the list, or the windows and the index in them of its row. */
  locate(index) {
    if (!this.groups) return { windows: this.rows, at: index };
    for (const group of this.groups) {
      if (index === 0) return { group };
      index -= 1;
      if (!this.open.has(group.value)) continue;
      if (index < group.count) return { windows: this.getWindows(group), at: index };
      index -= group.count;
    }
    return {};
  }

  getItem(index) {
    const { group, windows, at } = this.locate(index);
    if (group) return { group, title: `${getColumnLabel(state.group)}: `, text: formatText(state.group, group.value), open: this.open.has(group.value) };
    return { row: windows?.getRow(at) };
  }

  getWindows(group) {
    if (!this.groupWindows.has(group.value))
      this.groupWindows.set(group.value, new Windows(this.makeGroupQuery(group), (error) => this.update(error)));
    return this.groupWindows.get(group.value);
  }

  makeGroupQuery(group) {
    const query = getQuery();
    return { ...query, filters: [...query.filters, ...group.filters] };
  }

  toggleGroup(group) {
    if (!this.open.delete(group.value)) this.open.add(group.value);
    this.update(null);
  }

  /** Draws the rows that have arrived, or shows the error. */
  update(error) {
    if (error) return showToast(error.message, true);
    if (!this.counted) this.panel.count(); // after the first rows
    this.counted = true;
    const shown = this.groups?.reduce((sum, group) => sum + 1 + (this.open.has(group.value) ? group.count : 0), 0);
    this.table.setCount(shown ?? this.rows.total ?? 0);
    const total = this.groups ? this.groups.reduce((sum, group) => sum + group.count, 0) : this.rows.total;
    this.toolbar.total.textContent = countNoun(total, "clip");
    this.toolbar.total.dataset.total = total;
    if (this.restored && this.table.count > 0) {
      this.table.cursor = Math.min(this.restored.cursor, this.table.count - 1);
      this.table.element.scrollTop = this.restored.top;
      this.restored = null;
    }
    this.table.draw();
  }

  /** Requests the rows again after a change of the query or the thresholds; visible rows stay until the answer. */
  async refresh() {
    saveAddress();
    this.table.sort = state.sort;
    this.table.drawHeader();
    const grouping = state.group;
    const query = getQuery();
    const key = JSON.stringify([query.search, query.filters, query.sort, grouping]);
    if (key !== this.queryKey) {
      this.queryKey = key;
      this.table.cursor = 0;
      this.table.element.scrollTop = 0;
    }
    this.rows.setQuery(query);
    if (!grouping) {
      this.groups = null;
      for (const windows of this.groupWindows.values()) windows.close();
      this.groupWindows.clear();
      this.rows.getRow(this.table.virtual.range?.startIndex ?? 0);
      return this.table.draw();
    }
    try {
      const { groups } = await postJson("/api/clips", { ...query, group: grouping, offset: 0, limit: 1 });
      if (state.group !== grouping) return;
      if (this.grouped !== grouping) {
        for (const windows of this.groupWindows.values()) windows.close();
        this.groupWindows.clear();
        this.open.clear();
      }
      this.grouped = grouping;
      this.groups = groups;
      for (const group of groups) this.groupWindows.get(group.value)?.setQuery(this.makeGroupQuery(group));
      this.update(null);
    } catch (error) {
      showToast(error.message, true);
    }
  }

  sortBy(column, additional) {
    const old = state.sort.find((part) => part.column === column);
    const next = !old ? [{ column, desc: false }] : old.desc ? [] : [{ column, desc: true }];
    state.sort = additional ? [...state.sort.filter((part) => part.column !== column), ...next] : next;
    this.toolbar.draw();
    this.refresh();
  }

  // Actions -----------------------------------------------------------------------------------------------------

  rememberClicked(event) {
    const row = event.target.closest("a.row");
    if (!row) return;
    this.table.cursor = Number(row.getAttribute("aria-rowindex")) - 1;
    this.rememberCursor();
  }

  /** Stores the position of the clip that is opened, so that its page can step through the list. */
  rememberCursor() {
    const { windows, at } = this.locate(this.table.cursor);
    state.at = windows ? { body: windows.body, index: at, address: getAddress() } : null;
  }

  openCursor() {
    const { group, windows, at } = this.locate(this.table.cursor);
    if (group) return this.toggleGroup(group);
    const row = windows?.getRow(at);
    if (!row) return;
    this.rememberCursor();
    this.navigate(clipUrl(row.clip_id));
  }

  async setLabel(label) {
    const { windows, at } = this.locate(this.table.cursor);
    const row = windows?.getRow(at);
    if (!row) return;
    const redraw = () => {
      this.table.nodes.delete(row);
      this.table.draw();
    };
    const request = sendLabel(row, label, label ? row.label_reason : "");
    redraw();
    try {
      await request;
      showToast(label ? `Labelled ${label}: ${row.clip_id}` : `Label cleared: ${row.clip_id}`);
    } catch (error) {
      redraw();
      showToast(error.message, true);
    }
  }

  makeKeys() {
    const { table } = this;
    const moveBy = (step) => table.moveCursor(table.cursor + step);
    return [
      { group: "Rows", keys: [
        { keys: ["j", "ArrowDown"], name: "next row", run: () => moveBy(1) },
        { keys: ["k", "ArrowUp"], name: "previous row", run: () => moveBy(-1) },
        { keys: ["PageDown"], name: "page down", run: () => moveBy(table.perPage) },
        { keys: ["PageUp"], name: "page up", run: () => moveBy(-table.perPage) },
        { keys: ["Home"], name: "first row", run: () => table.moveCursor(0) },
        { keys: ["End"], name: "last row", run: () => table.moveCursor(table.count - 1) },
        { keys: ["Enter"], name: "open the clip or the group", run: () => this.openCursor() },
        { keys: ["g"], name: "label good", run: () => this.setLabel("good") },
        { keys: ["x"], name: "label bad", run: () => this.setLabel("bad") },
        { keys: ["u"], name: "clear label", run: () => this.setLabel("") },
      ] },
      { group: "List", keys: [
        { keys: ["/"], name: "search", run: () => this.toolbar.search.select() },
        { keys: ["f"], name: "add a filter", run: () => (this.toolbar.adder.open = true) },
        { keys: ["t"], name: "thresholds: move with tab and arrows", run: () => this.panel.focus() },
        { keys: ["r"], name: "reset thresholds to the build's", run: () => this.panel.reset() },
        { keys: ["d"], name: "row density: comfortable / compact", run: () => table.setDense(!table.dense) },
        { keys: ["Escape"], name: "close; clear search and filters", run: () => this.closeOrClear() },
      ] },
    ];
  }

  closeOrClear() {
    if (document.querySelector("details.menu[open]")) return closeMenus(document.body);
    if (this.panel.closeDrawer()) return;
    if (state.search || state.filters.length) {
      this.toolbar.search.value = "";
      this.toolbar.set({ search: "", filters: [] });
    }
  }

  close() {
    lastPosition = { address: getAddress(), top: this.table.element.scrollTop, cursor: this.table.cursor };
    document.removeEventListener("pointerdown", this.onPointerDown);
    this.rows.close();
    for (const windows of this.groupWindows.values()) windows.close();
    this.panel.close();
    this.table.close();
  }
}

/** note: a message about the address, or null. */
export function showListPage(root, navigate, note) {
  document.title = `${state.dataset.name} · HuMoVe explorer`;
  const list = new List(root, navigate, note);
  return () => list.close();
}
