// Marks on their way to the server: one after another, in the order in which they were made.

import { post } from "./api.js";

const stored = new WeakMap(); // row -> what the server has of it, while newer marks are on their way
const newest = new WeakMap(); // row -> the last request for it
let last = Promise.resolve();

/** Marks a row at once, and on the server after all earlier marks. Throws where the server does not take it. */
export async function sendMark(row, mark, why) {
  if (!stored.has(row)) stored.set(row, { mark: row.mark, mark_why: row.mark_why });
  const said = { mark, mark_why: why };
  Object.assign(row, said);
  const sent = last.then(() => post("/api/mark", { clip_id: row.clip_id, mark, why }));
  newest.set(row, sent);
  last = sent.catch(() => {}); // the next one is sent all the same
  try {
    await sent;
    stored.set(row, said);
  } catch (error) {
    if (newest.get(row) === sent) Object.assign(row, stored.get(row));
    throw error;
  } finally {
    if (newest.get(row) === sent) stored.delete(row);
  }
}

/** Waits until every mark so far is stored, or refused. */
export const marksSent = () => last;
