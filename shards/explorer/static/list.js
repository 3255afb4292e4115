// The list of all clips, kept and dropped, beside the thresholds.

import { clipUrl, post } from "./api.js";
import { columnsOf } from "./columns.js";
import { h, toast } from "./dom.js";
import { many, words } from "./format.js";
import { bindPage } from "./keys.js";
import { sendMark } from "./marks.js";
import { Panel } from "./panel.js";
import { address, query, remember, state } from "./state.js";
import { Table } from "./table.js";
import { Toolbar, closeMenus } from "./toolbar.js";
import { Windows } from "./windows.js";

let scrolled = { address: null, top: 0, cursor: 0 }; // where one was, to come back to

class List {
  constructor(root, go, note) {
    const dataset = state.dataset;
    Object.assign(this, { root, go, dataset, groups: null, open: new Set(), inside: new Map() });
    this.note = h("p.note", { role: "status", hidden: !note }, note ?? "",
      h("button.plain", { type: "button", title: "Close", onclick: () => (this.note.hidden = true) }, "✕"));
    this.columns = columnsOf(dataset);
    this.rows = new Windows(query(), (error) => this.arrived(error));
    this.table = new Table({
      columns: this.columns,
      none: dataset.num_clips ? "No clip is like that. Take a filter away, or search for less." : "No clips yet.",
      item: (index) => this.item(index),
      onSort: (column, also) => this.sort(column, also),
      onGroup: (group) => this.toggle(group),
    });
    this.toolbar = new Toolbar({ dataset, columns: this.columns, table: this.table, changed: () => this.refresh() });
    this.panel = new Panel({
      dataset,
      moved: () => this.refresh(),
      filter: (...filters) => this.toolbar.add(...filters),
    });
    root.replaceChildren(h("div.list", {}, h("section.clips", {}, this.note, this.toolbar.element, this.table.element), this.panel.element));
    this.table.element.addEventListener("click", (event) => this.clicked(event), { capture: true });
    this.away = (event) => closeMenus(event.target);
    document.addEventListener("pointerdown", this.away);
    this.table.sort = state.sort;
    this.table.virtual._willUpdate();
    this.table.heads();
    this.table.measure();
    if (state.group) this.refresh();
    else this.rows.row(0);
    this.back = scrolled.address === address() ? scrolled : null;
    bindPage(this.keys());
  }

  // What stands at each place of the list ------------------------------------------------------------------------

  /** The windows and the index in them of the list's place, or its group. */
  place(index) {
    if (!this.groups) return { windows: this.rows, at: index };
    for (const group of this.groups) {
      if (index === 0) return { group };
      index -= 1;
      if (!this.open.has(group.value)) continue;
      if (index < group.count) return { windows: this.windowsOf(group), at: index };
      index -= group.count;
    }
    return {};
  }

  item(index) {
    const { group, windows, at } = this.place(index);
    if (group) return { group, name: words(state.group), open: this.open.has(group.value) };
    return { row: windows?.row(at) };
  }

  windowsOf(group) {
    if (!this.inside.has(group.value))
      this.inside.set(group.value, new Windows(this.queryOf(group), (error) => this.arrived(error)));
    return this.inside.get(group.value);
  }

  queryOf = (group) => {
    const asked = query();
    return { ...asked, filters: [...asked.filters, ...group.filters] };
  };

  toggle(group) {
    if (!this.open.delete(group.value)) this.open.add(group.value);
    this.arrived(null);
  }

  arrived(error) {
    if (error) return toast(error.message, true);
    if (!this.counted) this.panel.select(); // the rows come first
    this.counted = true;
    const shown = this.groups?.reduce((sum, group) => sum + 1 + (this.open.has(group.value) ? group.count : 0), 0);
    this.table.setCount(shown ?? this.rows.total ?? 0);
    const total = this.groups ? this.groups.reduce((sum, group) => sum + group.count, 0) : this.rows.total;
    this.toolbar.total.textContent = many(total, "clip");
    this.toolbar.total.dataset.total = total;
    if (this.back && this.table.count > 0) {
      this.table.cursor = Math.min(this.back.cursor, this.table.count - 1);
      this.table.element.scrollTop = this.back.top;
      this.back = null;
    }
    this.table.draw();
  }

