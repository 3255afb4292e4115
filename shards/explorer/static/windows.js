// Rows of the list, fetched in windows as they become visible.

import { postJson } from "./api.js";

const SIZE = 100;

export class Windows {
  /** body: of /api/clips, without offset and limit; onUpdate(error): rows have arrived (null), or a request failed. */
  constructor(body, onUpdate) {
    this.body = body;
    this.onUpdate = onUpdate;
    this.total = null;
    this.pages = new Map(); // page number -> {rows, fresh}
    this.requested = new Set();
    this.abort = new AbortController();
  }

  /** Changes the query; old rows stay visible until the new ones arrive. */
  setQuery(body) {
    this.abort.abort();
    this.abort = new AbortController();
    this.body = body;
    this.requested.clear();
    for (const page of this.pages.values()) page.fresh = false;
  }

  /** The row, or undefined until it arrives. */
  getRow(index) {
    const number = Math.floor(index / SIZE);
    const page = this.pages.get(number);
    if (!page?.fresh) this.request(number);
    return page?.rows[index % SIZE];
  }

  request(number) {
    if (this.requested.has(number)) return;
    this.requested.add(number);
    const { signal } = this.abort;
    // A short delay, so that rows skipped by fast scrolling are not requested.
    setTimeout(() => !signal.aborted && this.fetch(number, signal), this.total === null ? 0 : 40);
  }

  async fetch(number, signal) {
    try {
      const answer = await postJson("/api/clips", { ...this.body, offset: number * SIZE, limit: SIZE }, signal);
      if (signal.aborted) return;
      this.pages.set(number, { rows: answer.rows, fresh: true });
      if (answer.total !== this.total)
        for (const known of this.pages.keys()) if (known * SIZE >= answer.total) this.pages.delete(known);
      this.total = answer.total;
      this.requested.delete(number);
      this.onUpdate(null);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.onUpdate(error); // stays in `requested`: sent again only when the query changes
    }
  }

  close() {
    this.abort.abort();
  }
}
