// Rows of the list, fetched in windows as they come into sight.

import { post } from "./api.js";

const SIZE = 100;

export class Windows {
  /** body: what /api/clips is asked, without offset and limit; `arrived` is called when rows or the total are new. */
  constructor(body, arrived) {
    this.body = body;
    this.arrived = arrived;
    this.total = null;
    this.pages = new Map(); // page number -> {rows, fresh}
    this.wanted = new Set();
    this.stop = new AbortController();
  }

  /** Asks the same of other thresholds, or another question; rows stay in sight until the new ones are there. */
  ask(body) {
    this.stop.abort();
    this.stop = new AbortController();
    this.body = body;
    this.wanted.clear();
    for (const page of this.pages.values()) page.fresh = false;
  }

  /** The row, or undefined while it is on its way. */
  row(index) {
    const number = Math.floor(index / SIZE);
    const page = this.pages.get(number);
    if (!page?.fresh) this.want(number);
    return page?.rows[index % SIZE];
  }

  want(number) {
    if (this.wanted.has(number)) return;
    this.wanted.add(number);
    const { signal } = this.stop;
    // A moment's wait: rows that merely fly past are never asked for.
    setTimeout(() => !signal.aborted && this.fetch(number, signal), this.total === null ? 0 : 40);
  }

  async fetch(number, signal) {
    try {
      const got = await post("/api/clips", { ...this.body, offset: number * SIZE, limit: SIZE }, signal);
      if (signal.aborted) return;
      this.pages.set(number, { rows: got.rows, fresh: true });
      if (got.total !== this.total)
        for (const known of this.pages.keys()) if (known * SIZE >= got.total) this.pages.delete(known);
      this.total = got.total;
      this.wanted.delete(number);
      this.arrived(null);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.arrived(error); // stays wanted: asked again only when the question changes
    }
  }

  /** Changes a row that is held, as a mark does. */
  amend(clipId, change) {
    for (const { rows } of this.pages.values())
      for (const row of rows) if (row.clip_id === clipId) Object.assign(row, change);
  }

  close() {
    this.stop.abort();
  }
}