  /** The query or the thresholds have changed: ask again, and keep what is in sight until the answer is there. */
  async refresh() {
    remember();
    this.table.sort = state.sort;
    this.table.heads();
    const grouping = state.group;
    const asked = query();
    const key = JSON.stringify([asked.search, asked.filters, asked.sort, grouping]);
    if (key !== this.asked) {
      this.asked = key;
      this.table.cursor = 0;
      this.table.element.scrollTop = 0;
    }
    this.rows.ask(asked);
    if (!grouping) {
      this.groups = null;
      for (const windows of this.inside.values()) windows.close();
      this.inside.clear();
      this.rows.row(this.table.virtual.range?.startIndex ?? 0);
      return this.table.draw();
    }
    try {
      const { groups } = await post("/api/clips", { ...asked, group: grouping, offset: 0, limit: 1 });
      if (state.group !== grouping) return;
      if (this.grouped !== grouping) {
        for (const windows of this.inside.values()) windows.close();
        this.inside.clear();
        this.open.clear();
      }
      this.grouped = grouping;
      this.groups = groups;
      for (const group of groups) this.inside.get(group.value)?.ask(this.queryOf(group));
      this.arrived(null);
    } catch (error) {
      toast(error.message, true);
    }
  }

  sort(column, also) {
    const old = state.sort.find((part) => part.column === column);
    const next = !old ? [{ column, desc: false }] : old.desc ? [] : [{ column, desc: true }];
    state.sort = also ? [...state.sort.filter((part) => part.column !== column), ...next] : next;
    this.toolbar.draw();
    this.refresh();
  }

  // What one does ----------------------------------------------------------------------------------------------

  clicked(event) {
    const row = event.target.closest("a.row");
    if (!row) return;
    this.table.cursor = Number(row.getAttribute("aria-rowindex")) - 1;
    this.here();
  }

  /** Remembers where the open clip stands, so that its page can step through the list. */
  here() {
    const { windows, at } = this.place(this.table.cursor);
    state.at = windows ? { body: windows.body, index: at, address: address() } : null;
  }

  enter() {
    const { group, windows, at } = this.place(this.table.cursor);
    if (group) return this.toggle(group);
    const row = windows?.row(at);
    if (!row) return;
    this.here();
    this.go(clipUrl(row.clip_id));
  }

  async mark(mark) {
    const { windows, at } = this.place(this.table.cursor);
    const row = windows?.row(at);
    if (!row) return;
    const redraw = () => {
      this.table.made.delete(row);
      this.table.draw();
    };
    const sent = sendMark(row, mark, mark ? row.mark_why : "");
    redraw();
    try {
      await sent;
      toast(mark ? `Marked ${mark}: ${row.clip_id}` : `Mark taken away: ${row.clip_id}`);
    } catch (error) {
      redraw();
      toast(error.message, true);
    }
  }

  keys() {
    const { table } = this;
    const by = (step) => table.move(table.cursor + step);
    return [
      { group: "Rows", keys: [
        { keys: ["j", "ArrowDown"], said: "next row", run: () => by(1) },
        { keys: ["k", "ArrowUp"], said: "row before", run: () => by(-1) },
        { keys: ["PageDown"], said: "a page down", run: () => by(table.perPage) },
        { keys: ["PageUp"], said: "a page up", run: () => by(-table.perPage) },
        { keys: ["Home"], said: "first row", run: () => table.move(0) },
        { keys: ["End"], said: "last row", run: () => table.move(table.count - 1) },
        { keys: ["Enter"], said: "open the clip, or the group", run: () => this.enter() },
        { keys: ["g"], said: "mark good", run: () => this.mark("good") },
        { keys: ["x"], said: "mark bad", run: () => this.mark("bad") },
        { keys: ["u"], said: "take the mark away", run: () => this.mark("") },
      ] },
      { group: "List", keys: [
        { keys: ["/"], said: "search", run: () => this.toolbar.search.select() },
        { keys: ["f"], said: "add a filter", run: () => (this.toolbar.adder.open = true) },
        { keys: ["t"], said: "thresholds: tab and arrows move them", run: () => this.panel.focus() },
        { keys: ["r"], said: "thresholds back to the build's", run: () => this.panel.reset() },
        { keys: ["d"], said: "rows high or low", run: () => table.setDense(!table.dense) },
        { keys: ["Escape"], said: "close; take search and filters away", run: () => this.escape() },
      ] },
    ];
  }

  escape() {
    if (document.querySelector("details.menu[open]")) return closeMenus(document.body);
    if (this.panel.closeDrawer()) return;
    if (state.search || state.filters.length) {
      this.toolbar.search.value = "";
      this.toolbar.set({ search: "", filters: [] });
    }
  }

  close() {
    scrolled = { address: address(), top: this.table.element.scrollTop, cursor: this.table.cursor };
    document.removeEventListener("pointerdown", this.away);
    this.rows.close();
    for (const windows of this.inside.values()) windows.close();
    this.panel.close();
    this.table.close();
  }
}

/** note: what is to be said of the address, or null. */
export function listPage(root, go, note) {
  document.title = `${state.dataset.name} · HuMoVe explorer`;
  const list = new List(root, go, note);
  return () => list.close();
}
